"""Optimal posteriors for a dictionary, and the scales that are optimal with them (Theorem 2)."""

from __future__ import annotations

from functools import partial, reduce
from itertools import repeat
from operator import add

from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import FAMILIES, DiagonalGaussian, GaussianPosterior, check_start, concatenate
from paperlib.models.sparse_coding.inference.families import STEPWISE, e_step
from paperlib.models.sparse_coding.inference.scales import alternate, closed_form_scales, initial_scales
from paperlib.models.sparse_coding.model import SparseCodingModel, check_unit_columns
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.system.parallel import map_threads
from paperlib.system.validation import check_positive, check_training_data


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
        Where to start; any family for full covariances, else the same one.  If not given, low-rank ones that
        end below the best diagonal ones start from there.
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
    infer = e_step(family)
    check_positive(tolerance=tolerance, max_rounds=max_rounds, batch_size=batch_size)
    if start is not None and (family != "full" or len(start) != len(x)):  # full ones start from any family
        check_start(start, len(x), family)
    batches = x.split(batch_size)
    posteriors: list[GaussianPosterior | None] = [None] * len(batches)
    scales = initial_scales(x, dictionary.shape[1])
    if start is not None:
        first = [start[i : i + batch_size] for i in range(0, len(start), batch_size)]
        stats = reduce(add, map(PosteriorStatistics.from_batch, batches, first, repeat(dictionary)))
        scales = closed_form_scales(stats, x.dtype)
        posteriors = [*first]

    def improve(model: SparseCodingModel) -> PosteriorStatistics:
        def infer_batch(i: int) -> PosteriorStatistics:
            posteriors[i] = posterior = infer(batches[i], model, start=posteriors[i])
            return PosteriorStatistics.from_batch(batches[i], posterior, dictionary)

        return reduce(add, map_threads(infer_batch, range(len(batches))))

    model = SparseCodingModel.unchecked(dictionary, *scales)
    stats = alternate(improve, model, tolerance=tolerance, max_rounds=max_rounds)
    if start is None and family not in STEPWISE:  # never below the best diagonal ones
        again = partial(
            fit_posterior, x, dictionary, tolerance=tolerance, max_rounds=max_rounds, batch_size=batch_size
        )
        best, of_best = again()
        if entropy_elbo(stats) < entropy_elbo(of_best):
            marginals = DiagonalGaussian(best.mean, best.std)
            start = FAMILIES[family].from_marginals(marginals, dictionary.T @ dictionary)
            return again(family, start=start)
    return concatenate([posterior for posterior in posteriors if posterior is not None]), stats
