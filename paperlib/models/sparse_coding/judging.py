"""Judgements as plain numbers: ELBO, entropies, how sparse codes are, dead fields."""

from __future__ import annotations

import torch

from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.models.sparse_coding.inference import closed_form_scales
from paperlib.models.sparse_coding.metrics import dead_fields, posterior_gini
from paperlib.models.sparse_coding.objectives import entropies
from paperlib.models.sparse_coding.statistics import PosteriorStatistics

GINI_POINTS = 1_000  # data points whose posterior samples the Gini index is taken over, as in Table 1


def judge(stats: PosteriorStatistics, posterior: GaussianPosterior, seed: int) -> dict:
    """ELBO, entropies, Gini index (samples seeded by `seed`) and dead fields as plain numbers."""
    terms = entropies(stats)
    prior_scales, noise_variance = closed_form_scales(stats, torch.float64)
    gini, gini_sd = sampled_gini(posterior, seed)
    return {
        "elbo": float(terms.elbo),
        "entropies": {name: float(value) for name, value in vars(terms).items()},
        "gini": gini,
        "gini_sd": gini_sd,
        "dead_fields": dead_fields(prior_scales, noise_variance).numel(),
        "noise_variance": float(noise_variance),
    }


def sampled_gini(posterior: GaussianPosterior, seed: int = 0) -> tuple[float, float]:
    """`posterior_gini` of the first `GINI_POINTS` data points, with samples seeded by `seed`."""
    generator = torch.Generator(posterior.mean.device).manual_seed(seed)
    return posterior_gini(posterior[:GINI_POINTS], generator=generator)
