"""The paper's procedure for the bars: all parameters jointly by L-BFGS (Section 4.1, E.2).

The entropy ELBO needs neither λ nor σ² (Eqs. 13-15), so W̃, ν and T are all there is to optimize.

Where L-BFGS ends depends on where it starts.  Two things make it reliable: wide first posteriors, which
shrink during learning, and above all prior annealing (`annealed_elbo`): on the bars most failures vanish.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.annealing import schedule
from paperlib.elbo.history import Callback, Recorder
from paperlib.elbo.posteriors import FAMILIES
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import e_step
from paperlib.models.sparse_coding.inference.lbfgs import climb, make_optimizer
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.models.sparse_coding.objectives import annealed_elbo, entropies
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.result import FitResult
from paperlib.system.validation import check_positive, check_training_data


def fit_jointly(
    x: Float[Tensor, "N D"],
    n_latents: int,
    *,
    family: str = "full",
    initial_width: float = 3.0,
    annealing: str = "prior",
    max_calls: int = 100,
    iterations_per_call: int = 200,
    history: int = 20,
    tolerance: float = 1e-4,
    generator: torch.Generator,
    callback: Callback | None = None,
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
    annealing : {"prior", "likelihood", "energy", "none"}
        Which entropies the first calls weigh, one call a weight of `paperlib.elbo.annealing.schedule`.
    max_calls : int
        Calls of L-BFGS on the ELBO itself at the end.
    iterations_per_call : int
        Iterations of L-BFGS a call; the history has a row a call.
    history : int
        Steps that L-BFGS remembers.  The paper has 200, which takes five times as long on the bars.
    tolerance : float
        Learning stops when a call gains less than this, in nats a data point.
    generator : torch.Generator
        CPU generator of the first dictionary.
    callback : callable, optional
        Called with a `Snapshot` after every call of L-BFGS.

    Returns
    -------
    FitResult
        History rows: `step` (calls), `seconds`, `elbo`, the three entropies and their weights.

    Raises
    ------
    InputError
        If data are not a finite matrix, family or annealing are unknown or a number is not positive.
    """
    check_training_data(x)
    check_positive(
        n_latents=n_latents, initial_width=initial_width, max_calls=max_calls,
        iterations_per_call=iterations_per_call, history=history,
    )  # fmt: skip
    infer, posteriors = e_step(family), FAMILIES[family]
    annealed = [weights for weights in schedule(annealing, 10) if weights != EntropyWeights()]

    recorder = Recorder("joint", "call", len(annealed) + max_calls, progress=progress)
    dictionary = normalize_columns(torch.randn(x.shape[1], n_latents, generator=generator).to(x))
    width = initial_width * x.square().mean().sqrt()
    wide = SparseCodingModel.unchecked(dictionary, width.expand(n_latents), width.square())
    first = (dictionary, *infer(x, wide, start=None).to_free())
    free = [t.detach().contiguous().clone().requires_grad_() for t in first]

    def statistics() -> PosteriorStatistics:
        weights, *others = free
        return PosteriorStatistics.from_batch(x, posteriors.from_free(others), weights / weights.norm(dim=0))

    def result() -> FitResult:
        with torch.no_grad():
            stats = statistics()
        dictionary, *others = (t.detach() for t in free)
        return FitResult.from_posterior(
            normalize_columns(dictionary), posteriors.from_free(others), stats, recorder.rows
        )

    def call(optimizer: torch.optim.LBFGS, weights: EntropyWeights) -> None:
        climb(optimizer, lambda: len(x) * annealed_elbo(statistics(), weights))
        with torch.no_grad():
            terms = entropies(statistics())
        recorder.record(len(recorder.rows) + 1, "joint", terms, weights)
        if callback is not None:
            recorder.tell(callback, result().snapshot(len(recorder.rows)))

    for weights in annealed:  # each a new objective, which the curvature of the one before would mislead
        call(make_optimizer(free, iterations_per_call, history), weights)
    optimizer = make_optimizer(free, iterations_per_call, history)
    for number in range(max_calls):
        call(optimizer, EntropyWeights())
        if number > 0 and recorder.rows[-1]["elbo"] - recorder.rows[-2]["elbo"] < tolerance:
            break
    recorder.close()
    return result()
