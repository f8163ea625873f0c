"""What prior annealing does to fields that explain nothing: they pay while γ > 1, and shrink."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import DiagonalGaussian, GaussianPosterior
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import (
    closed_form_scales,
    fit_posterior,
    infer_diagonal,
    initial_scales,
)
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics


@dataclass(frozen=True)
class Fitted:
    """A dictionary on data, with optimal diagonal posteriors, whose first field can be switched off.

    Parameters
    ----------
    x : tensor (N, D)
        Data.
    fields : tensor (D, H)
        Unit columns.
    posterior, stats
        Of all data, with all fields in use.
    """

    x: Float[Tensor, "N D"]
    fields: Float[Tensor, "D H"]
    posterior: GaussianPosterior
    stats: PosteriorStatistics

    @classmethod
    def on(cls, x: Float[Tensor, "N D"], fields: Float[Tensor, "D H"]) -> Fitted:
        """Infer the posteriors."""
        return cls(x, fields, *fit_posterior(x, fields))

    @property
    def sigma(self) -> Float[Tensor, ""]:
        """Optimal standard deviation of the noise."""
        return closed_form_scales(self.stats, torch.float64)[1].sqrt()

    def change(self, tau: Float[Tensor, ""], gamma: float) -> Float[Tensor, ""]:
        """Change of the annealed objective in nats when the first field has ν = 0 and this τ."""
        mean, std = self.posterior.mean.clone(), self.posterior.std.clone()
        mean[:, 0], std[:, 0] = 0, tau
        off = PosteriorStatistics.from_batch(self.x, DiagonalGaussian(mean, std), self.fields)
        weights = EntropyWeights(prior=gamma)
        return entropy_elbo(off, weights) - entropy_elbo(self.stats, weights)


def plain_rounds(
    x: Float[Tensor, "N D"], fields: Float[Tensor, "D H"], gamma: float, n_rounds: int = 40
) -> Float[Tensor, "rounds H"]:
    """λ/σ of all fields while E-steps for the weight γ and closed-form scales alternate, nothing bounded."""
    scales = initial_scales(x, fields.shape[1])
    posterior, ratios = None, []
    for _ in range(n_rounds):
        model = SparseCodingModel(fields, *scales).annealed(EntropyWeights(prior=gamma))
        posterior = infer_diagonal(x, model, start=posterior)
        stats = PosteriorStatistics.from_batch(x, posterior, fields)
        scales = closed_form_scales(stats, torch.float64)
        ratios.append(scales[0] / scales[1].sqrt())
    return torch.stack(ratios)


def idle_deviation(ratio: float, gamma: float) -> float:
    """τ/σ of a latent with λ = `ratio`·σ on a patch of zeros, from the E-step for the weight γ."""
    one = torch.ones(1, 1, dtype=torch.float64)
    model = SparseCodingModel(one, ratio * one[0], one[0, 0]).annealed(EntropyWeights(prior=gamma))
    return infer_diagonal(0 * one, model).std.item()


def idle_fields(ratio: float, gamma: float, excess: float) -> tuple[float, float]:
    """What it costs if all fields, `excess` times as many as pixels, are idle with λ = `ratio`·σ.

    Returns
    -------
    tuple of float
        σ²/σ₀², infinite where rounds make it grow without end, and the input that a field needs to leave
        ν = 0 in units of σ₀.
    """
    share = excess * idle_deviation(ratio, gamma) ** 2
    inflation = 1 / (1 - share) if share < 1 else math.inf
    return inflation, gamma / ratio * math.sqrt(inflation)
