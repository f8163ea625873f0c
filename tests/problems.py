"""Random problems that the tests of the mathematics share: data, dictionary and posteriors."""

from __future__ import annotations

import math

import numpy as np
import torch

from paperlib.elbo.posteriors import DiagonalGaussian, FullGaussian, GaussianPosterior, LowRankGaussian
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.papers.sparse_codes.theory.problems import Draws

RANK = 2


def random_dictionary(rng: np.random.Generator, n_features: int, n_latents: int) -> torch.Tensor:
    """Unit columns in general position, (D, H)."""
    return Draws(rng).dictionary(n_features, n_latents)


def random_posterior(
    rng: np.random.Generator, family: str, n_points: int, n_latents: int
) -> GaussianPosterior:
    """Posteriors far from any optimum: means of both signs, deviations between 0.1 and 2."""
    draw = Draws(rng)
    mean = 3 * draw.normal(n_points, n_latents)
    deviation = draw.uniform(math.log(0.1), math.log(2), n_points, n_latents).exp()
    if family == "diagonal":
        return DiagonalGaussian(mean, deviation)
    if family == "low-rank":
        return LowRankGaussian(mean, draw.normal(n_points, n_latents, RANK), deviation)
    return FullGaussian(mean, draw.triangles(n_points, n_latents) + torch.diag_embed(deviation))


def random_problem(family: str, seed: int, n_points: int = 7, n_features: int = 6, n_latents: int = 4):
    """Data x (N, D), posteriors of N points, and a dictionary (D, H), all float64."""
    draw = Draws(seed)
    x = 2 * draw.normal(n_points, n_features)
    posterior = random_posterior(draw.rng, family, n_points, n_latents)
    return x, posterior, draw.dictionary(n_features, n_latents)


def random_statistics(family: str, seed: int, **sizes: int) -> PosteriorStatistics:
    """Statistics of a random problem."""
    return PosteriorStatistics.from_batch(*random_problem(family, seed, **sizes))


def sampled_problem(
    n_points: int = 40,
    n_features: int = 12,
    n_latents: int = 8,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> tuple[torch.Tensor, SparseCodingModel]:
    """Data (N, D) sampled from a random model, and that model."""
    generator = torch.Generator().manual_seed(seed)
    dictionary = normalize_columns(torch.randn(n_features, n_latents, generator=generator, dtype=dtype))
    scales = 0.2 + torch.rand(n_latents, generator=generator, dtype=dtype)
    model = SparseCodingModel(dictionary, scales, torch.tensor(0.05, dtype=dtype))
    return model.sample(n_points, generator)[0], model
