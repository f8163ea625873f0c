"""Codes of data for a fixed dictionary: by the ℓ1 penalty, and by what entropies make of it (Eqs. 2, 18)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from scipy import optimize
from sklearn.linear_model import Lasso
from torch import Tensor

from paperlib.elbo.maximum import maximize
from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.special import (
    expected_magnitude,
    softened_magnitude_curvature,
    softened_magnitude_derivative,
)
from paperlib.models.sparse_coding.statistics import PosteriorStatistics


def statistics_of_codes(
    x: Float[Tensor, "N D"], codes: Float[Tensor, "N H"], tau: float, dictionary: Float[Tensor, "D H"]
) -> PosteriorStatistics:
    """Statistics of posteriors that have `codes` as means and `tau` as all deviations."""
    return PosteriorStatistics.from_batch(x, DiagonalGaussian(codes, torch.full_like(codes, tau)), dictionary)


def lasso_codes(
    x: Float[Tensor, "N D"], dictionary: Float[Tensor, "D H"], omega: Float[Tensor, " H"]
) -> Float[Tensor, "N H"]:
    """Minimizers of ½‖x − W̃ν‖² + Σ ω_h|ν_h|, by scikit-learn.

    Parameters
    ----------
    x, dictionary : tensors (N, D) and (D, H)
        Data and W̃.
    omega : tensor (H,)
        ω; columns w̃/ω make all weights 1.
    """
    lasso = Lasso(alpha=1 / x.shape[1], fit_intercept=False, tol=1e-15, max_iter=100_000)
    return torch.from_numpy(lasso.fit((dictionary / omega).numpy(), x.T.numpy()).coef_) / omega


def soften(
    x: Float[Tensor, "N D"],
    dictionary: Float[Tensor, "D H"],
    omega: Float[Tensor, " H"],
    tau: float,
    start: Float[Tensor, "N H"],
) -> Float[Tensor, "N H"]:
    """Minimizers of ½‖x − W̃ν‖² + Σ ω_h τ 𝓜(ν_h/τ), the ℓ1 problem with rounded corners.

    Parameters
    ----------
    x, dictionary, omega
        As `lasso_codes` takes them.
    tau : float
        τ > 0, the width of the corner.
    start : tensor (N, H)
        Where to start.
    """
    codes = [_soften(*pair, dictionary, omega, tau) for pair in zip(x, start, strict=True)]
    return torch.from_numpy(np.stack(codes))


def _soften(point: Tensor, start: Tensor, dictionary: Tensor, omega: Tensor, tau: float) -> np.ndarray:
    def value(nu: Tensor) -> Tensor:
        penalty = omega * expected_magnitude(nu, torch.full_like(nu, tau))
        return (point - dictionary @ nu).square().sum() / 2 + penalty.sum()

    def slope(nu: Tensor) -> Tensor:
        return dictionary.T @ (dictionary @ nu - point) + omega * softened_magnitude_derivative(nu / tau)

    def curvature(nu: Tensor) -> Tensor:
        return dictionary.T @ dictionary + torch.diag(omega / tau * softened_magnitude_curvature(nu / tau))

    def of_arrays(function: Callable[[Tensor], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda nu: function(torch.from_numpy(nu)).numpy()

    fun, jac, hess = map(of_arrays, (value, slope, curvature))
    options = {"gtol": 1e-9}
    return optimize.minimize(fun, start.numpy(), jac=jac, hess=hess, method="trust-exact", options=options).x


def weighted_codes(
    x: Float[Tensor, "N D"],
    dictionary: Float[Tensor, "D H"],
    prior_weight: float,
    tau: float,
    start: Float[Tensor, "N H"],
) -> Float[Tensor, "N H"]:
    """Means at a maximum of the weighted entropies, where λ and σ² follow the means (Eq. 18).

    Parameters
    ----------
    x, dictionary : tensors (N, D) and (D, H)
        Data and W̃.
    prior_weight, tau : float
        γ, and the deviation of all posteriors.
    start : tensor (N, H)
        Where to start.
    """

    def objective(flat: Tensor) -> Tensor:
        stats = statistics_of_codes(x, flat.reshape(start.shape), tau, dictionary)
        return entropy_elbo(stats, EntropyWeights(prior=prior_weight))

    options = {"gtol": 1e-9, "ftol": 0, "maxiter": 5000, "maxfun": 10_000}
    return maximize(objective, start.flatten(), "L-BFGS-B", **options).at.reshape(start.shape)
