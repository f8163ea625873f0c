"""The three entropies that an ELBO becomes, and their weights (Theorem 1, Eqs. 7 and 17)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class EntropyWeights:
    """Weights (w_q, w_p, w_x) of the three entropies in Eq. 17; (1, 1, 1) is the ELBO.

    Parameters
    ----------
    posterior, prior, likelihood : float
        w_q, w_p and w_x.
    """

    posterior: float = 1.0
    prior: float = 1.0
    likelihood: float = 1.0


@dataclass(frozen=True)
class EntropyTerms:
    """The three entropies (Eq. 7).

    Parameters
    ----------
    posterior, prior, likelihood : tensors ()
        Mean H[q], H[p(z)] and H[p(x|z)] in nats; for a density relative to a base measure h its pseudo
        entropy −E log p/h.
    base : tensor ()
        Mean of log h, where base measures are not constant.
    """

    posterior: Float[Tensor, ""]
    prior: Float[Tensor, ""]
    likelihood: Float[Tensor, ""]
    base: Float[Tensor, ""] | float = 0.0

    def weighted(self, weights: EntropyWeights) -> Float[Tensor, ""]:
        """Annealed objective w_q H[q] − w_p H[p(z)] − w_x H[p(x|z)], with w from `weights` (Eq. 17)."""
        return (
            weights.posterior * self.posterior
            - weights.prior * self.prior
            - weights.likelihood * (self.likelihood - self.base)
        )

    @property
    def elbo(self) -> Float[Tensor, ""]:
        """H[q] − H[p(z)] − H[p(x|z)], the ELBO wherever prior and noise are optimal (Theorem 1)."""
        return self.weighted(EntropyWeights())
