"""Mixtures of Gaussians with a covariance for each class, one for all, or one variance."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.categorical import Categorical
from paperlib.elbo.posteriors import LOG_2_PI_E
from paperlib.models.mixtures.mixture import Mixture, MixtureStatistics
from paperlib.system.errors import InputError
from paperlib.system.validation import check_data, check_parameter

G = TypeVar("G", bound="GaussianMixture")
SINGULAR = 1e-12  # smallest variance in any direction, in units of the data's squares; rounding is near


@dataclass(frozen=True)
class GaussianMixture(Mixture):
    """c ~ π, x | c ~ N(μ_c, Σ_c), with `logits` of π (C,) or None, `means` μ (C, D) and `covariance`.

    The form of the latter is the subclass's.  Shapes that disagree, values that are not finite, and matrices
    that are not symmetric and positive definite are an InputError; so is an M-step that ends at such ones,
    when a class is left with one point or with points of a plane.
    """

    means: Float[Tensor, "C D"]
    covariance: Float[Tensor, "*shape"]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parameter("means", self.means, self.means.shape)
        unit = torch.eye(self.n_features).to(self.means).expand(self.n_classes, -1, -1)
        check_parameter("covariance", self.covariance, self.pooled(unit, self.log_weights).shape)
        each = self.covariances
        if not torch.allclose(each, each.mT) or torch.linalg.cholesky_ex(each).info.any():
            raise InputError("covariance must be symmetric and positive definite.")

    @staticmethod
    @abstractmethod
    def pooled(covariances: Float[Tensor, "C D D"], weights: Float[Tensor, " C"]) -> Tensor:
        """The `covariance` of a model whose classes have these `covariances` and `weights`."""

    def each(self, covariance: Tensor) -> Float[Tensor, "C D D"]:
        """Σ_c of every class in a model of this size with this `covariance`."""
        return covariance.expand(self.n_classes, self.n_features, self.n_features)

    @property
    def covariances(self) -> Float[Tensor, "C D D"]:
        """Σ_c of every class."""
        return self.each(self.covariance)

    @classmethod
    def from_classes(
        cls: type[G], x: Float[Tensor, "N D"], classes: Categorical, learn_weights: bool = True
    ) -> G:
        """The model that is the M-step at `classes`, responsibilities of data `x`.

        Without `learn_weights` they are 1/C, now and later.
        """
        check_data(x)
        n_features, n_classes = x.shape[1], classes.probabilities.shape[1]
        weights = x.new_zeros(n_classes)
        unit = cls.pooled(torch.eye(n_features).to(x).expand(n_classes, -1, -1), weights.softmax(0))
        model = cls(weights if learn_weights else None, x.new_zeros(n_classes, n_features), unit)
        return model.fitted(model.statistics(x, classes))

    @property
    def n_classes(self) -> int:
        return self.means.shape[0]

    @property
    def n_features(self) -> int:
        return self.means.shape[1]

    @property
    def class_names(self) -> tuple[str, ...]:
        return ("means", "covariance")

    def sufficient(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N K K"]:
        """yyᵀ of y = (x, 1), K = D + 1."""
        y = torch.nn.functional.pad(x, (0, 1), value=1.0)
        return y.unsqueeze(2) * y.unsqueeze(1)

    def log_base(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        return torch.zeros_like(x[:, 0])

    def log_densities(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        errors = (x - self.means.unsqueeze(1)).mT  # (C, D, N)
        scaled = torch.linalg.solve_triangular(torch.linalg.cholesky(self.covariances), errors, upper=False)
        return -(scaled.square().sum(1).T + self.n_features * math.log(2 * math.pi) + self._log_dets) / 2

    def mean_log_densities(self, means: Float[Tensor, "C K K"]) -> Float[Tensor, " C"]:
        squares, cross, about = means[:, :-1, :-1], means[:, :-1, -1:], self.means.unsqueeze(2)
        spread = squares - cross @ about.mT - about @ cross.mT + about @ about.mT
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(self.covariances))
        distance = (inverse * spread).sum((1, 2))
        return -(distance + self.n_features * math.log(2 * math.pi) + self._log_dets) / 2

    def class_entropies(self) -> Float[Tensor, " C"]:
        return (self.n_features * LOG_2_PI_E + self._log_dets) / 2

    def class_natural(self) -> Float[Tensor, "C K D"]:
        """Σ⁻¹μ and −Σ⁻¹/2, K = D + 1."""
        precisions = torch.linalg.inv(self.covariances)
        return torch.cat([self.means.unsqueeze(1) @ precisions, -precisions / 2], 1)

    def sample_classes(self, z: Float[Tensor, "N C"], generator: torch.Generator) -> Float[Tensor, "N D"]:
        noise = torch.randn(len(z), self.n_features, 1, generator=generator, dtype=self.means.dtype)
        chosen = z.argmax(1)
        return self.means[chosen] + (torch.linalg.cholesky(self.covariances)[chosen] @ noise).squeeze(2)

    def fitted_classes(self: G, stats: MixtureStatistics) -> G:
        moments = stats.means
        means = moments[:, :-1, -1]
        spread = moments[:, :-1, :-1] - means.unsqueeze(2) * means.unsqueeze(1)
        covariance = self.pooled(spread, stats.counts / stats.count)
        _check_spread(self.each(covariance), (stats.totals.sum(0) / stats.count).diagonal()[:-1])
        return self.replace(means=means.to(self.means), covariance=covariance.to(self.means))

    def temperature(self) -> dict[str, Tensor]:
        weights = {} if self.logits is None else {"logits": self.logits}
        return {**weights, "covariance": -self.covariance}

    @property
    def _log_dets(self) -> Float[Tensor, " C"]:
        return torch.linalg.slogdet(self.covariances)[1]


@dataclass(frozen=True)
class FullGaussianMixture(GaussianMixture):
    """A covariance for each class: `logits` (C,) or None, `means` (C, D), `covariance` (C, D, D)."""

    @staticmethod
    def pooled(covariances: Float[Tensor, "C D D"], weights: Float[Tensor, " C"]) -> Float[Tensor, "C D D"]:
        return covariances


@dataclass(frozen=True)
class SharedGaussianMixture(GaussianMixture):
    """One covariance for all classes: `logits` (C,) or None, `means` (C, D), `covariance` (D, D)."""

    @staticmethod
    def pooled(covariances: Float[Tensor, "C D D"], weights: Float[Tensor, " C"]) -> Float[Tensor, "D D"]:
        return torch.tensordot(weights, covariances, dims=1)


@dataclass(frozen=True)
class IsotropicGaussianMixture(GaussianMixture):
    """One variance σ² for all: `logits` (C,) or None, `means` (C, D) and σ² as `covariance` ().

    With equal weights and hard responsibilities, its EM is k-means.
    """

    @staticmethod
    def pooled(covariances: Float[Tensor, "C D D"], weights: Float[Tensor, " C"]) -> Float[Tensor, ""]:
        return weights @ covariances.diagonal(dim1=1, dim2=2).mean(1)

    def each(self, covariance: Tensor) -> Float[Tensor, "C D D"]:
        return super().each(covariance * torch.eye(self.n_features).to(covariance))


def _check_spread(covariances: Float[Tensor, "C D D"], squares: Float[Tensor, " D"]) -> None:
    """Refuse `covariances` that are singular up to rounding; `squares` are the mean squares of the data."""
    scale = squares.clamp(min=torch.finfo(squares.dtype).tiny).sqrt()
    smallest = torch.linalg.eigvalsh(covariances / (scale.unsqueeze(1) * scale))[:, 0]
    if smallest.min() < SINGULAR:
        raise InputError(
            f"Class {int(smallest.argmin())} is left with data on one point or in a plane, where likelihoods "
            "have no maximum; start elsewhere, take fewer classes, or let them share their covariance."
        )
