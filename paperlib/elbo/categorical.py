"""Posteriors over classes, for mixtures: one distribution over C classes for each data point."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Categorical:
    """Responsibilities q⁽ⁿ⁾(c), the rows of `probabilities` (N, C); as latents z, classes are one-hot."""

    probabilities: Float[Tensor, "N C"]

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, index: slice | Tensor) -> Categorical:
        """Posteriors of the data points that `index` (slice, mask or integer tensor) selects."""
        return Categorical(self.probabilities[index])

    def entropy(self) -> Float[Tensor, " N"]:
        """H[q] of each data point, in nats."""
        return torch.special.entr(self.probabilities).sum(-1)

    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N C"]:
        """Draw `n_samples` classes of each data point, one-hot."""
        drawn = torch.multinomial(self.probabilities, n_samples, replacement=True, generator=generator)
        return torch.nn.functional.one_hot(drawn.T, self.probabilities.shape[1]).to(self.probabilities)
