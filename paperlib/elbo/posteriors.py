"""Gaussian variational posteriors q(z) = N(ν, T), one for each data point (Section 3, Appendix D.2).

Three families, one interface: diagonal T, low rank T = VVᵀ + diag(d²), and full T = LLᵀ.
All an objective asks of posteriors is their means, marginal standard deviations τ, entropies and the sum of
their covariances.  Optimizers ask for unconstrained parameters, encoders for outputs that make posteriors.
A new family is one class with these, and its line in `FAMILIES`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.system.errors import InputError

LOG_2_PI_E = math.log(2 * math.pi * math.e)
RANK = 5  # of low-rank posteriors, where no start says otherwise (the paper's, E.3)
LARGEST_LOG = 30.0  # keeps exp within float32 when a line search tries too long a step

Posterior = TypeVar("Posterior", bound="GaussianPosterior")


@dataclass(frozen=True)
class GaussianPosterior(ABC):
    """What the three families share; `mean` is ν with shape (N, H)."""

    mean: Float[Tensor, "*runs N H"]

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self: Posterior, index: slice | Tensor) -> Posterior:
        """Posteriors of the data points that `index` (slice, mask or integer tensor) selects."""
        return self._map(lambda t: t[index])

    def detach(self: Posterior) -> Posterior:
        """Same posteriors, cut from the autograd graph."""
        return self._map(torch.Tensor.detach)

    def to(self: Posterior, *args: Any, **kwargs: Any) -> Posterior:
        """Same posteriors on another device or in another dtype; args and kwargs as for `torch.Tensor.to`."""
        return self._map(lambda t: t.to(*args, **kwargs))

    def scaled(self: Posterior, factor: float) -> Posterior:
        """Posteriors of `factor` times the latents."""
        return self._map(lambda t: t * factor)

    def _map(self: Posterior, function: Callable[[Tensor], Tensor]) -> Posterior:
        return type(self)(*(function(getattr(self, field.name)) for field in fields(self)))

    def to_free(self) -> list[Tensor]:
        """Unconstrained parameters: the last ones, deviations, as logarithms; L below its diagonal."""
        *others, deviation = vars(self).values()
        return [*others, deviation.log()]

    @classmethod
    def from_free(cls: type[Posterior], free: list[Tensor]) -> Posterior:
        """Posteriors with these unconstrained parameters, the inverse of `to_free`."""
        *others, logarithm = free
        return cls(*[*others, _exp(logarithm)])

    @classmethod
    @abstractmethod
    def from_marginals(cls: type[Posterior], marginals: DiagonalGaussian, gram: Tensor) -> Posterior:
        """Posteriors to start from, with about these `marginals`; `gram` is W̃ᵀW̃ (H, H)."""

    @classmethod
    @abstractmethod
    def from_outputs(cls: type[Posterior], mean: Tensor, deviation: Tensor, correlation: Tensor) -> Posterior:
        """Posteriors from an encoder's outputs: ν, positive numbers (N, H), and any (N, H, `n_columns`)."""

    @staticmethod
    def n_columns(n_latents: int) -> int:
        """How many numbers a latent an encoder gives for what correlates latents."""
        return 0

    @property
    @abstractmethod
    def variance(self) -> Float[Tensor, "N H"]:
        """Marginal variances τ²."""

    @abstractmethod
    def covariance(self) -> Float[Tensor, "N H H"]:
        """T of each data point."""

    @property
    @abstractmethod
    def covariance_sum(self) -> Float[Tensor, "H H"]:
        """Σₙ T⁽ⁿ⁾."""

    @abstractmethod
    def log_det(self) -> Float[Tensor, " N"]:
        """Log-determinant log |T| of each data point."""

    @abstractmethod
    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N H"]:
        """Draw `n_samples` reparameterized samples of each data point; they carry gradients."""

    @property
    def std(self) -> Float[Tensor, "N H"]:
        """Marginal standard deviations τ."""
        return self.variance.sqrt()

    def entropy(self) -> Float[Tensor, " N"]:
        """H[q] = ½ log |2πe T| of each data point, in nats."""
        return (self.mean.shape[-1] * LOG_2_PI_E + self.log_det()) / 2

    def spread(self, dictionary: Float[Tensor, "D H"]) -> Float[Tensor, "D H"]:
        """W̃ Σₙ T⁽ⁿ⁾, from which the statistics' trace and the dictionary's gradient follow.

        It is summed in the dictionary's precision.
        """
        return dictionary @ self.to(dictionary.dtype).covariance_sum


