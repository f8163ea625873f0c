"""What an exponential family offers: p(x; η) = h(x) exp(η·T(x) − A(η)) of one number x."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from paperlib.system.errors import InputError


@dataclass(frozen=True)
class Family(ABC):
    """Exponential family with K = `n_natural` natural parameters η, the last dimension of tensors (…, K).

    All methods work elementwise: data x (…) are as many numbers, and shapes broadcast.  With
    `constant_base` h is 1, and pseudo entropies are entropies.  Fields are what is not learned.
    """

    constant_base: ClassVar[bool] = True
    support: ClassVar[str]

    @property
    def n_natural(self) -> int:
        """K, the number of natural parameters."""
        return 1

    @abstractmethod
    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        """Which of the `x` the family has, those that `support` names."""

    @abstractmethod
    def in_domain(self, natural: Float[Tensor, "*shape K"]) -> Bool[Tensor, "*shape"]:
        """Which of the natural parameters η, `natural`, belong to a density, if they are finite."""

    @abstractmethod
    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        """T(x), the sufficient statistics."""

    @abstractmethod
    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        """A(η) for η `natural`."""

    @abstractmethod
    def _natural(self, means: Tensor) -> Tensor:
        """η with A′(η) = `means`; not finite, or no number of the domain, where there is none."""

    @abstractmethod
    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        """One number for each η, K first."""

    def log_base(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Log h(x)."""
        return torch.zeros_like(x)

    def mean_log_base(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        """E log h(x) under p(x; η), η being `natural`."""
        return torch.zeros_like(natural[..., 0])

    def means(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape K"]:
        """E T(x) = A′(η), for η `natural`."""
        with torch.enable_grad():
            eta = natural if natural.requires_grad else natural.detach().requires_grad_()
            total = self.log_normalizer(eta).sum()
            return torch.autograd.grad(total, eta, create_graph=natural.requires_grad)[0]

    def covariance(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape K K"]:
        """Covariance A″(η) of T(x), for η `natural`."""
        with torch.enable_grad():
            eta = natural.detach().requires_grad_()
            totals = self.means(eta).reshape(-1, self.n_natural).sum(0)
            rows = [torch.autograd.grad(total, eta, retain_graph=True)[0] for total in totals]
        return torch.stack(rows, -2)

    def natural(self, means: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape K"]:
        """Natural parameters of maximum likelihood for data whose mean T(x) is `means`: A′(η) is the same.

        Raises
        ------
        InputError
            If there are none: all data are one value, or at the border of the support.
        """
        natural = self._natural(means)
        self.check_natural(natural, "such means: data are too few or all are one value; learn from others")
        return natural

    def sample(
        self, natural: Float[Tensor, "*shape K"], generator: torch.Generator
    ) -> Float[Tensor, "*shape"]:
        """One number x for each η of `natural`."""
        seed = int(torch.randint(2**62, (), generator=generator))
        drawn = self._draw(np.random.default_rng(seed), natural.detach().cpu().movedim(-1, 0).numpy())
        return torch.as_tensor(drawn).to(natural)

    def log_density(
        self, x: Float[Tensor, "*#shape"], natural: Float[Tensor, "*#shape K"]
    ) -> Float[Tensor, "*#shape"]:
        """Log p(x; η) in nats, for η `natural`."""
        along = (natural * self.sufficient(x)).sum(-1)
        return along + self.log_base(x) - self.log_normalizer(natural)

    def pseudo_entropy(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        """H̃ = −E log p(x)/h(x) = A(η) − η·A′(η) in nats, for η `natural`."""
        return self.log_normalizer(natural) - (natural * self.means(natural)).sum(-1)

    def entropy(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        """H = −E log p(x) in nats, for η `natural`."""
        return self.pseudo_entropy(natural) - self.mean_log_base(natural)

    def check_data(self, x: Float[Tensor, "*shape"]) -> None:
        """Refuse data `x` outside of the support.

        Raises
        ------
        InputError
            With the first number that is outside.
        """
        outside = ~self.in_support(x)
        if outside.any():
            first = float(x[outside][0])
            raise InputError(f"Data of {self} must be {self.support}; {first:g} is not: choose another one.")

    def check_natural(self, natural: Float[Tensor, "*shape K"], what: str = "these parameters") -> None:
        """Refuse η, `natural`, that are not finite or belong to no density, as `what` in the message.

        Raises
        ------
        InputError
            With one sentence that says what is wrong.
        """
        if not (torch.isfinite(natural).all() and self.in_domain(natural).all()):
            raise InputError(f"No {self} has {what}.")
