"""The exact E-step for full covariances: a Newton method for each data point (Theorem 2; D.3).

For given λ and σ² the ELBO of a data point is, up to constants, minus the convex function

    f(ν, T) = (νᵀGν − 2 νᵀW̃ᵀx + Tr GT) / 2σ²  +  Σ_h τ_h 𝓜(ν_h/τ_h) / λ_h  −  ½ log |T| ,      G = W̃ᵀW̃.

At its minimum T⁻¹ = G/σ² + diag(κ) with κ_h = √(2/π) e^{−ν_h²/2τ_h²} / (λ_h τ_h) (Opper & Archambeau 2009;
Challis & Barber 2013), so (ν, κ) are the only unknowns; for given T that same matrix is the Hessian in ν.
One Cholesky factor an iteration gives f, τ and the Newton step for ν.  The new κ comes from a cavity
argument: changing κ_h alone changes 1/τ_h² by just as much, so each τ_h is solved for with 1/τ_h² − κ_h held
fixed.  That takes a few iterations where substituting κ(ν, τ) takes dozens.  Where such a step does not
lower f, shorter ones towards κ(ν, τ), which is always a direction of descent, are tried instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from paperlib.elbo.posteriors import FullGaussian, GaussianPosterior, concatenate
from paperlib.models.sparse_coding.inference.diagonal import cold_start, newton_width
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.special import (
    SQRT_2_OVER_PI,
    expected_magnitude,
    softened_magnitude_curvature,
    softened_magnitude_derivative,
)
from paperlib.system.errors import InputError

CHUNK_SIZE = 2**22  # matrix elements worked on at a time
SHORTER_STEPS = (0.5, 0.25, 1 / 16, 1 / 256)  # where none of them helps, only rounding is left
LEAF_SIZE = 16
LEAST_SCALE = 1e-8  # λ/σ below which squares would overflow float32


def infer_full(
    x: Float[Tensor, "N _"],
    model: SparseCodingModel,
    *,
    start: GaussianPosterior | None = None,
    n_steps: int = 30,
    tolerance: float = 1e-5,
) -> FullGaussian:
    """Optimal full-covariance posteriors for a model.

    Parameters
    ----------
    x : tensor (N, D)
        Data.
    model : SparseCodingModel
        W̃, λ and σ², which annealing changes (`SparseCodingModel.annealed`).
    start : GaussianPosterior, optional
        Where to start: its ν and τ, so of any family; one shared ridge regression if not given.
    n_steps : int
        Largest number of Newton steps.  Each increases the ELBO of its data point (up to rounding) and costs
        a Cholesky factor and an inverse of an H×H matrix.
    tolerance : float
        A data point has converged when the gradient in units of its posterior's own width, τ_h |∂f/∂ν_h| and
        2 τ_h² |∂f/∂T_hh|, is below this in every coordinate.  1e-5 is about what float32 can reach.

    Raises
    ------
    InputError
        If data are not finite or do not fit to the model.
    """
    if x.shape[1] != model.n_features:
        raise InputError(
            f"Data {tuple(x.shape)} and dictionary {tuple(model.dictionary.shape)} do not fit; "
            "expected (N, D) and (D, H)."
        )
    if not torch.isfinite(x).all():
        raise InputError("Data contain NaN or infinite values; remove or replace them first.")
    noise_std = model.noise_variance.sqrt()
    scales = model.prior_scales / noise_std
    chunk = max(1, CHUNK_SIZE // model.n_latents**2)
    parts = []
    for i in range(0, max(len(x), 1), chunk):
        rows = slice(i, i + chunk)
        problem = _Problem.make(x[rows] / noise_std, model.dictionary, scales)
        state = problem.start(None if start is None else start[rows], noise_std)
        state = problem.minimize(state, n_steps, tolerance)
        parts.append(state.posterior(noise_std))
    return concatenate(parts)


@dataclass(frozen=True)
class _State:
    """ν, κ and what follows: L⁻¹ of T⁻¹ = LLᵀ, τ, and the data term's gradient Gν − W̃ᵀx."""

    mean: Float[Tensor, "N H"]
    kappa: Float[Tensor, "N H"]
    root: Float[Tensor, "N H H"]
    std: Float[Tensor, "N H"]
    pull: Float[Tensor, "N H"]

    def copy(self) -> _State:
        return _State(*(value.clone() for value in vars(self).values()))

    def __getitem__(self, index: Tensor) -> _State:
        return _State(*(value[index] for value in vars(self).values()))

    def __setitem__(self, index: Tensor, other: _State) -> None:
        for mine, others in zip(vars(self).values(), vars(other).values(), strict=True):
            mine[index] = others

    def posterior(self, noise_std: Float[Tensor, ""]) -> FullGaussian:
        return FullGaussian(self.mean.flip(-1) * noise_std, self.root.flip(-1, -2).mul_(noise_std).mT)


