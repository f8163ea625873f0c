"""Measures of codes: how sparse they are (Gini index, Table 1), which fields explain nothing."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.system.errors import InputError

DEAD_FIELD_RATIO = 0.1


def gini(z: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*rest"]:
    """Gini index of |z| along dimension `dim`: 0 if all are equal, 1 − 1/n if one of n is not zero.

    G = 1 − 2 Σ_k (|z|_(k)/‖z‖₁)·(n − k + ½)/n with |z|_(1) ≤ ... ≤ |z|_(n) (Hurley & Rickard 2009).
    A vector of zeros, whose values are all equal, has index 0; NaN, infinity or no values are an InputError.
    """
    if z.numel() == 0 or not torch.isfinite(z).all():
        raise InputError("The Gini index needs at least one value, and neither NaN nor infinite ones.")
    magnitude = z.abs().movedim(dim, -1).sort(-1).values
    # relative to the largest one, so that the sum cannot overflow
    largest = magnitude[..., -1:]
    share = torch.where(largest > 0, magnitude / largest, 1.0)
    n = share.shape[-1]
    weights = (n - torch.arange(1, n + 1, device=z.device, dtype=z.dtype) + 0.5) / n
    return 1 - 2 * (share @ weights) / share.sum(-1)


def posterior_gini(
    posterior: GaussianPosterior, n_samples: int = 10, *, generator: torch.Generator
) -> tuple[float, float]:
    """Mean and standard deviation of the Gini index of latents z drawn from the posterior (Table 1).

    The index is taken over the H latents of each of `n_samples` draws for each data point.
    """
    index = gini(posterior.sample(n_samples, generator))
    return float(index.mean()), float(index.std(correction=0))


def dead_fields(prior_scales: Float[Tensor, " H"], noise_variance: Float[Tensor, ""]) -> Int[Tensor, " dead"]:
    """Numbers of the fields that explain nothing: prior scale λ_h below a tenth of the noise's deviation σ.

    The most such a field can tell about a data point, ½ log(1 + 2λ²/σ²), is below 0.01 nats.
    """
    return torch.nonzero(prior_scales < DEAD_FIELD_RATIO * noise_variance.sqrt()).flatten()
