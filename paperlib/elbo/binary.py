"""Posteriors over binary vectors: independent latents, and any distribution as a table of all vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from paperlib.system.errors import InputError

MOST_LATENTS = 14  # 2¹⁴ vectors, summed over one by one


@cache
def binary_vectors(n_latents: int) -> Float[Tensor, "K H"]:
    """All K = 2^H vectors of zeros and ones, in the order of every table; InputError if they are too many."""
    if not 0 <= n_latents <= MOST_LATENTS:
        raise InputError(f"{n_latents} binary latents cannot be summed over; take at most {MOST_LATENTS}.")
    places = torch.arange(n_latents)
    return ((torch.arange(2**n_latents).unsqueeze(1) >> places) & 1).double()


class BinaryPosterior(ABC):
    """Posteriors q⁽ⁿ⁾ of N data points over the binary vectors of H latents."""

    @property
    @abstractmethod
    def n_latents(self) -> int:
        """H."""

    @abstractmethod
    def table(self) -> Float[Tensor, "N K"]:
        """The probabilities of all vectors, in the order of `binary_vectors`."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: Any) -> BinaryPosterior:
        """Posteriors of the data points that `index` (slice, mask or integer tensor) selects."""

    @abstractmethod
    def entropy(self) -> Float[Tensor, " N"]:
        """H[q] of each data point, in nats."""

    @abstractmethod
    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N H"]:
        """Draw `n_samples` vectors of each data point."""

    def marginals(self) -> Float[Tensor, "N H"]:
        """The probability of each latent to be 1."""
        return self.table() @ binary_vectors(self.n_latents)


@dataclass(frozen=True)
class BinaryTable(BinaryPosterior):
    """Any posteriors over binary vectors: `probabilities` (N, 2^H), in the order of `binary_vectors`."""

    probabilities: Float[Tensor, "N K"]

    @property
    def n_latents(self) -> int:
        return self.probabilities.shape[1].bit_length() - 1

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, index: slice | Tensor) -> BinaryTable:
        return BinaryTable(self.probabilities[index])

    def table(self) -> Float[Tensor, "N K"]:
        return self.probabilities

    def entropy(self) -> Float[Tensor, " N"]:
        return torch.special.entr(self.probabilities).sum(1)

    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N H"]:
        drawn = torch.multinomial(self.probabilities, n_samples, replacement=True, generator=generator)
        return binary_vectors(self.n_latents).to(self.probabilities)[drawn.T]


@dataclass(frozen=True)
class IndependentBinary(BinaryPosterior):
    """Independent latents, as mean field has them: z_h is 1 with probability sigmoid of `logits` (N, H)."""

    logits: Float[Tensor, "N H"]

    @property
    def n_latents(self) -> int:
        return self.logits.shape[1]

    def __len__(self) -> int:
        return len(self.logits)

    def __getitem__(self, index: slice | Tensor) -> IndependentBinary:
        return IndependentBinary(self.logits[index])

    def table(self) -> Float[Tensor, "N K"]:
        vectors = binary_vectors(self.n_latents).to(self.logits)
        return (self.logits @ vectors.T - softplus(self.logits).sum(1, keepdim=True)).exp()

    def marginals(self) -> Float[Tensor, "N H"]:
        return self.logits.sigmoid()

    def entropy(self) -> Float[Tensor, " N"]:
        return (softplus(self.logits) - self.logits * self.logits.sigmoid()).sum(1)

    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N H"]:
        return torch.bernoulli(self.logits.sigmoid().expand(n_samples, -1, -1), generator=generator)
