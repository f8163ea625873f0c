"""What the theory is checked against: integrals and densities written out.

Nothing here uses the closed forms of Theorem 2 or the softened magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import integrate
from torch import Tensor

from paperlib.elbo.posteriors import GaussianPosterior


def integrate_magnitude(nu: float, tau: float) -> float:
    """E|z| of z ~ N(ν, τ²) by quadrature, split at the kink; `nu` is ν, `tau` τ."""

    def integrand(z: float) -> float:
        return abs(z) * math.exp(-(((z - nu) / tau) ** 2) / 2) / (tau * math.sqrt(2 * math.pi))

    halves = [(nu - 12 * tau, 0), (0, nu + 12 * tau)]
    return sum(integrate.quad(integrand, *half)[0] for half in halves)


def elbo_terms(
    x: Float[Tensor, "N D"],
    q: GaussianPosterior,
    dictionary: Float[Tensor, "D H"],
    prior_scales: Float[Tensor, " H"],
    noise_variance: Float[Tensor, ""],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """E log p(x|z), E log p(z) and H[q] of Gaussian posteriors, written out from the densities.

    E|z| is ν (1 − 2F(−ν/τ)) + 2τ f(ν/τ) with the standard normal distribution function F and density f.
    Differentiable in all that it takes.

    Parameters
    ----------
    x, q, dictionary : tensor (N, D), posteriors and tensor (D, H)
        Data, their posteriors and W̃.
    prior_scales, noise_variance : tensors (H,) and ()
        λ and σ².
    """
    normal = torch.distributions.Normal(0.0, 1.0)
    covariance = q.covariance()
    std = covariance.diagonal(dim1=1, dim2=2).sqrt()
    density = normal.log_prob(q.mean / std).exp()
    magnitude = q.mean * (1 - 2 * normal.cdf(-q.mean / std)) + 2 * std * density
    error = (x - q.mean @ dictionary.T).square().sum(1)
    error = error + torch.einsum("dh,nhk,dk->n", dictionary, covariance, dictionary)
    noise = -x.shape[1] / 2 * torch.log(2 * math.pi * noise_variance) - error / (2 * noise_variance)
    prior = -(torch.log(2 * prior_scales) + magnitude / prior_scales).sum(1)
    entropy = torch.logdet(2 * math.pi * math.e * covariance) / 2
    return noise.mean(), prior.mean(), entropy.mean()


def quadrature_on_plane(reach: float = 15.0, n_nodes: int = 80) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Gauss-Legendre sums over the four quadrants of a square, for integrands with kinks on the axes.

    Parameters
    ----------
    reach : float
        The square is [−reach, reach]².
    n_nodes : int
        Nodes on each half of an axis.

    Returns
    -------
    plane, line, lengths
        The square's nodes (4n², 2), those of an axis (2n,), and the axis' weights (2n,).
    """
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    line = reach / 2 * np.concatenate([nodes - 1, nodes + 1])
    plane = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    return torch.from_numpy(plane), line, reach / 2 * np.concatenate([weights, weights])


def relative_errors(
    function: Callable[[Tensor], Tensor],
    exact: Callable[[float], Any],
    grid: Float[np.ndarray, " N"],
    dtype: torch.dtype,
) -> Float[np.ndarray, " N"]:
    """Relative errors of a `function` in a `dtype` at a `grid` as this dtype sees it.

    Parameters
    ----------
    function, exact : callable
        What is judged, and the truth, with as many digits as it wants.
    grid : array (N,)
        Where.
    dtype : torch.dtype
        The precision in which the function is evaluated.
    """
    points = torch.tensor(grid, dtype=dtype)
    pairs = zip(function(points).tolist(), points.tolist(), strict=True)
    return np.array([float(abs(ours / exact(point) - 1)) for ours, point in pairs])
