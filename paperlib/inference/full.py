"""The exact E-step for full covariances: a damped Newton method for each data point (Theorem 2; D.3).

For given λ and σ² the ELBO of a data point is, up to constants, minus the convex function

    f(ν, T) = (νᵀGν − 2 νᵀW̃ᵀx + Tr GT) / 2σ²  +  Σ_h τ_h 𝓜(ν_h/τ_h) / λ_h  −  ½ log |T| ,      G = W̃ᵀW̃.

Its T-gradient vanishes where T⁻¹ = G/σ² + diag(κ) with κ_h = √(2/π) e^{−ν_h²/2τ_h²} / (λ_h τ_h)
(Opper & Archambeau 2009; Challis & Barber 2013), and for given T that same matrix is the Hessian in ν.  So one
Cholesky factor an iteration gives the new T and the Newton step for ν; both are descent directions of f,
which makes halving the step until f falls a safe line search.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from paperlib.objectives import EntropyWeights
from paperlib.posteriors import FullGaussian
from paperlib.special import (
    SQRT_2_OVER_PI,
    expected_magnitude,
    softened_magnitude_curvature,
    softened_magnitude_derivative,
)

STEP_SIZES = (1.0, 0.5, 0.25, 1 / 16, 1 / 256)  # of the line search; where none helps, rounding has the last word
MIN_RELATIVE_SCALE = 1e-8  # λ/σ below which squares of τ/σ would underflow in float32


def infer_full(
    x: Float[Tensor, "N D"],
    dictionary: Float[Tensor, "D H"],
    prior_scales: Float[Tensor, " H"],
    noise_variance: Float[Tensor, ""],
    *,
    weights: EntropyWeights | None = None,
    start: FullGaussian | None = None,
    n_steps: int = 30,
    tolerance: float = 1e-5,
) -> FullGaussian:
    """Optimal full-covariance posteriors for given λ and σ² (and annealing weights, Eq. 17).

    Parameters
    ----------
    x : tensor (N, D)
        Data.
    dictionary, prior_scales, noise_variance : tensors (D, H), (H,), ()
        W̃ (unit columns), λ and σ².
    weights : EntropyWeights, optional
        Annealing; only their ratios matter for the posterior.
    start : FullGaussian, optional
        Where to start; the posterior of no data if not given.  No data point ends with a lower ELBO.
    n_steps : int
        Largest number of Newton steps, each with a Cholesky factor of an H×H matrix for every data point that
        has not converged yet.
    tolerance : float
        A data point has converged when its gradient, in units of the posterior's own standard deviations, is
        below this in every coordinate: τ_h |∂f/∂ν_h| and τ_h² |∂f/∂T_hh|.

    Returns
    -------
    FullGaussian
    """
    weights = weights or EntropyWeights()
    noise_std = (noise_variance * (weights.posterior / weights.likelihood)).sqrt()
    scales = prior_scales * (weights.posterior / weights.prior)
    problem = _Problem.in_units_of_noise(x, dictionary, scales, noise_std)
    state = problem.start(start, noise_std)
    first = state
    active = torch.arange(len(x), device=x.device)
    for _ in range(n_steps):
        active = problem.improve(state, active, tolerance)
        if len(active) == 0:
            break
    return state.posterior(noise_std)
