"""What the baselines share: epochs, each a visit to all data, and then the same judgement as `fit_em`'s."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.history import Callback, Recorder
from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.em import FINAL_ROUNDS
from paperlib.models.sparse_coding.trainers.result import FitResult
from paperlib.system.errors import InputError

Learned = tuple[Tensor, GaussianPosterior, PosteriorStatistics]


def learn_by_epochs(
    x: Float[Tensor, "N D"],
    epoch: Callable[[EntropyWeights], Learned],
    schedule: list[EntropyWeights],
    *,
    phase: str,
    callback: Callback | None,
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
        Called with a `Snapshot` after every epoch.

    Raises
    ------
    FloatingPointError
        If learning leaves the finite numbers.
    """
    recorder = Recorder(phase, "epoch", len(schedule), progress=progress)

    def record(learned: Learned, step: int, phase: str, weights: EntropyWeights) -> FitResult:
        result = FitResult.from_posterior(*learned, recorder.rows)
        recorder.record(step, phase, result.terms, weights, dead_fields=result.dead_fields.numel())
        return result

    for step, weights in enumerate(schedule, start=1):
        try:
            learned = epoch(weights)
        except InputError as error:  # numbers that only divergence can make look like input
            text = f"Learning diverged in epoch {step}; lower the learning rate."
            raise FloatingPointError(text) from error
        result = record(learned, step, phase, weights)
        recorder.tell(callback, result.snapshot(step))
    recorder.close()
    dictionary = result.model.dictionary
    judged = fit_posterior(x, dictionary, start=result.posterior, max_rounds=FINAL_ROUNDS)
    return record((dictionary, *judged), len(schedule), "final", EntropyWeights())
