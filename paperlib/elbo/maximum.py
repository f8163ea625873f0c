"""A general optimizer for what has no closed form: SciPy's, with gradients by autograd."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import optimize
from torch import Tensor

TO_THE_END = {"maxiter": 10_000, "maxfun": 20_000, "maxcor": 30, "gtol": 1e-9, "ftol": 0.0}  # of L-BFGS-B


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


def maximize_tensors(
    objective: Callable[[dict[str, Tensor]], Tensor], start: Mapping[str, Tensor], **options: float
) -> dict[str, Tensor]:
    """`maximize` by L-BFGS over several tensors together, from `start`, by name and of any shapes.

    The `objective` takes them as a dictionary.  `options` are SciPy's for L-BFGS-B, which without any goes
    on to the limits of float64.
    """

    theta, shaped = flatten(start)
    return shaped(maximize(lambda at: objective(shaped(at)), theta, "L-BFGS-B", **(TO_THE_END | options)).at)


def flatten(tensors: Mapping[str, Tensor]) -> tuple[Tensor, Callable[[Tensor], dict[str, Tensor]]]:
    """All `tensors` in one vector, cut from the graph, and the function that makes them of such a vector."""

    def shaped(vector: Tensor) -> dict[str, Tensor]:
        parts = vector.split([tensor.numel() for tensor in tensors.values()])
        return {name: part.reshape(tensors[name].shape) for name, part in zip(tensors, parts, strict=True)}

    return torch.cat([tensor.detach().flatten() for tensor in tensors.values()]), shaped