@dataclass(frozen=True)
class DiagonalGaussian(GaussianPosterior):
    """q(z) = N(ν, diag(τ²)); `mean` is ν and `deviation` τ > 0, both of shape (N, H)."""

    deviation: Float[Tensor, "*runs N H"]

    @classmethod
    def from_marginals(cls, marginals: DiagonalGaussian, gram: Tensor) -> DiagonalGaussian:
        return marginals

    @classmethod
    def from_outputs(cls, mean: Tensor, deviation: Tensor, correlation: Tensor) -> DiagonalGaussian:
        return cls(mean, deviation)

    @property
    def std(self) -> Float[Tensor, "N H"]:
        return self.deviation

    @property
    def variance(self) -> Float[Tensor, "N H"]:
        return self.deviation.square()

    def covariance(self) -> Float[Tensor, "N H H"]:
        return torch.diag_embed(self.variance)

    @property
    def covariance_sum(self) -> Float[Tensor, "H H"]:
        return torch.diag(self.variance.sum(0))

    def spread(self, dictionary: Float[Tensor, "D H"]) -> Float[Tensor, "D H"]:
        return dictionary * self.variance.sum(0)

    def log_det(self) -> Float[Tensor, " N"]:
        return 2 * self.deviation.log().sum(-1)

    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N H"]:
        return self.mean + self.deviation * _noise(n_samples, self.mean, generator)


@dataclass(frozen=True)
class LowRankGaussian(GaussianPosterior):
    """q(z) = N(ν, VVᵀ + diag(d²)); `mean` ν and `deviation` d > 0 (N, H), `factor` V (N, H, r).

    Everything goes through r×r matrices: no H×H matrix is formed for a data point (except by `covariance`).
    """

    factor: Float[Tensor, "N H r"]
    deviation: Float[Tensor, "N H"]

    @classmethod
    def from_marginals(cls, marginals: DiagonalGaussian, gram: Tensor) -> LowRankGaussian:
        # the directions that the data constrain the least (at V = 0 the gradient in V would vanish)
        directions = torch.linalg.eigh(gram).eigenvectors[:, :RANK]
        factor = marginals.deviation.unsqueeze(-1) * directions
        return cls(marginals.mean, factor, marginals.deviation)

    @classmethod
    def from_outputs(cls, mean: Tensor, deviation: Tensor, correlation: Tensor) -> LowRankGaussian:
        return cls(mean, correlation, deviation)

    @staticmethod
    def n_columns(n_latents: int) -> int:
        return RANK

    @property
    def variance(self) -> Float[Tensor, "N H"]:
        return self.deviation.square() + self.factor.square().sum(-1)

    def covariance(self) -> Float[Tensor, "N H H"]:
        return torch.diag_embed(self.deviation.square()) + self.factor @ self.factor.mT

    @property
    def covariance_sum(self) -> Float[Tensor, "H H"]:
        tall = self.factor.transpose(0, 1).flatten(1)
        return torch.diag(self.deviation.square().sum(0)) + tall @ tall.T

    def log_det(self) -> Float[Tensor, " N"]:
        # matrix determinant lemma: |diag(d²) + VVᵀ| = Π d² · |I + Vᵀ diag(d⁻²) V|; float64 as it squares V/d
        scaled = (self.factor / self.deviation.unsqueeze(-1)).double()
        small = torch.eye(scaled.shape[-1], dtype=scaled.dtype, device=scaled.device) + scaled.mT @ scaled
        log_det = _cholesky_log_det(torch.linalg.cholesky(small)).to(self.deviation)
        return 2 * self.deviation.log().sum(-1) + log_det

    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N H"]:
        low_rank = _noise(n_samples, self.factor[:, 0], generator).unsqueeze(-1)
        diagonal = self.deviation * _noise(n_samples, self.mean, generator)
        return self.mean + (self.factor @ low_rank).squeeze(-1) + diagonal


