"""λ and σ² for given posteriors (Theorem 2), and posteriors and scales in turn."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import (
    entropy_elbo,
    optimal_noise_variance,
    optimal_prior_scales,
)
from paperlib.models.sparse_coding.statistics import PosteriorStatistics


def alternate(
    e_step: Callable[[SparseCodingModel], PosteriorStatistics],
    model: SparseCodingModel,
    *,
    tolerance: float,
    max_rounds: int,
) -> PosteriorStatistics:
    """Rounds of an E-step and closed-form scales (Theorem 2), until the ELBO has no more to gain.

    With as many fields as pixels posteriors and scales hold each other back: σ² falls by a few percent a
    round, for hundreds of rounds.  So λ and σ² run ahead of their closed forms, by Nesterov's momentum on
    their logarithms; after a round that gained little or lost they start anew from the closed forms, without
    momentum (O'Donoghue and Candès 2015).  Such a round has to gain less than `tolerance` for rounds to end.

    Parameters
    ----------
    e_step : callable
        ``e_step(model)`` improves the posteriors of all data, keeps them, and returns their statistics.
    model : SparseCodingModel
        That of the first E-step; its dictionary stays.
    tolerance : float
        Gain of a round in nats a data point.
    max_rounds : int
        Rounds at most.

    Returns
    -------
    PosteriorStatistics
        Of the last round's posteriors.
    """
    scales = ahead = _logarithms(model.prior_scales, model.noise_variance)
    elbo, age, share = -math.inf, 1.0, 0.0
    for _ in range(max_rounds):
        stats = e_step(SparseCodingModel.unchecked(model.dictionary, ahead[:-1].exp(), ahead[-1].exp()))
        prior_scales, noise_variance = closed_form_scales(stats, scales.dtype)
        # where fields fit all data exactly, or all are blank, σ² has no limit but rounding
        size = torch.maximum(prior_scales.square().mean(), model.noise_variance)
        if noise_variance <= torch.finfo(scales.dtype).eps ** 2 * size:
            break
        scales, previous = _logarithms(prior_scales, noise_variance), scales
        elbo, before = float(entropy_elbo(stats)), elbo
        if elbo - before < tolerance:
            if share == 0:
                break
            age = 1.0
        next_age = (1 + math.sqrt(1 + 4 * age**2)) / 2
        age, share = next_age, (age - 1) / next_age
        ahead = torch.lerp(previous, scales, 1 + share)
    return stats


def _logarithms(prior_scales: Float[Tensor, " H"], noise_variance: Float[Tensor, ""]) -> Tensor:
    return torch.cat([prior_scales, noise_variance.reshape(1)]).log()


def initial_scales(x: Float[Tensor, "N D"], n_latents: int) -> tuple[Float[Tensor, " H"], Float[Tensor, ""]]:
    """First guess of λ and σ²: the data's root mean square, and a quarter of its square."""
    mean_square = x.square().mean()
    return mean_square.sqrt().expand(n_latents).clone(), mean_square / 4


def unit_near(values: Tensor) -> float:
    """The power of 16 next to the root mean square of values: exact to divide by, and 1 for usual data."""
    size = float(torch.linalg.vector_norm(values, dtype=torch.float64)) / math.sqrt(values.numel())
    return 16.0 ** round(math.log(size, 16)) if size else 1.0


def closed_form_scales(
    stats: PosteriorStatistics, dtype: torch.dtype
) -> tuple[Float[Tensor, " H"], Float[Tensor, ""]]:
    """λ and σ² of Theorem 2 in the data's dtype."""
    return optimal_prior_scales(stats).to(dtype), optimal_noise_variance(stats).to(dtype)
