"""Posteriors over classes, for mixtures: one distribution over C classes for each data point."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.system.errors import InputError
from paperlib.system.validation import check_counts


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

    def truncated(self, n_kept: int) -> Categorical:
        """Those on the `n_kept` most probable classes of each data point alone, renormalized; 1: hard ones.

        Of all posteriors on so many classes they have the highest ELBO where these ones are exact.
        """
        n_classes = self.probabilities.shape[1]
        check_counts(n_kept=n_kept)
        if n_kept > n_classes:
            raise InputError(f"Of {n_classes} classes at most as many can be kept, not {n_kept}.")
        highest, kept = self.probabilities.topk(n_kept, dim=1)
        shares = highest / highest.sum(1, keepdim=True)
        return Categorical(torch.zeros_like(self.probabilities).scatter(1, kept, shares))

    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N C"]:
        """Draw `n_samples` classes of each data point, one-hot."""
        drawn = torch.multinomial(self.probabilities, n_samples, replacement=True, generator=generator)
        return torch.nn.functional.one_hot(drawn.T, self.probabilities.shape[1]).to(self.probabilities)
