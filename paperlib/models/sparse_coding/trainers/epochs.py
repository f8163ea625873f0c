"""What the baselines share: epochs, each a visit to all data, and then the same judgement as `fit_em`'s."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.em import FINAL_ROUNDS
from paperlib.models.sparse_coding.trainers.result import FitResult, history_row
from paperlib.system.errors import InputError

Learned = tuple[Tensor, GaussianPosterior, PosteriorStatistics]


def learn_by_epochs(
    x: Float[Tensor, "N D"],
    epoch: Callable[[EntropyWeights], Learned],
    schedule: list[EntropyWeights],
    *,
    phase: str,
    callback: Callable[[FitResult], None] | None,
    progress: bool,
) -> FitResult:
    """Run the epochs, keep their history, and judge the dictionary at the end.

    The judgement is `fit_em`'s: posteriors of all data for the final dictionary, from those of the last
    visits, with ONE λ and ONE σ² (`fit_posterior`).  Its time is counted.

    Parameters
    ----------
    x : tensor (N, D)
        Data, already checked.
    epoch : callable
        Learns from all data once with the given weights.  Returns the dictionary W̃ (D, H), the posteriors
        of the N points in their order, and their statistics, gathered at the visits or after them.
    schedule : list of EntropyWeights
        One an epoch (Eq. 17).
    phase : str
        Name of the epochs in the history and on the progress bar.
    callback : callable or None
        Called after every epoch with the result so far; its time is not counted.

    Raises
    ------
    FloatingPointError
        If learning leaves the finite numbers.
    """
    history: list[dict] = []

    def record(learn: Callable[[], Learned], step: int, phase: str, weights: EntropyWeights) -> FitResult:
        started = time.perf_counter()
        result = _finite_result(learn, step, history)
        seconds = time.perf_counter() - started + (history[-1]["seconds"] if history else 0.0)
        history.append(history_row(step, phase, seconds, result.terms, weights))
        history[-1]["dead_fields"] = result.dead_fields.numel()
        return result

    def judge() -> Learned:
        dictionary = result.model.dictionary
        return dictionary, *fit_posterior(x, dictionary, start=result.posterior, max_rounds=FINAL_ROUNDS)

    bar = tqdm(schedule, desc=phase, unit="epoch", disable=not progress)
    for step, weights in enumerate(bar, start=1):
        result = record(partial(epoch, weights), step, phase, weights)
        bar.set_postfix(elbo=f"{result.elbo:.2f}")
        if callback is not None:
            callback(result)
    return record(judge, len(schedule), "final", EntropyWeights())


def _finite_result(learn: Callable[[], Learned], step: int, history: list[dict]) -> FitResult:
    """What `learn` returns; numbers that only divergence can make raise, also where they look like input."""
    try:
        result = FitResult.from_posterior(*learn(), history)
    except InputError as error:
        raise FloatingPointError(f"Learning diverged in epoch {step}; lower the learning rate.") from error
    if not torch.isfinite(result.terms.elbo):
        raise FloatingPointError(f"The ELBO is not finite in epoch {step}; lower the learning rate.")
    return result
