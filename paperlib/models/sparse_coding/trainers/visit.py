"""A visit: the E-step for some data, and the sums that the M-step needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import DiagonalGaussian, GaussianPosterior, concatenate
from paperlib.elbo.statistics import Statistics
from paperlib.models.sparse_coding.inference import EStep
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.system.distributed import Processes
from paperlib.system.parallel import map_threads


@dataclass(frozen=True)
class Visit(Statistics):
    """What the M-step needs of an E-step.

    `stats` decide λ, σ² and the ELBO (Theorem 2).  `gradient` is Σ (xνᵀ − W̃(ννᵀ + T)), σ² times the ELBO's
    gradient in W̃ at optimal posteriors, and `usage` Σ E_q z_h², the curvature that each field has.
    """

    stats: PosteriorStatistics
    gradient: Float[Tensor, "D H"]
    usage: Float[Tensor, " H"]


def visit(
    e_step: EStep,
    x: Float[Tensor, "N D"],
    model: SparseCodingModel,
    start: DiagonalGaussian,
    batch_size: int,
    processes: Processes,
) -> tuple[DiagonalGaussian, Visit]:
    """``e_step(batch, model, start=marginals)`` from `start` on, in batches of `batch_size`, one a thread.

    Returns marginals, ν and τ (N, H), where the next visit starts (full covariances of many data points do
    not fit into memory), and the sums over all `processes`.
    """

    def visit_batch(first: int) -> tuple[DiagonalGaussian, Visit]:
        batch = x[first : first + batch_size]
        posterior = e_step(batch, model, start=start[first : first + batch_size])
        return summarize(batch, posterior, model.dictionary)

    marginals, sums = zip(*map_threads(visit_batch, range(0, max(len(x), 1), batch_size)), strict=True)
    return concatenate(list(marginals)), reduce(add, sums).over(processes)


def summarize(
    x: Float[Tensor, "N D"], posterior: GaussianPosterior, dictionary: Float[Tensor, "D H"]
) -> tuple[DiagonalGaussian, Visit]:
    """Marginals and sums of these posteriors."""
    residual, spread = x - posterior.mean @ dictionary.T, posterior.spread(dictionary)
    marginals = DiagonalGaussian(posterior.mean, posterior.std)
    sums = Visit(
        PosteriorStatistics.from_residual(residual, posterior, dictionary, spread),
        residual.T @ posterior.mean - spread,
        posterior.mean.square().sum(0) + marginals.variance.sum(0),
    )
    return marginals, sums
