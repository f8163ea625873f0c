"""The generative model: Laplace prior, linear dictionary, Gaussian noise (Eqs. 1 and 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.elbo.terms import EntropyTerms, EntropyWeights
from paperlib.models.contract import Model
from paperlib.models.sparse_coding.objectives import (
    classical_elbo,
    entropies_at,
    optimal_noise_variance,
    optimal_prior_scales,
)
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.system.errors import InputError
from paperlib.system.validation import check_parameter


@dataclass(frozen=True)
class SparseCodingModel(Model[PosteriorStatistics, GaussianPosterior]):
    """Sparse coding in the paper's reparameterized form (Eq. 5).

    z_h ~ Laplace(0, λ_h),  x | z ~ N(W̃ z, σ² I),  ‖w̃_h‖ = 1.

    Parameters are the `dictionary` W̃ (D, H), one generative field a column, `prior_scales` λ (H,) and
    `noise_variance` σ² ().  Shapes that disagree, a column that is not of unit norm, and λ or σ² that is not
    positive and finite are an InputError.
    """

    fitted_names: ClassVar[tuple[str, ...]] = ("prior_scales", "noise_variance")

    dictionary: Float[Tensor, "D H"]
    prior_scales: Float[Tensor, "*shape"]  # (H,), checked below
    noise_variance: Float[Tensor, ""]

    def __post_init__(self) -> None:
        check_unit_columns(self.dictionary)
        check_parameter("prior_scales", self.prior_scales, (self.n_latents,), positive=True)
        check_parameter("noise_variance", self.noise_variance, (), positive=True)

    @classmethod
    def unchecked(
        cls,
        dictionary: Float[Tensor, "D H"],
        prior_scales: Float[Tensor, " H"],
        noise_variance: Float[Tensor, ""],
    ) -> SparseCodingModel:
        """Model of tensors that a trainer itself made: checks take time, and a GPU would wait for them."""
        model = object.__new__(cls)
        vars(model).update(dictionary=dictionary, prior_scales=prior_scales, noise_variance=noise_variance)
        return model

    def annealed(self, weights: EntropyWeights) -> SparseCodingModel:
        """Model whose posteriors are those that `weights` of the entropies ask for (Eq. 17).

        Divided by w_q, the weighted objective is the ELBO with λ w_q/w_p and σ² w_q/w_x in place of λ and σ².
        """
        if weights == EntropyWeights():
            return self
        return self.unchecked(
            self.dictionary,
            self.prior_scales * (weights.posterior / weights.prior),
            self.noise_variance * (weights.posterior / weights.likelihood),
        )

    def in_units(self, unit: float) -> SparseCodingModel:
        """The same model of data that are measured in units of `unit`."""
        return self.unchecked(self.dictionary, self.prior_scales / unit, self.noise_variance / unit / unit)

    @property
    def n_features(self) -> int:
        """D, the dimension of a data point."""
        return self.dictionary.shape[0]

    @property
    def n_latents(self) -> int:
        """H, the number of latents and of dictionary columns."""
        return self.dictionary.shape[1]

    @classmethod
    def from_standard(
        cls, weights: Float[Tensor, "D H"], noise_variance: Float[Tensor, ""]
    ) -> SparseCodingModel:
        """Model of Eq. 5 that equals the standard one of Eq. 1: w̃_h = w_h/‖w_h‖, λ_h = ‖w_h‖."""
        return cls(normalize_columns(weights), weights.norm(dim=0), noise_variance)

    def to_standard(self) -> Float[Tensor, "D H"]:
        """Weights W of Eq. 1, w_h = λ_h w̃_h (there z_h ~ Laplace(0, 1))."""
        return self.dictionary * self.prior_scales

    def sample(
        self, n_points: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N H"]]:
        """Draw `n_points` data points x (N, D) and their latents z (N, H)."""
        dtype, device = self.dictionary.dtype, self.dictionary.device
        uniform = torch.rand(n_points, self.n_latents, generator=generator, dtype=dtype, device=device)
        signs = uniform.sub(0.5).sign()
        sizes = self.dictionary.new_empty(n_points, self.n_latents).exponential_(generator=generator)
        z = self.prior_scales * signs * sizes
        noise = torch.randn(n_points, self.n_features, generator=generator, dtype=dtype, device=device)
        return z @ self.dictionary.T + self.noise_variance.sqrt() * noise, z

    def log_joint(
        self, x: Float[Tensor, "*#batch D"], z: Float[Tensor, "*#batch H"]
    ) -> Float[Tensor, "*#batch"]:
        """Log density log p(x, z) = log p(x | z) + log p(z) in nats; x (..., D) and z (..., H) broadcast."""
        residual = (x - z @ self.dictionary.T).square().sum(-1)
        log_likelihood = -residual / (2 * self.noise_variance) - self.n_features / 2 * torch.log(
            2 * math.pi * self.noise_variance
        )
        log_prior = -(z.abs() / self.prior_scales + torch.log(2 * self.prior_scales)).sum(-1)
        return log_likelihood + log_prior

    def statistics(self, x: Float[Tensor, "N D"], posterior: GaussianPosterior) -> PosteriorStatistics:
        return PosteriorStatistics.from_batch(x, posterior, self.dictionary)

    def elbo(self, stats: PosteriorStatistics) -> Float[Tensor, ""]:
        return classical_elbo(stats, self.prior_scales, self.noise_variance)

    def entropies(self, stats: PosteriorStatistics) -> EntropyTerms:
        return entropies_at(stats, self.prior_scales, self.noise_variance)

    def fitted(self, stats: PosteriorStatistics) -> SparseCodingModel:
        return self.replace(
            prior_scales=optimal_prior_scales(stats).to(self.prior_scales),
            noise_variance=optimal_noise_variance(stats).to(self.noise_variance),
        )

    def natural_parameters(self, z: Float[Tensor, "K H"]) -> Float[Tensor, " n"]:
        means = z @ self.dictionary.T / self.noise_variance
        return torch.cat([-1 / self.prior_scales, means.flatten(), -1 / (2 * self.noise_variance.view(1))])

    def temperature(self) -> dict[str, Tensor]:
        return {"prior_scales": -self.prior_scales, "noise_variance": -self.noise_variance}


def normalize_columns(dictionary: Float[Tensor, "D H"]) -> Float[Tensor, "D H"]:
    """Scale every column to unit Euclidean norm; one that is zero or not finite is an InputError."""
    norms = dictionary.norm(dim=0)
    if not bool((torch.isfinite(norms) & (norms > 0)).all()):
        raise InputError("A dictionary column is zero or not finite; each needs a positive, finite norm.")
    return dictionary / norms


def check_unit_columns(dictionary: Float[Tensor, "D H"]) -> None:
    """InputError for a column that is not of unit norm, to 10⁻⁴, or not finite: λ has its size (Eq. 5)."""
    norms = dictionary.norm(dim=0)
    if not torch.allclose(norms, torch.ones_like(norms), atol=1e-4):
        raise InputError(
            "The dictionary's columns must have unit norm; apply "
            "paperlib.models.sparse_coding.model.normalize_columns first."
        )
