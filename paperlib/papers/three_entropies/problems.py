"""The synthetic data of the experiments, as the authors' public code specifies them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

NOISE = 0.1  # standard deviation


def linear_data(
    n_points: int, generator: torch.Generator, *, ring: bool = False, n_features: int = 10, n_latents: int = 2
) -> tuple[Float[Tensor, "N D"], Float[Tensor, "D H"], Float[Tensor, " D"]]:
    """Data x = Wz + μ + noise, with W and μ; both uniform in [0, 1].

    Parameters
    ----------
    ring : bool
        Whether z/10 + z/‖z‖ is in place of z, "PCA-ring".
    n_features, n_latents : int
        D and H.
    """
    weights = torch.rand(n_features, n_latents, generator=generator)
    mean = torch.rand(n_features, generator=generator)
    z = torch.randn(n_points, n_latents, generator=generator)
    if ring:
        z = z / 10 + z / torch.linalg.vector_norm(z, dim=1, keepdim=True)
    noise = NOISE * torch.randn(n_points, n_features, generator=generator)
    return z @ weights.T + mean + noise, weights, mean


def manifold(
    n_points: int, generator: torch.Generator, *, n_dimensions: int = 10, n_features: int = 100
) -> Float[Tensor, "N D"]:
    """Data on a manifold of `n_dimensions` k in D = `n_features`, with noise, each feature from 0 to 1.

    The first k coordinates are normal of scale 0.35, and each other one is 0.35 cos(a² + b²) of two of them,
    a and b in units of the scale.
    """
    z = torch.randn(n_points, n_dimensions, generator=generator)
    pairs = torch.stack([
        torch.randperm(n_dimensions, generator=generator)[:2] for _ in range(n_features - n_dimensions)
    ])  # fmt: skip
    rest = torch.cos(z[:, pairs].square().sum(-1))
    x = 0.35 * torch.cat([z, rest], 1) + 0.05 * torch.randn(n_points, n_features, generator=generator)
    least, most = x.aminmax(dim=0)
    return (x - least) / (most - least)


class Stream:
    """Points of several streams, whose latent dimension changes: standard deviations 1, 1.44, … along it.

    Parameters
    ----------
    n_streams : int
        How many, each with orthogonal axes of its own.
    n_features : int
        D.
    generator : torch.Generator
        Draws axes and points.
    """

    def __init__(self, n_streams: int, n_features: int, generator: torch.Generator):
        self.scales = 1 + 4 / 9 * torch.arange(n_features)
        draws = torch.randn(n_streams, n_features, n_features, generator=generator)
        self.axes = torch.linalg.qr(draws)[0]
        self.generator = generator

    def batch(self, n_points: int, n_dimensions: int) -> Float[Tensor, "R N D"]:
        """The next points of each stream, of so many latent `n_dimensions`."""
        z, noise = torch.randn(2, len(self.axes), n_points, len(self.scales), generator=self.generator)
        return (z * self.scales)[..., :n_dimensions] @ self.axes[:, :n_dimensions] + NOISE * noise
