"""The paper's procedure for the bars: all parameters jointly by L-BFGS (Section 4.1, E.2).

The entropy ELBO needs neither λ nor σ² (Eqs. 13-15), so W̃, ν and T are all there is to optimize.

Where L-BFGS ends depends on where it starts, above all on the width of the first posteriors: wide ones shrink
during learning, which anneals the noise at no cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from paperlib.errors import InputError
from paperlib.inference import E_STEPS
from paperlib.inference.lbfgs import from_free, make_optimizer, to_free
from paperlib.model import normalize_columns
from paperlib.objectives import EntropyWeights, entropies
from paperlib.statistics import PosteriorStatistics
from paperlib.trainers.result import FitResult, history_row
from paperlib.validation import check_data, check_positive


def fit_jointly(
    x: Float[Tensor, "N D"],
    n_latents: int,
    *,
    family: str = "full",
    initial_width: float = 3.0,
    max_calls: int = 100,
    iterations_per_call: int = 200,
    history: int = 20,
    tolerance: float = 1e-4,
    generator: torch.Generator,
    callback: Callable[[dict], None] | None = None,
    progress: bool = True,
) -> FitResult:
    """Learn a dictionary by L-BFGS on all parameters of all data points at once.

    Parameters
    ----------
    x : tensor (N, D)
        Data; float64 is respected.
    n_latents : int
        H.
    family : {"full", "diagonal", "low-rank"}
        Covariance of the posteriors.
    initial_width : float
        λ and σ with which the first posteriors are inferred, in units of the data's root mean square.
    max_calls, iterations_per_call : int
        Calls of L-BFGS and iterations a call; the history has a row a call.
    history : int
        Steps that L-BFGS remembers.  The paper has 200, which takes five times as long on the bars.
    tolerance : float
        Learning stops when a call gains less than this, in nats a data point.
    generator : torch.Generator
        CPU generator of the first dictionary.
    callback : callable, optional
        Called with each row of the history.

    Returns
    -------
    FitResult
        History rows: `step` (calls), `iterations`, `seconds`, `elbo` and the three entropies.

    Raises
    ------
    InputError
        If data are not a finite matrix, the family is unknown or a number is not positive.
    """
    check_data(x)
    check_positive(
        n_latents=n_latents, initial_width=initial_width, max_calls=max_calls,
        iterations_per_call=iterations_per_call, history=history,
    )  # fmt: skip
    if family not in E_STEPS:
        raise InputError(f"Unknown posterior family {family!r}; choose one of {', '.join(E_STEPS)}.")

    started = time.perf_counter()
    dictionary = normalize_columns(torch.randn(x.shape[1], n_latents, generator=generator).to(x))
    width = initial_width * x.square().mean().sqrt()
    posterior = E_STEPS[family](x, dictionary, width.expand(n_latents), width.square(), start=None)
    free = [t.detach().contiguous().clone().requires_grad_() for t in (dictionary, *to_free(posterior))]
    optimizer = make_optimizer(free, iterations_per_call, history)

    def statistics() -> PosteriorStatistics:
        weights, *others = free
        return PosteriorStatistics.from_batch(x, from_free(family, others), weights / weights.norm(dim=0))

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = -len(x) * entropies(statistics()).elbo
        value.backward()
        return value

    rows: list[dict] = []
    bar = tqdm(range(1, max_calls + 1), desc="joint L-BFGS", unit="call", disable=not progress)
    for call in bar:
        optimizer.step(loss)
        with torch.no_grad():
            terms = entropies(statistics())
        row = history_row(call, "joint", time.perf_counter() - started, terms, EntropyWeights())
        rows.append(row | {"iterations": optimizer.state[free[0]]["n_iter"]})
        bar.set_postfix(elbo=f"{rows[-1]['elbo']:.3f}")
        if callback is not None:
            callback(rows[-1])
        if not torch.isfinite(terms.elbo):
            raise FloatingPointError(f"The ELBO is not finite after {call} calls of L-BFGS; use float64.")
        if call > 1 and rows[-1]["elbo"] - rows[-2]["elbo"] < tolerance:
            break
    bar.close()
    with torch.no_grad():
        stats = statistics()
    dictionary, *others = (t.detach() for t in free)
    return FitResult.from_posterior(normalize_columns(dictionary), from_free(family, others), stats, rows)
