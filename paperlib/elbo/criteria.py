"""Convergence criteria: when does an expected log density become minus an entropy? (Appendix C)

For a family with natural parameters η(θ) and constant base measure it does, wherever the learned parameters
are stationary, if η is a combination of the columns of the Jacobian: η = (∂η/∂θ) β for some β(θ).  With
another base measure the same β makes it minus a pseudo entropy, and a mean of the measure's logarithm.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from paperlib.system.errors import InputError
from paperlib.system.validation import check_choice, check_positive


@dataclass(frozen=True)
class Criterion:
    """What `check_criterion` found at P points, for K learned parameters and L = `n_natural` natural ones.

    At each point `residual` is ‖η − Jβ‖ / ‖η‖, from 0 (also where η = 0) to 1, `rank` that of the Jacobian
    J, and `beta` (P, K) the β of least squares, one of them where several fit equally well.  Up to a residual
    of `tolerance` η counts as a combination of the columns of J.
    """

    residual: Float[Tensor, " P"]
    rank: Int[Tensor, " P"]
    beta: Float[Tensor, "P K"]
    n_natural: int
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether η = Jβ has a solution at every point (C.2, Eqs. 98 and 103)."""
        return bool((self.residual <= self.tolerance).all())

    @property
    def theorem4(self) -> bool:
        """Whether J is square and invertible at every point, as Theorem 4 (C.1) asks; it implies `holds`."""
        n_learned = self.beta.shape[1]
        return n_learned == self.n_natural and bool((self.rank == n_learned).all())


def check_criterion(
    natural_parameters: Callable[[Tensor], Tensor],
    points: Float[Tensor, "*shape"],
    subset: Sequence[int] | None = None,
    tolerance: float = 1e-6,
) -> Criterion:
    """Find numerically, at points of parameter space, whether η = Jβ can be solved for β.

    Parameters
    ----------
    natural_parameters : callable
        The map η: a differentiable function from a float64 tensor θ (K,) to a tensor with all natural
        parameters.  If they depend on latents z, let it return those of several z: β must be common to all.
    points : tensor (P, K)
        Values of θ to test, in general position.
    subset : sequence of ints, optional
        Which parameters learning makes stationary (C.2); the others stay fixed.  All, if left out.
    tolerance : float
        Of the relative residual, and of singular values relative to the largest.

    Raises
    ------
    InputError
        If `points` are not a finite matrix, `subset` names parameters that do not exist, or η or its
        Jacobian is not finite at a point.
    """
    check_positive(tolerance=tolerance)
    if points.ndim != 2 or 0 in points.shape or not torch.isfinite(points).all():
        raise InputError(
            f"Points must be a finite, non-empty matrix (P, K); got shape {tuple(points.shape)}."
        )
    n_parameters = points.shape[1]
    learned = list(range(n_parameters)) if subset is None else list(subset)
    if len(set(learned)) < len(learned) or not all(0 <= k < n_parameters for k in learned):
        raise InputError(f"The subset must be different numbers from 0 to {n_parameters - 1}, not {learned}.")

    def eta(theta: Tensor) -> Tensor:
        return natural_parameters(theta).flatten().double()

    solved = []
    for theta in points.double():
        values, jacobian = eta(theta), torch.func.jacrev(eta)(theta)[:, learned]
        if not (torch.isfinite(values).all() and torch.isfinite(jacobian).all()):
            raise InputError(f"The natural parameters or their Jacobian are not finite at {theta.tolist()}.")
        solved.append((*_solve(values, jacobian, tolerance), len(values)))
    residual, rank, beta, n_natural = zip(*solved, strict=True)
    return Criterion(torch.stack(residual), torch.stack(rank), torch.stack(beta), n_natural[0], tolerance)


@dataclass(frozen=True)
class Direction:
    """What `find_direction` found: how parameters change, by name, where η grows by itself, as far as it can.

    `residual` is ‖η − J along‖ / ‖η‖, and up to one of `tolerance` there is such a direction.
    """

    along: dict[str, Tensor]
    residual: float
    tolerance: float

    @property
    def exists(self) -> bool:
        """Whether η grows by itself along it, so that stationary parameters give entropies."""
        return self.residual <= self.tolerance


def find_direction(
    natural_parameters: Callable[[Mapping[str, Tensor]], Tensor],
    parameters: Mapping[str, Tensor],
    learned: Collection[str] | None = None,
    tolerance: float = 1e-6,
) -> Direction:
    """The temperature of a model at its parameters: `check_criterion` with names for parameters.

    Parameters
    ----------
    natural_parameters : callable
        From tensors by name to all natural parameters, those of prior and noise in one tensor; those that
        depend on latents at several latents.
    parameters : mapping
        Tensors by name, where the direction is wanted.
    learned : collection of str, optional
        Names of those that learning makes stationary.  All, if left out.
    tolerance : float
        Of the relative residual.

    Raises
    ------
    InputError
        If natural parameters or their Jacobian are not finite there, or `learned` names what does not exist.
    """
    chosen = list(parameters if learned is None else learned)
    for name in chosen:
        check_choice("parameter", name, parameters)
    sizes = [parameters[name].numel() for name in chosen]

    def named(theta: Tensor) -> dict[str, Tensor]:
        parts = zip(chosen, theta.split(sizes), strict=True)
        return {name: part.reshape(parameters[name].shape) for name, part in parts}

    point = torch.cat([parameters[name].detach().double().flatten() for name in chosen])
    found = check_criterion(
        lambda theta: natural_parameters({**parameters, **named(theta)}), point.unsqueeze(0), None, tolerance
    )
    return Direction(named(found.beta[0]), float(found.residual), tolerance)


def _solve(eta: Tensor, jacobian: Tensor, tolerance: float) -> tuple[Tensor, Tensor, Tensor]:
    """Relative residual, rank and β of least squares, by the singular values that count."""
    # Columns of length 1: units of the parameters do not matter.
    lengths = jacobian.norm(dim=0)
    lengths = torch.where(lengths > 0, lengths, 1.0)
    left, values, right = torch.linalg.svd(jacobian / lengths, full_matrices=False)
    kept = values > tolerance * values.max() if len(values) else values > 0
    along = left[:, kept].T @ eta
    beta = right[kept].T @ (along / values[kept]) / lengths
    size = eta.norm()
    residual = (eta - left[:, kept] @ along).norm() / torch.where(size > 0, size, 1.0)
    return residual, kept.sum(), beta
