"""Objectives: pure functions of statistics (Theorems 1-3, Eqs. 7, 10-17).

None of them averages over minibatches: add the statistics, then evaluate once.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import LOG_2_PI_E
from paperlib.elbo.terms import EntropyTerms, EntropyWeights
from paperlib.models.sparse_coding.statistics import PosteriorStatistics


def optimal_noise_variance(stats: PosteriorStatistics) -> Float[Tensor, ""]:
    """σ²(Φ, W̃) of Theorem 2 (Eq. 10): the mean expected squared error a dimension."""
    return (stats.squared_residual + stats.trace) / (stats.n_features * stats.count)


def optimal_prior_scales(stats: PosteriorStatistics) -> Float[Tensor, " H"]:
    """λ(Φ) of Theorem 2 (Eq. 11): the mean of E_q|z_h| over data points."""
    return stats.magnitude / stats.count


def entropies(stats: PosteriorStatistics) -> EntropyTerms:
    """The three entropies at the closed-form λ and σ² (Eq. 15)."""
    return entropies_at(stats, optimal_prior_scales(stats), optimal_noise_variance(stats))


def entropies_at(
    stats: PosteriorStatistics, prior_scales: Float[Tensor, " H"], noise_variance: Float[Tensor, ""]
) -> EntropyTerms:
    """The three entropies at any λ (H,) and σ² () (Eq. 7)."""
    return EntropyTerms(
        posterior=stats.posterior_entropy,
        prior=torch.log(2 * math.e * prior_scales).sum(),
        likelihood=stats.n_features / 2 * (LOG_2_PI_E + torch.log(noise_variance)),
    )


def entropy_elbo(stats: PosteriorStatistics, weights: EntropyWeights | None = None) -> Float[Tensor, ""]:
    """Entropy ELBO 𝓛ᴴ(Φ, W̃) in nats a data point (Eqs. 13-15), annealed by `weights` (Eq. 17)."""
    return entropies(stats).weighted(weights or EntropyWeights())


def annealed_elbo(stats: PosteriorStatistics, weights: EntropyWeights) -> Float[Tensor, ""]:
    """Annealed objective with `weights` (Eq. 17), λ ≥ `least_prior_scale` where the prior outweighs q.

    There Eq. 17 itself has no maximum: a field with ν = 0 and τ, λ → 0 gains (w_p − w_q) log 1/τ.
    With a least λ collapsing gains nothing.  H[p(z)] is −E log p(z), the sum of log 2λ_h + E|z_h|/λ_h.
    """
    terms = entropies(stats)
    if weights.prior <= weights.posterior:
        return terms.weighted(weights)
    magnitude = optimal_prior_scales(stats)
    least = least_prior_scale(optimal_noise_variance(stats), weights, stats.n_features, len(magnitude))
    scales = torch.maximum(magnitude, least)
    prior = (torch.log(2 * scales) + magnitude / scales).sum()
    return replace(terms, prior=prior).weighted(weights)


def least_prior_scale(
    noise_variance: Float[Tensor, ""], weights: EntropyWeights, n_features: int, n_latents: int
) -> Float[Tensor, ""]:
    """Least λ_h where the prior's entropy outweighs the posteriors': σ, or less if fields are many; else 0.

    With γ = w_p/w_q and λ = cσ, a field with ν = 0 has t = τ/σ where t² + √(2/π) γt/c = 1, and takes part
    where its input passes γσ²/λ = γσ/c.  Many such fields inflate σ² by 1/(1 − rt²), r = H/D.  So inputs need
    least at t² = 1/(2r − 1), which is c = γ √((2r − 1)/2π) / (r − 1), if this is less than 1.
    D is `n_features`, and `weights` are those of Eq. 17.
    """
    if weights.prior <= weights.posterior:
        return torch.zeros_like(noise_variance)
    excess = max(1.0, n_latents / n_features)
    reduction = weights.posterior / weights.prior * (excess - 1) * math.sqrt(2 * math.pi / (2 * excess - 1))
    return noise_variance.sqrt() / max(1.0, reduction)


def classical_elbo(
    stats: PosteriorStatistics,
    prior_scales: Float[Tensor, " H"],
    noise_variance: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """ELBO 𝓛(Φ, Θ) of Eq. 4 in nats a data point, at any λ (H,) and σ² (), in its analytic form (D.3)."""
    log_likelihood = -stats.n_features / 2 * torch.log(2 * math.pi * noise_variance) - (
        stats.squared_residual + stats.trace
    ) / (2 * noise_variance * stats.count)
    log_prior = -(torch.log(2 * prior_scales) + stats.magnitude / (prior_scales * stats.count)).sum()
    return log_likelihood + log_prior + stats.posterior_entropy
