"""Expectations under diagonal Gaussians N(ν, diag τ²): Σ_s w_s f(ν + τ u_s) over nodes u_s with weights w_s.

One interface for quadrature, which is exact for polynomials, and for samples, which are unbiased.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Nodes = tuple[Float[Tensor, "S ..."], Float[Tensor, " S"]]


class Rule(ABC):
    """A way to take expectations."""

    @abstractmethod
    def nodes(self, mean: Float[Tensor, "*runs N H"]) -> Nodes:
        """Nodes u that can be added to `mean`, and their weights, in its dtype."""


@dataclass(frozen=True)
class GaussHermite(Rule):
    """Gauss-Hermite quadrature, `n_nodes` in each dimension: exact up to degree 2 `n_nodes` − 1."""

    n_nodes: int

    def nodes(self, mean: Float[Tensor, "*runs N H"]) -> Nodes:
        grid, weights = _gauss_hermite(self.n_nodes, mean.shape[-1])
        return _spread(grid.to(mean), mean), weights.to(mean)


@dataclass(frozen=True)
class Cubature(Rule):
    """The 2H points ±√H e_h, all of the same weight: exact up to degree 3, so for a linear decoder."""

    def nodes(self, mean: Float[Tensor, "*runs N H"]) -> Nodes:
        n_latents = mean.shape[-1]
        axes = math.sqrt(n_latents) * torch.eye(n_latents, dtype=mean.dtype, device=mean.device)
        return _spread(torch.cat([axes, -axes]), mean), mean.new_full((2 * n_latents,), 0.5 / n_latents)


@dataclass(frozen=True)
class Samples(Rule):
    """Averages over `n_samples` draws of a `generator` for each data point, new ones each time."""

    n_samples: int
    generator: torch.Generator

    def nodes(self, mean: Float[Tensor, "*runs N H"]) -> Nodes:
        shape = (self.n_samples, *mean.shape)
        noise = torch.randn(shape, generator=self.generator, dtype=mean.dtype, device=mean.device)
        return noise, mean.new_full((self.n_samples,), 1 / self.n_samples)


@cache
def _gauss_hermite(n_nodes: int, n_latents: int) -> tuple[Float[Tensor, "S H"], Float[Tensor, " S"]]:
    """Nodes and weights of the product rule for N(0, I)."""
    points, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    grid = np.stack(np.meshgrid(*[points] * n_latents, indexing="ij"), -1).reshape(-1, n_latents)
    products = np.stack(np.meshgrid(*[weights / weights.sum()] * n_latents, indexing="ij"), -1).prod(-1)
    return torch.from_numpy(grid), torch.from_numpy(products.ravel())


def _spread(points: Float[Tensor, "S H"], mean: Float[Tensor, "*runs N H"]) -> Float[Tensor, "S ..."]:
    """The same `points` for every run and data point."""
    return points.reshape(len(points), *[1] * (mean.ndim - 1), mean.shape[-1])
