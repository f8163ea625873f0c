"""The fast E-step for diagonal posteriors: preconditioned momentum on ν, Newton on τ, a few steps a visit.

For given λ and σ² the ELBO of a data point is, up to constants, minus

    (νᵀGν − 2 νᵀW̃ᵀx + Σ_h τ_h²) / 2σ²  +  Σ_h τ_h 𝓜(ν_h/τ_h) / λ_h  −  Σ_h log τ_h ,      G = W̃ᵀW̃,

smooth and jointly convex in (ν, τ): E|ν + τε| is convex, and so are the square and −log.  Its curvature in ν
is G/σ² + diag(κ) with κ_h ≤ √(2/π)/(λ_h τ_h), and τ_h is nowhere smaller than where ν_h = 0.  So one matrix
bounds the curvature of all data points, and its inverse gives a step that needs no line search.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.special import SQRT_2_OVER_PI

MIN_STD = 1e-6  # τ/σ below which float32 would underflow in the prior's curvature


def infer_diagonal(
    x: Float[Tensor, "N D"],
    model: SparseCodingModel,
    *,
    start: DiagonalGaussian | None = None,
    n_steps: int = 20,
) -> DiagonalGaussian:
    """Improve diagonal posteriors for a model by `n_steps` steps.

    Parameters
    ----------
    x, model : tensor (N, D), SparseCodingModel
        Data, and W̃, λ and σ², which annealing changes (`SparseCodingModel.annealed`).
    start : DiagonalGaussian, optional
        Where to start; `cold_start` if not given.
    n_steps : int
        Each step costs products with G and with the inverse of its bound (4NH² operations) and two dozen
        elementwise passes.
    """
    dictionary, scale, noise_std = model.dictionary, model.prior_scales, model.noise_variance.sqrt()
    start = cold_start(len(x), scale, noise_std.square()) if start is None else start

    # in units in which σ = 1, with t = √2 τ, so that erf(ν/t) and exp(−ν²/t²) need no factors
    gram = dictionary.T @ dictionary
    minus_target = (x @ dictionary).div_(-noise_std)
    rate = noise_std / scale
    slope_at_zero = SQRT_2_OVER_PI * rate
    least_std = std_at_zero(slope_at_zero, 1.0).clamp_min(MIN_STD)
    step = inverse_bound(gram, slope_at_zero / least_std)
    lowest, highest = math.sqrt(2) * least_std, torch.full_like(least_std, math.sqrt(2))
    mean, width = start.mean / noise_std, start.deviation * (math.sqrt(2) / noise_std)
    width.clamp_(lowest, highest)
    point, momentum = mean, 1.0
    for _ in range(n_steps):
        ratio = point / width
        squared_ratio = ratio.square()
        gradient = torch.addmm(torch.addcmul(minus_target, ratio.erf_(), rate), point, gram)
        updated = torch.addmm(point, gradient, step, alpha=-1)
        width = newton_width(width, squared_ratio, 1.0, slope_at_zero).clamp_(lowest, highest)
        next_momentum = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        point = torch.lerp(mean, updated, 1 + (momentum - 1) / next_momentum)
        mean, momentum = updated, next_momentum
    return DiagonalGaussian(mean.mul_(noise_std), width.mul_(noise_std / math.sqrt(2)))


def inverse_bound(gram: Float[Tensor, "H H"], kappa: Float[Tensor, " H"]) -> Float[Tensor, "H H"]:
    """(G + diag κ)⁻¹, with κ large enough for this arithmetic where G is singular."""
    least = 4 * torch.finfo(gram.dtype).eps * torch.linalg.matrix_norm(gram)
    return torch.cholesky_inverse(torch.linalg.cholesky(gram + torch.diag(kappa.maximum(least))))


def cold_start(
    n_points: int, prior_scales: Float[Tensor, " H"], noise_variance: Float[Tensor, ""]
) -> DiagonalGaussian:
    """Posterior of no data: ν = 0 and the τ that is optimal there, τ²/σ² + √(2/π) τ/λ = 1."""
    std = std_at_zero(SQRT_2_OVER_PI / prior_scales, 1 / noise_variance)
    return DiagonalGaussian(torch.zeros(n_points, len(std)).to(std), std.expand(n_points, -1).clone())


def std_at_zero(slope: Float[Tensor, " H"], precision: float | Float[Tensor, ""]) -> Float[Tensor, " H"]:
    """The root τ of precision·τ² + slope·τ = 1."""
    return 2 / (slope + torch.sqrt(slope.square() + 4 * precision))


def newton_width(
    width: Float[Tensor, "N H"],
    squared_ratio: Float[Tensor, "N H"],
    precision: float | Float[Tensor, "N H"],
    slope_at_zero: Float[Tensor, " H"],
) -> Float[Tensor, "N H"]:
    """One safeguarded Newton step for precision·τ² + slope·τ e^{−ν²/2τ²} = 1, which has exactly one root.

    In terms of t = √2 τ and ν²/t²; the latter is overwritten.
    """
    prior = torch.exp(-squared_ratio).mul_(width).mul_(slope_at_zero / math.sqrt(2))
    quadratic = width.square().mul_(precision)  # twice the first term
    missing = torch.add(prior, quadratic, alpha=0.5).neg_().add_(1)
    step = missing.div_(quadratic.addcmul_(prior, squared_ratio.mul_(2).add_(1)))
    return torch.addcmul(width, width, step.clamp_(-0.5, 1.0))
