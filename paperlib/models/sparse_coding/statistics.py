"""The few sums over data points that every objective is a function of (Theorem 2, Eqs. 10-12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import LOG_2_PI_E, GaussianPosterior, check_sizes
from paperlib.elbo.statistics import Statistics
from paperlib.models.sparse_coding.special import expected_magnitude


@dataclass(frozen=True)
class PosteriorStatistics(Statistics):
    """What objectives need of data and posteriors.

    Parameters
    ----------
    count : int or float
        N, the number of data points; fractional where old points were weighed down.
    n_features : int
        D, the dimension of a data point.
    squared_residual : tensor ()
        Σₙ ‖x⁽ⁿ⁾ − W̃ν⁽ⁿ⁾‖².
    trace : tensor ()
        Σₙ Tr(W̃ T⁽ⁿ⁾ W̃ᵀ).
    magnitude : tensor (H,)
        Σₙ E_q|z_h| = Σₙ τ_h 𝓜(ν_h/τ_h).
    log_det : tensor ()
        Σₙ log |T⁽ⁿ⁾|.
    """

    size_names: ClassVar[tuple[str, ...]] = ("n_features",)

    count: int | float
    n_features: int
    squared_residual: Float[Tensor, ""]
    trace: Float[Tensor, ""]
    magnitude: Float[Tensor, " H"]
    log_det: Float[Tensor, ""]

    @classmethod
    def from_batch(
        cls, x: Float[Tensor, "N D"], posterior: GaussianPosterior, dictionary: Float[Tensor, "*shape"]
    ) -> PosteriorStatistics:
        """Statistics of data `x` (N, D) under its posteriors and the dictionary W̃ (D, H)."""
        check_sizes(x, posterior, dictionary)
        residual = x - posterior.mean @ dictionary.T
        # in float64: rounding that differs from one evaluation to the next stops L-BFGS far from its optimum
        return cls.from_residual(residual, posterior, dictionary, posterior.spread(dictionary.double()))

    @classmethod
    def from_residual(
        cls,
        residual: Float[Tensor, "N D"],
        posterior: GaussianPosterior,
        dictionary: Float[Tensor, "*shape"],
        spread: Float[Tensor, "*shape"],
    ) -> PosteriorStatistics:
        """The same from x − W̃ν and W̃ Σₙ T⁽ⁿ⁾, for those who have them already."""
        return cls(
            count=len(residual),
            n_features=residual.shape[1],
            squared_residual=_sum64(residual.square().sum(-1)),
            trace=(dictionary.double() * spread).sum(),
            magnitude=_sum64(expected_magnitude(posterior.mean, posterior.std)),
            log_det=_sum64(posterior.log_det()),
        )

    @property
    def posterior_entropy(self) -> Float[Tensor, ""]:
        """Mean of H[q] over data points."""
        return (self.magnitude.shape[0] * LOG_2_PI_E + self.log_det / self.count) / 2


def _sum64(per_point: Tensor) -> Tensor:
    return per_point.sum(0, dtype=torch.float64)