@dataclass(frozen=True)
class _Problem:
    """f for a batch of data points, in units in which σ = 1.

    Latents are in reverse order: the inverse transposed of T⁻¹'s Cholesky factor, which is upper triangular,
    is then T's own factor once the order is turned back.
    """

    gram: Float[Tensor, "H H"]
    target: Float[Tensor, "N H"]
    scales: Float[Tensor, " H"]
    least_kappa: Float[Tensor, ""]

    @classmethod
    def make(cls, x: Float[Tensor, "N D"], dictionary: Tensor, scales: Tensor) -> _Problem:
        dictionary = dictionary.flip(1)
        gram = dictionary.T @ dictionary
        # below this, adding κ to a singular G changes nothing but rounding
        least_kappa = 2 * torch.finfo(gram.dtype).eps * torch.linalg.matrix_norm(gram)
        return cls(gram, x @ dictionary, scales.flip(0).clamp_min(LEAST_SCALE), least_kappa)

    def start(self, posterior: GaussianPosterior | None, noise_std: Float[Tensor, ""]) -> _State:
        """For every data point the better one of `posterior` and a ridge regression that all points share."""
        prior = cold_start(1, self.scales, torch.ones_like(self.least_kappa))
        ridge, _ = self.evaluate(prior.mean, self.kappa_at(prior.mean, prior.deviation), self.target[:1])
        mean = self.target @ ridge.root[0].mT @ ridge.root[0]
        kappa, root, std = (
            value.expand(len(mean), *value.shape[1:]) for value in (ridge.kappa, ridge.root, ridge.std)
        )
        state = _State(mean, kappa, root, std, mean @ self.gram - self.target)
        if posterior is None:
            return state.copy()
        mean, std = posterior.mean.flip(-1) / noise_std, posterior.std.flip(-1) / noise_std
        given, valid = self.evaluate(mean, self.kappa_at(mean, std), self.target)
        worse = ~(valid & self.is_lower(given, state))
        given[worse] = state[worse]
        return given

    def kappa_at(self, mean: Tensor, std: Tensor) -> Tensor:
        """κ(ν, τ), twice the derivative of the prior's term with respect to T_hh."""
        return (softened_magnitude_curvature(mean / std) / (self.scales * std)).maximum(self.least_kappa)

    def evaluate(self, mean: Tensor, kappa: Tensor, target: Tensor) -> tuple[_State, Bool[Tensor, " N"]]:
        """State at (ν, κ), and for which points T⁻¹ is positive definite in this arithmetic."""
        root = self.gram.expand(len(kappa), -1, -1).clone()
        _diagonal(root).add_(kappa)
        valid = inverse_cholesky_(root)
        return _State(mean, kappa, root, root.square().sum(-2).sqrt(), mean @ self.gram - target), valid

    def minimize(self, state: _State, n_steps: int, tolerance: float) -> _State:
        """Lower f of every data point until it has converged or `n_steps` steps are made."""
        rounding = 4 * torch.finfo(self.target.dtype).eps * self.target.abs().amax(-1, keepdim=True)
        active = torch.arange(len(self.target), device=self.target.device)
        for _ in range(n_steps):
            mean, std = state.mean[active], state.std[active]
            gradient = state.pull[active] + softened_magnitude_derivative(mean / std) / self.scales
            kappa = self.kappa_at(mean, std)
            mismatch = (kappa - state.kappa[active]) * std.square()
            slope = (gradient.abs() - rounding[active]) * std
            unfinished = torch.maximum(slope, mismatch.abs()).amax(-1) > tolerance
            active = active[unfinished]
            if len(active) == 0:
                break
            state, active = self.step(state, active, gradient[unfinished], kappa[unfinished])
        return state

    def step(
        self, state: _State, active: Int[Tensor, " n"], gradient: Tensor, kappa: Tensor
    ) -> tuple[_State, Int[Tensor, " m"]]:
        """One step of the data points `active`; the new state, and those for which a step lowered f."""
        everything = len(active) == len(state.mean)
        current = state if everything else state[active]
        newton = -(current.root.mT @ (current.root @ gradient.unsqueeze(-1))).squeeze(-1)
        trials = [(1.0, self.cavity_kappa(current, newton)), *((size, kappa) for size in SHORTER_STEPS)]
        pending = torch.arange(len(active), device=active.device)
        for size, goal in trials:
            before = current if size == 1 else current[pending]
            mean = before.mean + size * newton[pending]
            after, valid = self.evaluate(
                mean, torch.lerp(before.kappa, goal[pending], size), self.target[active[pending]]
            )
            accepted = valid & self.is_lower(after, before)
            if everything and size == 1 and accepted.all():  # the usual case, without copies
                return after, active
            state[active[pending[accepted]]] = after[accepted]
            pending = pending[~accepted]
            if len(pending) == 0:
                break
        stuck = torch.zeros_like(active, dtype=torch.bool)
        stuck[pending] = True
        return state, active[~stuck]

    def cavity_kappa(self, state: _State, newton: Tensor) -> Tensor:
        """κ after the step for ν: every τ_h solves 1/τ_h² = c_h + κ_h(τ_h) with its cavity precision c_h."""
        mean = state.mean + newton
        # G_hh = 1 is the precision if all other latents were known
        cavity = (state.std.pow(-2) - state.kappa).clamp(self.least_kappa, torch.ones_like(self.least_kappa))
        width = math.sqrt(2) * state.std
        for _ in range(4):
            ratio = (mean / width).square().clamp_max(1e6)  # e^{−ratio} is 0 long before
            width = newton_width(width, ratio, cavity, SQRT_2_OVER_PI / self.scales)
        return self.kappa_at(mean, width / math.sqrt(2))

    def is_lower(self, after: _State, before: _State) -> Bool[Tensor, " N"]:
        """Whether f fell, up to rounding: differences are taken term by term, where they do not cancel."""
        prior_before = expected_magnitude(before.mean, before.std) / self.scales
        prior_after = expected_magnitude(after.mean, after.std) / self.scales
        quadratic = (after.mean - before.mean) * (after.pull + before.pull) / 2
        # Tr GT = Tr(I − diag(κ) T), because G = T⁻¹ − diag(κ)
        trace = (before.kappa * before.std.square() - after.kappa * after.std.square()) / 2
        log_det = torch.log(_diagonal(before.root) / _diagonal(after.root))
        change = (quadratic + trace + prior_after - prior_before + log_det).sum(-1)
        return change <= 4 * torch.finfo(change.dtype).eps * (1 + prior_before).sum(-1)


