"""Random problems in float64 that the theory's pages and the tests share: data, models and posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import DiagonalGaussian, FullGaussian, GaussianPosterior, LowRankGaussian
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.models.sparse_coding.objectives import optimal_noise_variance, optimal_prior_scales
from paperlib.models.sparse_coding.statistics import PosteriorStatistics

Parameters = Mapping[str, Tensor]  # "means" (N, H), "deviations" (N, H) and "dictionary" (D, H)


def float64(values: Any) -> Tensor:
    """Tensor of `values` in float64."""
    return torch.tensor(values, dtype=torch.float64)


class Draws:
    """Random tensors in float64, one after the other from one `seed`, or from a generator of NumPy's.

    The generator is `rng`, for what there is no method for.
    """

    def __init__(self, seed: int | np.random.Generator):
        self.rng = np.random.default_rng(seed)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers of this `shape`."""
        return torch.from_numpy(self.rng.normal(size=shape))

    def laplace(self, *shape: int) -> Tensor:
        """Laplace(0, 1) numbers of this `shape`."""
        return torch.from_numpy(self.rng.laplace(size=shape))

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers of this `shape` between `low` and `high`."""
        return torch.from_numpy(self.rng.uniform(low, high, size=shape))

    def triangles(self, n_points: int, n_latents: int) -> Float[Tensor, "N H H"]:
        """Normal numbers below the diagonals of `n_points` matrices with `n_latents` rows, zeros above."""
        return self.normal(n_points, n_latents, n_latents).tril(-1)

    def dictionary(self, n_features: int, n_latents: int) -> Float[Tensor, "D H"]:
        """Unit columns in general position: `n_latents` of them, of `n_features` entries."""
        return normalize_columns(self.normal(n_features, n_latents))

    def model(self, n_features: int, n_latents: int, noise_variance: float) -> SparseCodingModel:
        """Model with a random dictionary (D is `n_features`, H `n_latents`), λ = 1 and `noise_variance`."""
        scales = torch.ones(n_latents, dtype=torch.float64)
        return SparseCodingModel(self.dictionary(n_features, n_latents), scales, float64(noise_variance))

    def parameters(self, n_points: int, n_features: int, n_latents: int) -> tuple[Tensor, Parameters]:
        """Data x (N, D) and, far from any optimum, what an objective with diagonal covariances depends on."""
        x = 2 * self.normal(n_points, n_features)
        means, deviations = self.laplace(n_points, n_latents), self.uniform(0.2, 1.0, n_points, n_latents)
        dictionary = self.dictionary(n_features, n_latents)
        return x, {"means": means, "deviations": deviations, "dictionary": dictionary}


def gaussians(
    mean: Float[Tensor, "N H"],
    deviation: Float[Tensor, "N H"],
    factor: Float[Tensor, "N H r"],
    triangles: Float[Tensor, "N H H"],
) -> dict[str, GaussianPosterior]:
    """Posteriors of each family: T = diag(d²), VVᵀ + diag(d²) and LLᵀ.

    Parameters
    ----------
    mean, deviation, factor : tensors (N, H), (N, H) and (N, H, r)
        ν, d and V.
    triangles : tensor (N, H, H)
        What L has below its diagonal, which is d.
    """
    return {
        "diagonal": DiagonalGaussian(mean, deviation),
        "low rank": LowRankGaussian(mean, factor, deviation),
        "full": FullGaussian(mean, triangles + torch.diag_embed(deviation)),
    }


def statistics(x: Float[Tensor, "N D"], parameters: Parameters) -> PosteriorStatistics:
    """Statistics of data `x` and the `parameters` of diagonal posteriors and a dictionary."""
    posterior = DiagonalGaussian(parameters["means"], parameters["deviations"])
    return PosteriorStatistics.from_batch(x, posterior, parameters["dictionary"])


def optimal_scales(stats: PosteriorStatistics) -> tuple[Float[Tensor, " H"], Float[Tensor, ""]]:
    """λ (H,) and σ² () of Theorem 2, in the order in which `classical_elbo` takes them."""
    return optimal_prior_scales(stats), optimal_noise_variance(stats)
