"""E-steps: the posteriors of data for a given dictionary (Section 3.2; D.2).

`infer_diagonal` and `infer_full` are fast and exact, `infer_lbfgs` is the paper's and works for every family;
`fit_posterior` alternates one of them with the closed-form scales of Theorem 2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import repeat
from operator import add

from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import FAMILIES, GaussianPosterior, check_start, concatenate
from paperlib.models.sparse_coding.inference.diagonal import infer_diagonal
from paperlib.models.sparse_coding.inference.full import infer_full
from paperlib.models.sparse_coding.inference.lbfgs import infer_lbfgs
from paperlib.models.sparse_coding.inference.scales import alternate, closed_form_scales, initial_scales
from paperlib.models.sparse_coding.model import check_unit_columns
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.system.parallel import map_threads
from paperlib.system.validation import check_choice, check_positive, check_training_data

__all__ = [
    "alternate", "closed_form_scales", "fit_posterior", "infer_diagonal", "infer_full", "infer_lbfgs",
    "initial_scales",
]  # fmt: skip


def fit_posterior(
    x: Float[Tensor, "N D"],
    dictionary: Float[Tensor, "D H"],
    family: str = "diagonal",
    *,
    start: GaussianPosterior | None = None,
    tolerance: float = 1e-3,
    max_rounds: int = 100,
    batch_size: int = 1024,
) -> tuple[GaussianPosterior, PosteriorStatistics]:
    """Optimal posteriors for a fixed dictionary, with ONE optimal λ and ONE σ² for all of `x`.

    Rounds of an E-step over all data and closed-form scales (Theorem 2), while there is a gain (`alternate`).

    Parameters
    ----------
    x, dictionary : tensors (N, D) and (D, H)
        Data and W̃ (unit columns).
    family : {"diagonal", "low-rank", "full"}
        Covariance of the posteriors.
    start : GaussianPosterior, optional
        Where to start; any family for full covariances, else the same one.
    tolerance : float
        Gain of a round in nats a data point below which rounds end.
    max_rounds : int
        Rounds at most.
    batch_size : int
        Data points of an E-step, of which there is one on every thread (`paperlib.system.parallel`).

    Returns
    -------
    posterior, statistics
        Everything else (ELBO, entropies, λ, σ²) follows from the statistics.

    Raises
    ------
    InputError
        If data are not finite, shapes disagree, columns are not of unit norm, the family is unknown or a
        number is not positive.
    """
    check_training_data(x, n_features=dictionary.shape[0])
    check_unit_columns(dictionary)
    check_choice("posterior family", family, FAMILIES)
    check_positive(tolerance=tolerance, max_rounds=max_rounds, batch_size=batch_size)
    if start is not None and (family != "full" or len(start) != len(x)):  # full ones start from any family
        check_start(start, len(x), family)
    batches = x.split(batch_size)
    posteriors: list[GaussianPosterior | None] = [None] * len(batches)
    noise_variance, prior_scales = initial_scales(x, dictionary.shape[1])
    if start is not None:
        first = _split(start, batch_size)
        stats = reduce(add, map(PosteriorStatistics.from_batch, batches, first, repeat(dictionary)))
        noise_variance, prior_scales = closed_form_scales(stats, x.dtype)
        posteriors = [*first]

    def e_step(noise_variance: Tensor, prior_scales: Tensor) -> PosteriorStatistics:
        def infer(i: int) -> PosteriorStatistics:
            posterior = E_STEPS[family](
                batches[i], dictionary, prior_scales, noise_variance, start=posteriors[i]
            )
            posteriors[i] = posterior
            return PosteriorStatistics.from_batch(batches[i], posterior, dictionary)

        return reduce(add, map_threads(infer, range(len(batches))))

    stats = alternate(e_step, noise_variance, prior_scales, tolerance=tolerance, max_rounds=max_rounds)
    return concatenate([posterior for posterior in posteriors if posterior is not None]), stats


def _infer_low_rank(
    x: Tensor,
    dictionary: Tensor,
    prior_scales: Tensor,
    noise_variance: Tensor,
    *,
    start: GaussianPosterior | None,
) -> GaussianPosterior:
    return infer_lbfgs(
        x, dictionary, "low-rank", prior_scales=prior_scales, noise_variance=noise_variance, start=start
    )


E_STEPS: dict[str, Callable[..., GaussianPosterior]] = {
    "diagonal": infer_diagonal, "low-rank": _infer_low_rank, "full": infer_full,
}  # fmt: skip


def _split(posterior: GaussianPosterior, batch_size: int) -> list[GaussianPosterior]:
    return [posterior[i : i + batch_size] for i in range(0, len(posterior), batch_size)]
