"""The three entropies that an ELBO becomes, and their weights (Theorem 1, Eqs. 7 and 17)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class EntropyWeights:
    """Weights of the entropies in Eq. 17, `posterior` w_q, `prior` w_p, `likelihood` w_x; 1 in the ELBO."""

    posterior: float = 1.0
    prior: float = 1.0
    likelihood: float = 1.0


@dataclass(frozen=True)
class EntropyTerms:
    """The entropies in nats (Eq. 7): `posterior` is the mean H[q], `prior` H[p(z)], `likelihood` H[p(x|z)].

    For a density relative to a base measure h that is not constant, it is the pseudo entropy −E log p/h,
    and `base` the mean of log h.  Models of several runs at once have a dimension for these.
    """

    posterior: Float[Tensor, "*runs"]
    prior: Float[Tensor, "*runs"]
    likelihood: Float[Tensor, "*runs"]
    base: Float[Tensor, "*runs"] | float = 0.0

    def weighted(self, weights: EntropyWeights) -> Float[Tensor, "*runs"]:
        """Annealed objective w_q H[q] − w_p H[p(z)] − w_x H[p(x|z)], with w from `weights` (Eq. 17)."""
        return (
            weights.posterior * self.posterior
            - weights.prior * self.prior
            - weights.likelihood * (self.likelihood - self.base)
        )

    @property
    def elbo(self) -> Float[Tensor, "*runs"]:
        """H[q] − H[p(z)] − H[p(x|z)], the ELBO wherever prior and noise are optimal (Theorem 1)."""
        return self.weighted(EntropyWeights())
