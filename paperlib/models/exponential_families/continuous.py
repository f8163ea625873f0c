"""Families of real numbers, with one parameter or two, and with what is fixed in the base measure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from paperlib.models.exponential_families.family import Family
from paperlib.models.exponential_families.newton import solve_means
from paperlib.system.validation import check_positive

ONE_VALUE = 1e-12  # relative spread of data that counts as none: rounding is of this size
EULER = -float(torch.digamma(torch.ones((), dtype=torch.float64)))  # −ψ(1)


@dataclass(frozen=True)
class ScaleFamily(Family):
    """One natural parameter η < 0, minus an inverse power of a scale, and x > 0."""

    support: ClassVar[str] = "positive"

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return (x > 0) & torch.isfinite(x)

    def in_domain(self, natural: Float[Tensor, "*shape K"]) -> Bool[Tensor, "*shape"]:
        return natural[..., 0] < 0

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return x.unsqueeze(-1)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return -torch.log(-natural[..., 0])

    def _natural(self, means: Tensor) -> Tensor:
        return -1 / means


@dataclass(frozen=True)
class Exponential(ScaleFamily):
    """x ~ Exp with mean s: η = −1/s."""

    support: ClassVar[str] = "0 or positive"

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return (x >= 0) & torch.isfinite(x)

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.exponential(-1 / natural[0])


@dataclass(frozen=True)
class GammaShape(ScaleFamily):
    """x ~ Gamma with `shape` k fixed and scale s learned: η = −1/s, h(x) = xᵏ⁻¹ / Γ(k)."""

    shape: float

    constant_base: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_positive(shape=self.shape)

    def log_base(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return (self.shape - 1) * x.log() - math.lgamma(self.shape)

    def mean_log_base(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        k = torch.as_tensor(self.shape).to(natural)
        return (k - 1) * (torch.digamma(k) - torch.log(-natural[..., 0])) - torch.lgamma(k)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return -self.shape * torch.log(-natural[..., 0])

    def _natural(self, means: Tensor) -> Tensor:
        return -self.shape / means

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.gamma(self.shape, -1 / natural[0])


@dataclass(frozen=True)
class Rayleigh(ScaleFamily):
    """p(x) = x/σ² exp(−x²/2σ²): T(x) = x², η = −1/2σ², h(x) = 2x."""

    constant_base: ClassVar[bool] = False

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return x.square().unsqueeze(-1)

    def log_base(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return torch.log(2 * x)

    def mean_log_base(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return math.log(2) - (EULER + torch.log(-natural[..., 0])) / 2

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.rayleigh(np.sqrt(-1 / (2 * natural[0])))


@dataclass(frozen=True)
class Laplace(ScaleFamily):
    """x ~ Laplace with `location` μ fixed and scale s learned: T(x) = |x − μ|, η = −1/s."""

    location: float = 0.0

    support: ClassVar[str] = "finite"

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return torch.isfinite(x)

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return (x - self.location).abs().unsqueeze(-1)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return math.log(2) - torch.log(-natural[..., 0])

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.laplace(self.location, -1 / natural[0])


@dataclass(frozen=True)
class LogNormalLocation(ScaleFamily):
    """log x ~ N(μ, σ²) with `location` μ fixed: T(x) = (log x − μ)², η = −1/2σ², h(x) = 1/x."""

    location: float = 0.0

    constant_base: ClassVar[bool] = False

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return (x.log() - self.location).square().unsqueeze(-1)

    def log_base(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return -x.log()

    def mean_log_base(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return torch.full_like(natural[..., 0], -self.location)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return (math.log(math.pi) - torch.log(-natural[..., 0])) / 2

    def _natural(self, means: Tensor) -> Tensor:
        return -1 / (2 * means)

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.lognormal(self.location, np.sqrt(-1 / (2 * natural[0])))


@dataclass(frozen=True)
class Normal(Family):
    """x ~ N(μ, σ²), both learned: T(x) = (x, x²), η = (μ/σ², −1/2σ²)."""

    support: ClassVar[str] = "finite"

    @property
    def n_natural(self) -> int:
        return 2

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return torch.isfinite(x)

    def in_domain(self, natural: Float[Tensor, "*shape K"]) -> Bool[Tensor, "*shape"]:
        return natural[..., 1] < 0

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return torch.stack([x, x.square()], -1)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        first, second = natural.unbind(-1)
        return (math.log(math.pi) - torch.log(-second) - first.square() / (2 * second)) / 2

    def _natural(self, means: Tensor) -> Tensor:
        mean, square = means.unbind(-1)
        variance = _spread(square - mean.square(), square)
        return torch.stack([mean / variance, -1 / (2 * variance)], -1)

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        variance = -1 / (2 * natural[1])
        return rng.normal(natural[0] * variance, np.sqrt(variance))


@dataclass(frozen=True)
class LogNormal(Normal):
    """log x ~ N(μ, σ²), both learned: T(x) = (log x, log² x), η = (μ/σ² − 1, −1/2σ²).

    The 1/x of the density is in η, so that the base measure is constant.
    """

    support: ClassVar[str] = "positive"

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return (x > 0) & torch.isfinite(x)

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return super().sufficient(x.log())

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        return super().log_normalizer(natural + self._shift(natural))

    def _natural(self, means: Tensor) -> Tensor:
        natural = super()._natural(means)
        return natural - self._shift(natural)

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        variance = -1 / (2 * natural[1])
        return rng.lognormal((natural[0] + 1) * variance, np.sqrt(variance))

    @staticmethod
    def _shift(natural: Tensor) -> Tensor:
        """What η lacks to be that of log x."""
        return torch.tensor([1.0, 0.0]).to(natural)


@dataclass(frozen=True)
class Gamma(Family):
    """x ~ Gamma, shape k and scale s learned: T(x) = (log x, x), η = (k − 1, −1/s), h(x) = 1."""

    support: ClassVar[str] = "positive"

    @property
    def n_natural(self) -> int:
        return 2

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return (x > 0) & torch.isfinite(x)

    def in_domain(self, natural: Float[Tensor, "*shape K"]) -> Bool[Tensor, "*shape"]:
        return (natural[..., 0] > -1) & (natural[..., 1] < 0)

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return torch.stack([x.log(), x], -1)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        shape = natural[..., 0] + 1
        return torch.lgamma(shape) - shape * torch.log(-natural[..., 1])

    def _natural(self, means: Tensor) -> Tensor:
        mean_log, mean = means.unbind(-1)
        excess = _spread(mean.log() - mean_log)
        shape = (3 - excess + ((excess - 3).square() + 24 * excess).sqrt()) / (12 * excess)
        return solve_means(self, means, torch.stack([shape - 1, -shape / mean], -1))

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.gamma(natural[0] + 1, -1 / natural[1])


@dataclass(frozen=True)
class Beta(Family):
    """x ~ Beta(a, b) in (0, 1): T(x) = (log x, log(1 − x)), η = (a − 1, b − 1), h(x) = 1."""

    support: ClassVar[str] = "between 0 and 1"

    @property
    def n_natural(self) -> int:
        return 2

    def in_support(self, x: Float[Tensor, "*shape"]) -> Bool[Tensor, "*shape"]:
        return (x > 0) & (x < 1)

    def in_domain(self, natural: Float[Tensor, "*shape K"]) -> Bool[Tensor, "*shape"]:
        return (natural > -1).all(-1)

    def sufficient(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape K"]:
        return torch.stack([x.log(), torch.log1p(-x)], -1)

    def log_normalizer(self, natural: Float[Tensor, "*shape K"]) -> Float[Tensor, "*shape"]:
        powers = natural + 1
        return torch.lgamma(powers).sum(-1) - torch.lgamma(powers.sum(-1))

    def _natural(self, means: Tensor) -> Tensor:
        geometric = means.exp()
        rest = _spread(1 - geometric.sum(-1, keepdim=True))
        start = (1 + geometric / rest) / 2  # Johnson and Kotz
        return solve_means(self, means, start - 1)

    def _draw(self, rng: np.random.Generator, natural: np.ndarray) -> np.ndarray:
        return rng.beta(*(natural + 1))


def _spread(spread: Tensor, size: Tensor | float = 1.0) -> Tensor:
    """How data of a `size` vary, 0 for one value; NaN where that is no more than rounding."""
    return torch.where(spread > ONE_VALUE * size, spread, torch.nan)
