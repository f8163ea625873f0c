"""Natural parameters from mean statistics where no formula has them, by Newton's method."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.models.exponential_families.family import Family

STEPS = 100  # at most; from a good start it takes five
FULL = 0.25  # up to this Newton decrement a step need not be shortened
LAST = 1e-8  # from this decrement on a step squares it, to rounding


def solve_means(
    family: Family, means: Float[Tensor, "*shape K"], start: Float[Tensor, "*shape K"]
) -> Float[Tensor, "*shape K"]:
    """The η of a `family` with A′(η) = `means`, from `start` on, to the last digits.

    They are the minimum of the convex A(η) − η·m.  A step is shortened by 1 + its decrement, as for
    self-concordant functions, and halved until it stays in the domain.  What cannot be solved is NaN.
    """
    if not family.in_domain(start).all():
        return torch.full_like(start, torch.nan)
    natural, wanted = start.reshape(-1, start.shape[-1]), means.reshape(-1, start.shape[-1])
    for _ in range(STEPS):
        slope = family.means(natural) - wanted
        step = torch.linalg.solve_ex(family.covariance(natural), slope).result
        decrement = (slope * step).sum(-1, keepdim=True).clamp(min=0).sqrt()
        if not torch.isfinite(step).all():
            return torch.full_like(start, torch.nan)
        step = step / torch.where(decrement > FULL, 1 + decrement, 1.0)
        while not (inside := family.in_domain(natural - step)).all():
            step = torch.where(inside.unsqueeze(-1), step, step / 2)
        natural = natural - step
        if decrement.max() < LAST:
            break
    return natural.reshape(start.shape)