def inverse_cholesky_(matrices: Float[Tensor, "N H H"]) -> Bool[Tensor, " N"]:
    """L⁻¹ of A = LLᵀ in place of each A, and for which matrices A is positive definite in this arithmetic.

    By halves down to LEAF_SIZE, so that nearly all operations are products of matrices; for H = 100 this
    takes half the time of LAPACK's factor and triangular inverse.
    """
    size = matrices.shape[-1]
    if size <= LEAF_SIZE:
        factor, failure = torch.linalg.cholesky_ex(matrices)
        identity = torch.eye(size, dtype=factor.dtype, device=factor.device).expand_as(factor)
        matrices.copy_(torch.linalg.solve_triangular(factor, identity, upper=False))
        return failure == 0
    half = size // 2
    first, corner = matrices[:, :half, :half], matrices[:, half:, :half]
    second = matrices[:, half:, half:]
    valid = inverse_cholesky_(first)
    below = corner @ first.mT  # L's own lower left block
    valid &= inverse_cholesky_(second.sub_(below @ below.mT))
    corner.copy_((second @ below) @ first).neg_()
    matrices[:, :half, half:] = 0
    return valid


def _diagonal(matrices: Float[Tensor, "N H H"]) -> Float[Tensor, "N H"]:
    return matrices.diagonal(dim1=-2, dim2=-1)
