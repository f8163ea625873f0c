"""Families of whole numbers whose base measure is constant: Bernoulli, categorical, geometric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from paperlib.models.exponential_families.family import Family
from paperlib.system.validation import check_counts


@dataclass(frozen=True)
class Bernoulli(Family):
    """x is 1 with probability p, else 0: η = logit p."""

    support: ClassVar[str] = "0 or 1"

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return (x == 0) | (x == 1)

    def in_domain(self, natural: Float[Tensor, "*shape K"]) -> Bool[Tensor, "*shape"]:
        return torch.isfinite(natural[..., 0])

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return x.unsqueeze(-1)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return torch.nn.functional.softplus(natural[..., 0], threshold=40.0)

    def _natural(self, means: Tensor) -> Tensor:
        return torch.logit(means)

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.binomial(1, 1 / (1 + np.exp(-natural[0])))


@dataclass(frozen=True)
class Categorical(Family):
    """x is one of `n_values` V numbers from 0 on: η are logits (V,), and T(x) is one-hot."""

    n_values: int

    support: ClassVar[str] = "one of 0, 1, … below the number of values"

    def __post_init__(self) -> None:
        check_counts(n_values=self.n_values)

    @property
    def n_natural(self) -> int:
        return self.n_values

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return is_count(x) & (x < self.n_values)

    def in_domain(self, natural: Float[Tensor, "*shape K"]) -> Bool[Tensor, "*shape"]:
        return torch.isfinite(natural).all(-1)

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return torch.nn.functional.one_hot(x.long(), self.n_values).to(x)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return natural.logsumexp(-1)

    def _natural(self, means: Tensor) -> Tensor:
        return means.log()

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return (natural + rng.gumbel(size=natural.shape)).argmax(0)


@dataclass(frozen=True)
class Geometric(Family):
    """p(x) = (1 − ρ) ρˣ for x = 0, 1, …: η = log ρ < 0."""

    support: ClassVar[str] = "whole numbers from 0 on"

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return is_count(x)

    def in_domain(self, natural: Float[Tensor, "*shape K"]) -> Bool[Tensor, "*shape"]:
        return natural[..., 0] < 0

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return x.unsqueeze(-1)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return -torch.log(-torch.expm1(natural[..., 0]))

    def _natural(self, means: Tensor) -> Tensor:
        return means.log() - means.log1p()

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.geometric(-np.expm1(natural[0])) - 1


def is_count(x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
    """Which of the `x` are whole numbers from 0 on."""
    return (x >= 0) & (x == x.round()) & torch.isfinite(x)
