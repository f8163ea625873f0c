"""Families of counts whose base measure is not constant: Poisson, binomial and negative binomial."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from paperlib.models.exponential_families.discrete import is_count
from paperlib.models.exponential_families.family import Family
from paperlib.system.validation import check_counts, check_positive

DEVIATIONS = 40  # above the mean, where sums over a support end: no tail here is longer than e⁻ᵏ


@dataclass(frozen=True)
class CountFamily(Family):
    """T(x) = x for counts x = 0, 1, …, and E log h(x) by a sum over them."""

    constant_base: ClassVar[bool] = False
    support: ClassVar[str] = "whole numbers from 0 on"

    @abstractmethod
    def largest(self, natural: Float[Tensor, "*shape K"]) -> int:
        """A number beyond which x has no probability that counts, for η `natural`."""

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return is_count(x)

    def in_domain(self, natural: Float[Tensor, "*shape K"]) -> Bool[Tensor, "*shape"]:
        return torch.isfinite(natural[..., 0])

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return x.unsqueeze(-1)

    def mean_log_base(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        x = torch.arange(self.largest(natural) + 1).to(natural)
        return self.log_density(x, natural.unsqueeze(-2)).exp() @ self.log_base(x)

    def _tail(self, natural: Tensor) -> int:
        """The mean and many standard deviations of x."""
        deviation = self.covariance(natural)[..., 0].sqrt()
        return int((self.means(natural) + DEVIATIONS * (1 + deviation)).max())


@dataclass(frozen=True)
class Poisson(CountFamily):
    """x ~ Poisson(λ): η = log λ, h(x) = 1/x!."""

    def largest(self, natural: Float[Tensor, "*shape K"]) -> int:
        return self._tail(natural)

    def log_base(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return -torch.lgamma(x + 1)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return natural[..., 0].exp()

    def _natural(self, means: Tensor) -> Tensor:
        return means.log()

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.poisson(np.exp(natural[0]))


@dataclass(frozen=True)
class Binomial(CountFamily):
    """x ~ Binomial(`n_trials` n, p): η = logit p, h(x) = n! / (x! (n − x)!)."""

    n_trials: int

    support: ClassVar[str] = "whole numbers from 0 to the number of trials"

    def __post_init__(self) -> None:
        check_counts(n_trials=self.n_trials)

    def largest(self, natural: Float[Tensor, "*shape K"]) -> int:
        return self.n_trials

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return is_count(x) & (x <= self.n_trials)

    def log_base(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        n = torch.as_tensor(self.n_trials).to(x)
        return torch.lgamma(n + 1) - torch.lgamma(x + 1) - torch.lgamma(n - x + 1)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return self.n_trials * torch.nn.functional.softplus(natural[..., 0], threshold=40.0)

    def _natural(self, means: Tensor) -> Tensor:
        return torch.logit(means / self.n_trials)

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.binomial(self.n_trials, 1 / (1 + np.exp(-natural[0])))


@dataclass(frozen=True)
class NegativeBinomial(CountFamily):
    """Failures x before the r-th success, r = `n_successes` > 0 fixed: η = log P(failure) < 0.

    h(x) = Γ(x + r) / (x! Γ(r)), so that r need not be whole.
    """

    n_successes: float

    def __post_init__(self) -> None:
        check_positive(n_successes=self.n_successes)

    def largest(self, natural: Float[Tensor, "*shape K"]) -> int:
        return self._tail(natural)

    def in_domain(self, natural: Float[Tensor, "*shape K"]) -> Bool[Tensor, "*shape"]:
        return natural[..., 0] < 0

    def log_base(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        r = torch.as_tensor(self.n_successes).to(x)
        return torch.lgamma(x + r) - torch.lgamma(x + 1) - torch.lgamma(r)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return -self.n_successes * torch.log(-torch.expm1(natural[..., 0]))

    def _natural(self, means: Tensor) -> Tensor:
        return means.log() - (means + self.n_successes).log()

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.negative_binomial(self.n_successes, -np.expm1(natural[0]))
