"""Random problems that the tests of the mathematics share: data, dictionary and posteriors."""

from __future__ import annotations

import numpy as np
import torch

from paperlib.elbo.posteriors import FAMILIES, GaussianPosterior
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.models.sparse_coding.statistics import PosteriorStatistics

RANK = 2


def random_dictionary(rng: np.random.Generator, n_features: int, n_latents: int) -> torch.Tensor:
    """Unit columns in general position, (D, H)."""
    return normalize_columns(torch.from_numpy(rng.normal(size=(n_features, n_latents))))


def random_posterior(
    rng: np.random.Generator, family: str, n_points: int, n_latents: int
) -> GaussianPosterior:
    """Posteriors far from any optimum: means of both signs, deviations between 0.1 and 2."""
    mean = torch.from_numpy(3 * rng.normal(size=(n_points, n_latents)))
    deviation = torch.from_numpy(np.exp(rng.uniform(np.log(0.1), np.log(2), size=(n_points, n_latents))))
    if family == "diagonal":
        return FAMILIES[family](mean, deviation)
    if family == "low-rank":
        return FAMILIES[family](
            mean, torch.from_numpy(rng.normal(size=(n_points, n_latents, RANK))), deviation
        )
    lower = torch.from_numpy(np.tril(rng.normal(size=(n_points, n_latents, n_latents)), -1))
    return FAMILIES[family](mean, lower + torch.diag_embed(deviation))


def random_problem(family: str, seed: int, n_points: int = 7, n_features: int = 6, n_latents: int = 4):
    """Data x (N, D), posteriors of N points, and a dictionary (D, H), all float64."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(2 * rng.normal(size=(n_points, n_features)))
    posterior = random_posterior(rng, family, n_points, n_latents)
    return x, posterior, random_dictionary(rng, n_features, n_latents)


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
