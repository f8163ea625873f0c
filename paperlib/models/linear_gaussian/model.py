"""Factor analysis, and what PPCA shares with it: all but the form of the noise."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import LOG_2_PI_E, FullGaussian, GaussianPosterior, check_sizes
from paperlib.elbo.statistics import Statistics
from paperlib.elbo.terms import EntropyTerms
from paperlib.models.contract import ExactModel
from paperlib.system.validation import check_data, check_parameter

L = TypeVar("L", bound="LinearGaussian")


@dataclass(frozen=True)
class LinearStatistics(Statistics):
    """Sums over data points, with y = (z, 1) so that the mean is one more column of the loadings.

    `squares` Σ x² (D,), `cross` Σ x E_q[y]ᵀ (D, H + 1), `moments` Σ E_q[yyᵀ] (H + 1, H + 1), whose last entry
    is N, and `entropy` Σ H[q] ().
    """

    squares: Float[Tensor, " D"]
    cross: Float[Tensor, "D K"]
    moments: Float[Tensor, "K K"]
    entropy: Float[Tensor, ""]

    @property
    def count(self) -> Float[Tensor, ""]:
        """N, the number of data points."""
        return self.moments[-1, -1]

    def residual(self, loadings: Float[Tensor, "D H"], mean: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
        """Mean of E_q(x − Wz − μ)² for `loadings` W and `mean` μ, in each dimension."""
        weights = torch.cat([loadings, mean.unsqueeze(1)], 1)
        return (self.squares + ((weights @ self.moments - 2 * self.cross) * weights).sum(1)) / self.count

    @property
    def latent_squares(self) -> Float[Tensor, " H"]:
        """Mean of E_q z²."""
        return self.moments.diagonal()[:-1] / self.count


@dataclass(frozen=True)
class LinearGaussian(ExactModel[LinearStatistics, GaussianPosterior]):
    """z_h ~ N(0, v_h), x | z ~ N(Wz + μ, Ψ) with diagonal Ψ.

    Parameters are `loadings` W (D, H), `mean` μ (D,), `prior_variances` v > 0 (H,) and `noise`, which is
    σ² > 0 () of PPCA or ψ > 0 (D,) of factor analysis, the diagonal of Ψ.  Shapes that disagree, values that
    are not finite and variances that are not positive are an InputError.

    Scales of W and v are interchangeable: `to_standard` has v = 1, the textbook form.  Variances of the prior
    are parameters so that the model has a temperature.
    """

    fitted_names: ClassVar[tuple[str, ...]] = ("loadings", "mean", "prior_variances", "noise")

    loadings: Float[Tensor, "D H"]
    mean: Float[Tensor, "*mean"]  # (D,), checked below, as are the others
    prior_variances: Float[Tensor, "*prior"]
    noise: Float[Tensor, "*noise"]

    def __post_init__(self) -> None:
        n_features, n_latents = self.loadings.shape
        check_parameter("loadings", self.loadings, (n_features, n_latents))
        check_parameter("mean", self.mean, (n_features,))
        check_parameter("prior_variances", self.prior_variances, (n_latents,), positive=True)
        check_parameter("noise", self.noise, self.pooled(self.mean).shape, positive=True)

    @staticmethod
    @abstractmethod
    def pooled(variances: Float[Tensor, " D"]) -> Tensor:
        """The `noise` of a model whose errors have these `variances`, in each dimension."""

    @classmethod
    def from_standard(cls: type[L], loadings: Tensor, mean: Tensor, noise: Tensor) -> L:
        """Model with v = 1; parameters as those of the class."""
        return cls(loadings, mean, torch.ones_like(loadings[0]), noise)

    @classmethod
    def random(cls: type[L], x: Float[Tensor, "N D"], n_latents: int, generator: torch.Generator) -> L:
        """Model to start from: mean and variances of data `x`, and random loadings, v = 1."""
        check_data(x)
        variances = x.var(0, correction=0)
        noise = torch.randn(x.shape[1], n_latents, generator=generator, dtype=x.dtype, device=x.device)
        loadings = noise * (variances / (2 * n_latents)).sqrt().unsqueeze(1)
        return cls.from_standard(loadings, x.mean(0), cls.pooled(variances / 2))

    def to_standard(self) -> Float[Tensor, "D H"]:
        """Loadings of the same p(x) with v = 1."""
        return self.loadings * self.prior_variances.sqrt()

    @property
    def noise_variances(self) -> Float[Tensor, " D"]:
        """ψ, the diagonal of Ψ."""
        return self.noise.expand(self.mean.shape)

    def covariance(self) -> Float[Tensor, "D D"]:
        """Covariance WVWᵀ + Ψ of x."""
        weights = self.to_standard()
        return weights @ weights.T + torch.diag(self.noise_variances)

    def marginal_entropy(self) -> Float[Tensor, ""]:
        """H[p(x)]; where all parameters are stationary, the mean log-likelihood is minus this."""
        return (len(self.mean) * LOG_2_PI_E + torch.linalg.slogdet(self.covariance())[1]) / 2

    def sample(
        self, n_points: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N H"]]:
        noise = [
            torch.randn(n_points, n, generator=generator, dtype=self.mean.dtype, device=self.mean.device)
            for n in self.loadings.shape
        ]
        z = self.prior_variances.sqrt() * noise[1]
        return z @ self.loadings.T + self.mean + self.noise_variances.sqrt() * noise[0], z

    def log_joint(
        self, x: Float[Tensor, "*#batch D"], z: Float[Tensor, "*#batch H"]
    ) -> Float[Tensor, "*#batch"]:
        squares = (x - z @ self.loadings.T - self.mean).square()
        return _log_normal(squares, self.noise_variances) + _log_normal(z.square(), self.prior_variances)

    def posterior(self, x: Float[Tensor, "N D"]) -> FullGaussian:
        """The exact posteriors of data `x` (N, D); their covariances are one matrix, stored once."""
        check_data(x, len(self.mean))
        scaled = self.loadings / self.noise_variances.unsqueeze(1)
        precision = torch.diag(1 / self.prior_variances) + self.loadings.T @ scaled
        covariance = torch.cholesky_inverse(torch.linalg.cholesky(precision))
        mean = (x - self.mean) @ scaled @ covariance
        return FullGaussian(mean, torch.linalg.cholesky(covariance).expand(len(x), -1, -1))

    def statistics(self, x: Float[Tensor, "N D"], posterior: GaussianPosterior) -> LinearStatistics:
        check_sizes(x, posterior, self.loadings)
        x, mean = x.double(), posterior.mean.double()
        y = torch.cat([mean, torch.ones_like(mean[:, :1])], 1)
        spread = torch.nn.functional.pad(posterior.covariance_sum.double(), (0, 1, 0, 1))
        entropy = posterior.entropy().sum(dtype=torch.float64)
        return LinearStatistics(x.square().sum(0), x.T @ y, y.T @ y + spread, entropy)

    def elbo(self, stats: LinearStatistics) -> Float[Tensor, ""]:
        likelihood = _log_normal(stats.residual(self.loadings, self.mean), self.noise_variances)
        prior = _log_normal(stats.latent_squares, self.prior_variances)
        return likelihood + prior + stats.entropy / stats.count

    def entropies(self, stats: LinearStatistics) -> EntropyTerms:
        return EntropyTerms(
            posterior=stats.entropy / stats.count,
            prior=(LOG_2_PI_E + self.prior_variances.log()).sum() / 2,
            likelihood=(LOG_2_PI_E + self.noise_variances.log()).sum() / 2,
        )

    def fitted(self: L, stats: LinearStatistics) -> L:
        weights = torch.linalg.solve(stats.moments, stats.cross.T).T
        loadings, mean = weights[:, :-1], weights[:, -1]
        noise = self.pooled(stats.residual(loadings, mean))
        fitted = (loadings, mean, stats.latent_squares, noise)
        return type(self)(*(tensor.to(self.mean) for tensor in fitted))

    def natural_parameters(self, z: Float[Tensor, "K H"]) -> Float[Tensor, " n"]:
        precisions = 1 / self.noise_variances
        means = (z @ self.loadings.T + self.mean) * precisions
        return torch.cat([-1 / (2 * self.prior_variances), means.flatten(), -precisions / 2])

    def temperature(self) -> dict[str, Tensor]:
        return {"prior_variances": -self.prior_variances, "noise": -self.noise}


@dataclass(frozen=True)
class FactorAnalysis(LinearGaussian):
    """x | z ~ N(Wz + μ, diag ψ): `loadings` W, `mean` μ, `prior_variances` v of z and `noise` ψ (D,)."""

    @staticmethod
    def pooled(variances: Float[Tensor, " D"]) -> Float[Tensor, " D"]:
        return variances


def _log_normal(squares: Tensor, variances: Tensor) -> Tensor:
    """Log density of independent Gaussians from (mean) squares of their errors, summed over dimensions."""
    return -(squares / variances + torch.log(2 * math.pi * variances)).sum(-1) / 2
