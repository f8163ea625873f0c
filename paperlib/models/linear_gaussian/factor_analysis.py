"""Factor analysis: Gaussian latents, and noise with a variance of its own in every dimension."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from paperlib.models.linear_gaussian.model import LinearGaussian


@dataclass(frozen=True)
class FactorAnalysis(LinearGaussian):
    """z_h ~ N(0, v_h), x | z ~ N(Wz + μ, diag ψ); `noise` is ψ."""

    @staticmethod
    def pooled(variances: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
        return variances
