"""The gap identity: how far an ELBO is from its entropy sum, anywhere in parameter space.

A model that can follow its own tempering has a direction dθ/dτ in which log p becomes τ log p, normalized.
Since d/dτ of that is log p + H[p] at τ = 1, for any parameters θ and any posteriors q

    ELBO − (H[q] − H[p(z)] − H[p(x|z)]) = dθ/dτ · ∂ELBO/∂θ,

so that the two are equal wherever learning has made the right side 0 (Theorem 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.terms import EntropyTerms
from paperlib.models.contract import Model


@dataclass(frozen=True)
class Gap:
    """Both sides of the gap identity at one point, in nats a data point.

    `elbo` and the entropies `terms` are those of the same parameters and posteriors; `derivative` is the
    ELBO's along the model's own temperature, the posteriors held fixed.
    """

    elbo: Float[Tensor, ""]
    terms: EntropyTerms
    derivative: Float[Tensor, ""]

    @property
    def difference(self) -> Float[Tensor, ""]:
        """ELBO minus entropy sum, which is `derivative` in exact arithmetic."""
        return self.elbo - self.terms.elbo


def gap(model: Model[Any, Any], x: Tensor, posterior: Any) -> Gap:
    """ELBO, entropies and the derivative along the temperature, of data `x` (N, …) under their posteriors."""
    direction = model.temperature()
    moving = {name: model.parameters[name].detach().clone().requires_grad_() for name in direction}
    moved = model.replace(**moving)
    stats = moved.statistics(x, posterior)
    elbo = moved.elbo(stats)
    slopes = torch.autograd.grad(elbo, list(moving.values()), materialize_grads=True)
    derivatives = [(slope * along).sum() for slope, along in zip(slopes, direction.values(), strict=True)]
    with torch.no_grad():
        return Gap(elbo.detach(), moved.entropies(stats), torch.stack(derivatives).sum())
