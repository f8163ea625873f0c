"""The bars data of the paper's first experiment (Figs. 2 and 5): sums of bars of Laplace strength."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.system.errors import InputError


@dataclass(frozen=True)
class BarsData:
    """Data drawn from a known model.

    Parameters
    ----------
    x : tensor (N, D)
        Pictures, D = size², pixels row by row.
    z : tensor (N, H)
        The latents that made them, in the reparameterized form (Eq. 5), H = 2·size.
    model : SparseCodingModel
        The model they were drawn from: the first `size` fields are the horizontal bars from top to bottom,
        the others the vertical ones from left to right.
    """

    x: Float[Tensor, "N D"]
    z: Float[Tensor, "N H"]
    model: SparseCodingModel


def bars(
    n_points: int = 1000,
    size: int = 5,
    noise_std: float = 0.1,
    bar_value: float = 1.0,
    *,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> BarsData:
    """Draw the bars data; the defaults are the paper's (E.2).

    x = W z' + noise with z'_h ~ Laplace(0, 1) and a bar of value `bar_value` in each column of W (Eq. 1). The
    model returned is the same in the reparameterized form: unit columns, prior scales λ_h = ‖w_h‖ (Eq. 5).

    Parameters
    ----------
    n_points : int
        N.
    size : int
        Pictures have size × size pixels, so D = size² and H = 2·size.
    noise_std : float
        σ.
    bar_value : float
        Value of the pixels of a bar.
    generator : torch.Generator
        Source of randomness; the data are made on its device.
    dtype : torch.dtype
        float32 or float64.

    Raises
    ------
    InputError
        If `n_points` < 1, `size` < 2, or `noise_std` or `bar_value` is not positive and finite.
    """
    if n_points < 1:
        raise InputError(f"The number of points is {n_points}; give at least 1.")
    if size < 2:
        raise InputError(f"The size of the pictures is {size}; give at least 2, so that bars differ.")
    for name, value in (("noise_std", noise_std), ("bar_value", bar_value)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} is {value}; give a positive, finite number.")
    weights = bar_value * bar_fields(size).to(generator.device, dtype)
    noise_variance = torch.tensor(noise_std**2, device=generator.device, dtype=dtype)
    model = SparseCodingModel.from_standard(weights, noise_variance)
    x, z = model.sample(n_points, generator)
    return BarsData(x, z, model)


def bar_fields(size: int) -> Float[Tensor, "D H"]:
    """All bars of ones in a size × size picture, one a column: horizontal ones first, then vertical ones."""
    identity = torch.eye(size)
    ones = torch.ones(size)
    horizontal = torch.einsum("rk,c->rck", identity, ones)
    vertical = torch.einsum("r,ck->rck", ones, identity)
    return torch.cat([horizontal, vertical], dim=2).reshape(size * size, 2 * size)
