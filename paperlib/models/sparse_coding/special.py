"""Special functions of the analytic ELBO (Eq. 12, Appendix B; Bürmann's series, Appendix E.1).

One integral carries the paper: E|z| for z ~ N(ν, τ²) equals τ 𝓜(ν/τ) with the softened magnitude 𝓜.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


def softened_magnitude(a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Softened magnitude 𝓜(a) = √(2/π) e^{−a²/2} + a erf(a/√2) (Eq. 12).

    Even, convex, at least |a|, equal to √(2/π) at 0 and to |a| for large |a|.  Both terms are non-negative,
    so nothing cancels; a² may overflow to infinity, where e^{−∞} = 0 is the right limit.  The ratio `a` is
    ν/τ of posterior mean and standard deviation, in any shape.
    """
    return softened_magnitude_curvature(a) + a * softened_magnitude_derivative(a)


def softened_magnitude_derivative(a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return 𝓜'(a) = erf(a/√2) (Eq. 70), same shape as `a`."""
    return torch.erf(a / math.sqrt(2))


def softened_magnitude_curvature(a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return 𝓜''(a) = √(2/π) e^{−a²/2}, twice the standard normal density (Appendix B), same shape as `a`."""
    return SQRT_2_OVER_PI * torch.exp(-a.square() / 2)


def expected_magnitude(
    mean: Float[Tensor, "*shape"], std: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Expected magnitude E|z| = τ 𝓜(ν/τ) of z ~ N(ν, τ²), `mean` ν and `std` τ > 0 (Theorem 2, Eq. 11).

    Written so that ν/τ may overflow: ν erf(∞) is |ν|, while τ · (∞ · 1) would be undefined.
    """
    a = mean / std
    return std * softened_magnitude_curvature(a) + mean * softened_magnitude_derivative(a)
