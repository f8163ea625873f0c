"""Posteriors over sequences of states: Markov chains, and states that are independent of each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.categorical import Categorical


class StatePosterior(ABC):
    """Posteriors q⁽ⁿ⁾ of N sequences over T states each, of K kinds; as latents z, states are one-hot."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: Any) -> StatePosterior:
        """Posteriors of the sequences that `index` (slice, mask or integer tensor) selects."""

    @abstractmethod
    def states(self) -> Float[Tensor, "N T K"]:
        """Probabilities of the states at each time."""

    @abstractmethod
    def pairs(self) -> Float[Tensor, "N T_1 K K"]:
        """Probabilities of two states in a row, for T − 1 of them."""

    @abstractmethod
    def entropy(self) -> Float[Tensor, " N"]:
        """H[q] of each sequence, in nats."""

    @abstractmethod
    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N T K"]:
        """Draw `n_samples` sequences of one-hot states for each sequence."""


@dataclass(frozen=True)
class MarkovChain(StatePosterior):
    """Markov chains: probabilities `first` (N, K), and `steps` (N, T − 1, K, K) from each state to the next.

    Exact posteriors of a hidden Markov model are such chains, and so is its prior.
    """

    first: Float[Tensor, "N K"]
    steps: Float[Tensor, "N T_1 K K"]

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, index: slice | Tensor) -> MarkovChain:
        return MarkovChain(self.first[index], self.steps[index])

    def states(self) -> Float[Tensor, "N T K"]:
        each = [self.first]
        for step in self.steps.unbind(1):
            each.append((each[-1].unsqueeze(1) @ step).squeeze(1))
        return torch.stack(each, 1)

    def pairs(self) -> Float[Tensor, "N T_1 K K"]:
        return self.states()[:, :-1].unsqueeze(3) * self.steps

    def entropy(self) -> Float[Tensor, " N"]:
        of_steps = self.states()[:, :-1] * torch.special.entr(self.steps).sum(3)
        return torch.special.entr(self.first).sum(1) + of_steps.sum((1, 2))

    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N T K"]:
        drawn = [Categorical(self.first).sample(n_samples, generator)]
        for step in self.steps.unbind(1):
            rows = torch.einsum("snk,nkl->snl", drawn[-1], step)
            drawn.append(Categorical(rows.flatten(0, 1)).sample(1, generator)[0].reshape(rows.shape))
        return torch.stack(drawn, 2)


@dataclass(frozen=True)
class IndependentStates(StatePosterior):
    """States that are independent of each other, with `probabilities` (N, T, K): mean field."""

    probabilities: Float[Tensor, "N T K"]

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, index: slice | Tensor) -> IndependentStates:
        return IndependentStates(self.probabilities[index])

    def states(self) -> Float[Tensor, "N T K"]:
        return self.probabilities

    def pairs(self) -> Float[Tensor, "N T_1 K K"]:
        return self.probabilities[:, :-1].unsqueeze(3) * self.probabilities[:, 1:].unsqueeze(2)

    def entropy(self) -> Float[Tensor, " N"]:
        return torch.special.entr(self.probabilities).sum((1, 2))

    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N T K"]:
        drawn = Categorical(self.probabilities.flatten(0, 1)).sample(n_samples, generator)
        return drawn.reshape(n_samples, *self.probabilities.shape)
