"""The few sums over data points that every objective is a function of (Theorem 2, Eqs. 10-12).

They add: minibatches, the whole data set, several devices and several machines are the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.models.sparse_coding.special import expected_magnitude
from paperlib.system.errors import InputError


@dataclass(frozen=True)
class PosteriorStatistics:
    """Sums over data points, in float64 whatever the data's dtype, so that their order is immaterial.

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
        """Statistics of data `x` (N, D) under its posteriors and the dictionary W̃ (D, H).

        Raises
        ------
        InputError
            If the three shapes do not fit together.
        """
        if x.shape != (len(posterior), dictionary.shape[0]) or posterior.mean.shape[1] != dictionary.shape[1]:
            raise InputError(
                f"Data {tuple(x.shape)}, posterior means {tuple(posterior.mean.shape)} and dictionary "
                f"{tuple(dictionary.shape)} do not fit; expected (N, D), (N, H) and (D, H)."
            )
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

    def __add__(self, other: PosteriorStatistics) -> PosteriorStatistics:
        if self.n_features != other.n_features or self.magnitude.shape != other.magnitude.shape:
            raise InputError("Statistics of data or dictionaries of different sizes cannot be added.")
        return PosteriorStatistics(
            self.count + other.count,
            self.n_features,
            self.squared_residual + other.squared_residual,
            self.trace + other.trace,
            self.magnitude + other.magnitude,
            self.log_det + other.log_det,
        )

    def __radd__(self, other: object) -> PosteriorStatistics:
        """Let `sum(list_of_statistics)` start from 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __mul__(self, factor: float) -> PosteriorStatistics:
        """Weigh old statistics down, as running statistics over minibatches do (count becomes fractional)."""
        return PosteriorStatistics(
            self.count * factor,
            self.n_features,
            self.squared_residual * factor,
            self.trace * factor,
            self.magnitude * factor,
            self.log_det * factor,
        )


def _sum64(per_point: Tensor) -> Tensor:
    return per_point.sum(0, dtype=torch.float64)
