"""Encoders: networks that map a data point to its Gaussian posterior (amortized inference, Appendix E.3).

One body of two residual blocks (Fig. 6), and linear heads: one for ν, one for standard deviations, and one
for what correlates latents, if the family has that.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from paperlib.elbo.posteriors import FAMILIES, GaussianPosterior
from paperlib.system.validation import check_choice, check_positive

LEAST_DEVIATION = 1e-3  # in units of the data: no posterior collapses
FIRST_CORRELATION = 0.1  # of usual first weights: posteriors start nearly diagonal, and not far too wide


class Encoder(nn.Module):
    """Network x → q(z) = N(ν, T) for one family of covariances.

    Data are divided by `unit` and posteriors multiplied by it: the network sees the same numbers whatever the
    units of the data.  The unit is a typical size of these, such as their root mean square; parameters get
    its dtype and device.  The CPU `generator` draws the first weights; D is `n_features`, and the `family` is
    "diagonal", T = diag(τ²), "low-rank", VVᵀ + diag(d²) with V of rank 5, or "full", LLᵀ.
    """

    unit: Tensor

    def __init__(
        self,
        n_features: int,
        n_latents: int,
        family: str = "diagonal",
        *,
        unit: Float[Tensor, ""],
        generator: torch.Generator,
    ):
        super().__init__()
        check_choice("posterior family", family, FAMILIES)
        check_positive(n_features=n_features, n_latents=n_latents, unit=float(unit))
        width = 2 * n_features
        self.family = family
        self.register_buffer("unit", unit)
        self.body = nn.Sequential(
            _linear(n_features, width, generator), _Residual(width, generator), _Residual(width, generator)
        )
        self.mean = _linear(width, n_latents, generator)
        self.deviation = _linear(width, n_latents, generator)
        if columns := FAMILIES[family].n_columns(n_latents):
            self.correlation = _linear(width, n_latents * columns, generator)
            for parameter in self.correlation.parameters():
                parameter.data.mul_(FIRST_CORRELATION)
        self.to(unit)

    def forward(self, x: Float[Tensor, "N D"]) -> GaussianPosterior:
        """Posteriors of the data `x`, differentiable in the weights."""
        features = self.body(x / self.unit)
        mean = self.unit * self.mean(features)
        deviation = self.unit * (softplus(self.deviation(features)) + LEAST_DEVIATION)
        columns = self.correlation(features) if hasattr(self, "correlation") else features[:, :0]
        correlation = self.unit * columns.unflatten(1, (mean.shape[1], columns.shape[1] // mean.shape[1]))
        return FAMILIES[self.family].from_outputs(mean, deviation, correlation)


class _Residual(nn.Module):
    """h + A relu(B relu(h)); for h of 2D units there are 3D hidden ones, the paper's sizes."""

    def __init__(self, width: int, generator: torch.Generator):
        super().__init__()
        self.widen = _linear(width, width * 3 // 2, generator)
        self.narrow = _linear(width * 3 // 2, width, generator)

    def forward(self, h: Float[Tensor, "N width"]) -> Float[Tensor, "N width"]:
        return h + self.narrow(relu(self.widen(relu(h))))


def _linear(n_inputs: int, n_outputs: int, generator: torch.Generator) -> nn.Linear:
    """Linear layer with PyTorch's usual first weights, U(±1/√n_inputs), but from this generator."""
    layer = nn.utils.skip_init(nn.Linear, n_inputs, n_outputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(n_inputs**-0.5), n_inputs**-0.5, generator=generator)
    return layer