@dataclass(frozen=True)
class FullGaussian(GaussianPosterior):
    """q(z) = N(ν, LLᵀ); `mean` ν (N, H), `scale_tril` L (N, H, H) lower triangular, positive diagonal."""

    scale_tril: Float[Tensor, "N H H"]

    def to_free(self) -> list[Tensor]:
        rows, columns = _below_diagonal(self.scale_tril.shape[-1])
        diagonal = self.scale_tril.diagonal(dim1=-2, dim2=-1)
        return [self.mean, self.scale_tril[:, rows, columns], diagonal.log()]

    @classmethod
    def from_free(cls, free: list[Tensor]) -> FullGaussian:
        mean, below, logarithm = free
        rows, columns = _below_diagonal(mean.shape[-1])
        scale_tril = torch.diag_embed(_exp(logarithm))
        scale_tril[:, rows, columns] = below
        return cls(mean, scale_tril)

    @classmethod
    def from_marginals(cls, marginals: DiagonalGaussian, gram: Tensor) -> FullGaussian:
        return cls(marginals.mean, torch.diag_embed(marginals.deviation))

    @classmethod
    def from_outputs(cls, mean: Tensor, deviation: Tensor, correlation: Tensor) -> FullGaussian:
        return cls(mean, correlation.tril(-1) + torch.diag_embed(deviation))

    @staticmethod
    def n_columns(n_latents: int) -> int:
        return n_latents

    @property
    def variance(self) -> Float[Tensor, "N H"]:
        return self.scale_tril.square().sum(-1)

    def covariance(self) -> Float[Tensor, "N H H"]:
        return self.scale_tril @ self.scale_tril.mT

    @property
    def covariance_sum(self) -> Float[Tensor, "H H"]:
        rows = self.scale_tril.mT.flatten(0, 1)  # no copy of what `infer_full` returns
        return rows.T @ rows

    def log_det(self) -> Float[Tensor, " N"]:
        return _cholesky_log_det(self.scale_tril)

    def sample(self, n_samples: int, generator: torch.Generator) -> Float[Tensor, "S N H"]:
        noise = _noise(n_samples, self.mean, generator).unsqueeze(-1)
        return self.mean + (self.scale_tril @ noise).squeeze(-1)


FAMILIES: dict[str, type[GaussianPosterior]] = {
    "diagonal": DiagonalGaussian, "low-rank": LowRankGaussian, "full": FullGaussian,
}  # fmt: skip


def check_start(start: GaussianPosterior, n_points: int, family: str) -> None:
    """InputError for posteriors to `start` from that are not `n_points` of the `family`."""
    if type(start) is not FAMILIES[family] or len(start) != n_points:
        raise InputError(
            f"The start holds {len(start)} {type(start).__name__} posteriors, "
            f"but {n_points} of family {family!r} are wanted."
        )


def check_sizes(x: Tensor, posterior: GaussianPosterior, weights: Tensor) -> None:
    """InputError for data `x`, means and `weights` that are not of shapes (N, D), (N, H) and (D, H)."""
    shapes = [tuple(tensor.shape) for tensor in (x, posterior.mean, weights)]
    if x.shape != (len(posterior), len(weights)) or posterior.mean.shape[1:] != weights.shape[1:]:
        raise InputError(
            f"Data {shapes[0]}, posterior means {shapes[1]} and dictionary or loadings {shapes[2]} do not "
            "fit; expected (N, D), (N, H) and (D, H)."
        )


def concatenate(posteriors: list[Posterior]) -> Posterior:
    """Posteriors of one family for several batches of data as those of all of them, in order."""
    if len(posteriors) == 1:
        return posteriors[0]
    family = type(posteriors[0])
    return family(*(torch.cat([getattr(p, f.name) for p in posteriors]) for f in fields(family)))


def _exp(logarithm: Tensor) -> Tensor:
    return logarithm.clamp(-LARGEST_LOG, LARGEST_LOG).exp()


def _below_diagonal(size: int) -> tuple[Tensor, Tensor]:
    rows, columns = torch.tril_indices(size, size, offset=-1)
    return rows, columns


def _cholesky_log_det(cholesky: Float[Tensor, "N K K"]) -> Float[Tensor, " N"]:
    return 2 * cholesky.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _noise(n_samples: int, like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(n_samples, *like.shape, dtype=like.dtype, device=like.device, generator=generator)
