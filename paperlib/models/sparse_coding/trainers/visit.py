"""A visit: the E-step for some data, and the sums that the M-step needs of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import DiagonalGaussian, GaussianPosterior, concatenate
from paperlib.models.sparse_coding.inference import EStep
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.system.distributed import Processes
from paperlib.system.parallel import map_threads


@dataclass(frozen=True)
class Visit:
    """What is left of an E-step over N data points.

    Parameters
    ----------
    marginals : DiagonalGaussian
        ν and τ (N, H), where the next visit starts.  Covariances are not kept: full ones of many data points
        do not fit into memory.
    stats : PosteriorStatistics
        Sums of the posteriors themselves, covariances included; they decide λ, σ² and the ELBO (Theorem 2).
    gradient : tensor (D, H)
        Σ (xνᵀ − W̃(ννᵀ + T)), which is σ² times the ELBO's gradient in W̃ at optimal posteriors.
    usage : tensor (H,)
        Σ E_q z_h², the curvature that each field has.
    """

    marginals: DiagonalGaussian
    stats: PosteriorStatistics
    gradient: Float[Tensor, "D H"]
    usage: Float[Tensor, " H"]

    def total(self, processes: Processes) -> Visit:
        """The same marginals, and the sums over all processes."""
        if processes.count == 1:
            return self
        stats = self.stats
        count, *sums = processes.add([
            torch.tensor(stats.count), stats.squared_residual, stats.trace, stats.magnitude, stats.log_det,
            self.gradient, self.usage,
        ])  # fmt: skip
        *scalars, gradient, usage = sums
        stats = PosteriorStatistics(int(count), stats.n_features, *scalars)
        return replace(self, stats=stats, gradient=gradient, usage=usage)


def visit(
    e_step: EStep,
    x: Float[Tensor, "N D"],
    model: SparseCodingModel,
    start: DiagonalGaussian,
    batch_size: int,
) -> Visit:
    """E-step for a model in batches, several at a time (`paperlib.system.parallel`).

    Parameters
    ----------
    e_step : callable
        ``e_step(batch, model, start=marginals)``.
    x, model
        Data (N, D), and the model.
    start : DiagonalGaussian
        Marginals of N posteriors to start from.
    batch_size : int
        Data points at a time, for each thread.
    """

    def visit_batch(first: int) -> Visit:
        batch = x[first : first + batch_size]
        posterior = e_step(batch, model, start=start[first : first + batch_size])
        return summarize(batch, posterior, model.dictionary)

    parts = map_threads(visit_batch, range(0, max(len(x), 1), batch_size))
    if len(parts) == 1:
        return parts[0]
    return Visit(
        concatenate([part.marginals for part in parts]),
        reduce(add, (part.stats for part in parts)),
        reduce(add, (part.gradient for part in parts)),
        reduce(add, (part.usage for part in parts)),
    )


def summarize(
    x: Float[Tensor, "N D"], posterior: GaussianPosterior, dictionary: Float[Tensor, "D H"]
) -> Visit:
    """The visit that these posteriors are of."""
    residual, spread = x - posterior.mean @ dictionary.T, posterior.spread(dictionary)
    std = posterior.std
    return Visit(
        DiagonalGaussian(posterior.mean, std),
        PosteriorStatistics.from_residual(residual, posterior, dictionary, spread),
        residual.T @ posterior.mean - spread,
        posterior.mean.square().sum(0) + std.square().sum(0),
    )
