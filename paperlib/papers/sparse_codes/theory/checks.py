"""What the theory is checked against: integrals, densities written out, and a general optimizer.

Nothing here uses the closed forms of Theorem 2 or the softened magnitude.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import integrate, optimize, stats
from torch import Tensor

from paperlib.elbo.posteriors import GaussianPosterior


@dataclass(frozen=True)
class Maximum:
    """What `maximize` found.

    Parameters
    ----------
    at : tensor (K,)
        Where it is.
    value, slope : float
        The objective there, and the largest magnitude of its derivatives.
    climb : array
        The objective after each iteration.
    """

    at: Float[Tensor, " K"]
    value: float
    slope: float
    climb: Float[np.ndarray, " iterations"]


def maximize(
    objective: Callable[[Tensor], Tensor],
    start: Float[Tensor, " K"] | Sequence[float],
    method: str = "BFGS",
    **options: Any,
) -> Maximum:
    """Climb an `objective` of a float64 tensor (K,) from `start`, by autograd and a `method` of SciPy.

    Parameters
    ----------
    objective : callable
        Differentiable, to a tensor ().
    start : K numbers
        Where to start.
    method : str
        Of `scipy.optimize.minimize`.
    **options
        Of the method; without any, it goes on until all derivatives are below 10⁻⁹.
    """

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        leaf = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
        value = -objective(leaf)
        (gradient,) = torch.autograd.grad(value, leaf)
        return value.item(), gradient.numpy()

    def note(intermediate_result: optimize.OptimizeResult) -> None:
        climb.append(-float(intermediate_result.fun))

    climb: list[float] = []
    first = torch.as_tensor(start, dtype=torch.float64).numpy()
    found = optimize.minimize(
        loss, first, jac=True, method=method, callback=note, options=options or {"gtol": 1e-9}
    )
    return Maximum(
        torch.from_numpy(found.x), -float(found.fun), float(np.abs(found.jac).max()), np.array(climb)
    )


def integrate_magnitude(nu: float, tau: float) -> float:
    """E|z| of z ~ N(ν, τ²) by quadrature, split at the kink; `nu` is ν, `tau` τ."""
    q = stats.norm(nu, tau)
    halves = [(nu - 12 * tau, 0), (0, nu + 12 * tau)]
    return sum(integrate.quad(lambda z: abs(z) * q.pdf(z), *half)[0] for half in halves)


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
