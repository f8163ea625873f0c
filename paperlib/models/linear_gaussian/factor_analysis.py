"""Factor analysis: Gaussian latents, and noise with a variance of its own in every dimension."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from paperlib.models.linear_gaussian.model import LinearGaussian


@dataclass(frozen=True)
class FactorAnalysis(LinearGaussian):
    """x | z ~ N(Wz + μ, diag ψ): `loadings` W, `mean` μ, `prior_variances` v of z and `noise` ψ (D,)."""

    @staticmethod
    def pooled(variances: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
        return variances
