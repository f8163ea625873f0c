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
    so nothing cancels; a² may overflow to infinity, where e^{−∞} = 0 is the right limit.

    Parameters
    ----------
    a : tensor, any shape
        Ratio ν/τ of posterior mean and standard deviation.

    Returns
    -------
    tensor, same shape and dtype
    """
    return SQRT_2_OVER_PI * torch.exp(-a.square() / 2) + a * torch.erf(a / math.sqrt(2))


def softened_magnitude_derivative(a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return 𝓜'(a) = erf(a/√2) (Eq. 70), same shape as `a`."""
    return torch.erf(a / math.sqrt(2))


def softened_magnitude_curvature(a: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return 𝓜''(a) = √(2/π) e^{−a²/2}, twice the standard normal density (Appendix B), same shape as `a`."""
    return SQRT_2_OVER_PI * torch.exp(-a.square() / 2)


def expected_magnitude(
    mean: Float[Tensor, "*shape"], std: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Expected magnitude E|z| = τ 𝓜(ν/τ) of z ~ N(ν, τ²) (Theorem 2, Eq. 11).

    Written so that ν/τ may overflow: ν erf(∞) is |ν|, while τ · (∞ · 1) would be undefined.

    Parameters
    ----------
    mean, std : tensors, any common shape
        ν and τ > 0.
    """
    a = mean / std
    return std * softened_magnitude_curvature(a) + mean * softened_magnitude_derivative(a)


def burmann_erf(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Error function by Bürmann's series with the paper's two correction terms (Appendix E.1).

    erf(x) ≈ (2/√π) sgn(x) √(1−e^{−x²}) (√π/2 + 31/200 e^{−x²} − 341/8000 e^{−2x²}), wrong by < 4e-3.
    As it stands, autograd finds no slope at 0 (0 · ∞), where the E-step starts: hence x √((1−e^{−x²})/x²).
    """
    x = x.clamp(-10, 10)  # it is ±1 there to the last digit, and x² stays finite
    square = x.square().clamp_min(torch.finfo(x.dtype).tiny)
    decay = torch.exp(-square)
    series = math.sqrt(math.pi) / 2 + 31 / 200 * decay - 341 / 8000 * decay.square()
    return 2 / math.sqrt(math.pi) * x * torch.sqrt(-torch.expm1(-square) / square) * series
