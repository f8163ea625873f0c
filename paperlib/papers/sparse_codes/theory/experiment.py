"""A run by gradient in which the terms of the ELBO are traced beside the entropies (Theorem 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.encoders import Encoder
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import classical_elbo, entropies
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.papers.sparse_codes.theory.problems import optimal_scales

FIRST_LOG_SCALE = 1.5  # of λ and σ²: too large
LEARNING_RATE = 0.02


@dataclass(frozen=True)
class Trace:
    """What `learn_by_gradient` notes at each step.

    Parameters
    ----------
    terms, entropies : tensors (steps, 3)
        E log p(x|z), E log p(z) and H[q], and −H[p(x|z)], −H[p(z)] and H[q] at the same scales, in nats.
    noise_ratio, prior_ratios : tensors (steps,) and (steps, H)
        The optimal σ² and λ of the moment, in units of those that there are.
    """

    terms: Float[Tensor, "steps 3"]
    entropies: Float[Tensor, "steps 3"]
    noise_ratio: Float[Tensor, " steps"]
    prior_ratios: Float[Tensor, "steps H"]


def learn_by_gradient(
    x: Float[Tensor, "N D"], encoder: Encoder, dictionary: Float[Tensor, "D H"], n_steps: int = 500
) -> Trace:
    """Climb the ELBO with Adam in all parameters together: encoder, dictionary, log λ and log σ².

    Parameters
    ----------
    x : tensor (N, D)
        Data.
    encoder : Encoder
        Where the posteriors come from; it is trained.
    dictionary : tensor (D, H)
        W̃ to start from.
    n_steps : int
        Steps, each with all data.
    """
    free = dictionary.clone().requires_grad_()
    logs = torch.full((dictionary.shape[1] + 1,), FIRST_LOG_SCALE, dtype=x.dtype).requires_grad_()
    optimizer = torch.optim.Adam([*encoder.parameters(), free, logs], lr=LEARNING_RATE)
    rows = []
    for _ in range(n_steps):
        stats = PosteriorStatistics.from_batch(x, encoder(x), normalize_columns(free))
        prior_scales, noise_variance = logs[:-1].exp(), logs[-1].exp()
        optimizer.zero_grad()
        (-classical_elbo(stats, prior_scales, noise_variance)).backward()
        with torch.no_grad():
            best_prior, best_noise = optimal_scales(stats)
            terms = terms_and_entropies(stats, prior_scales, noise_variance)
            rows.append((*terms, best_noise / noise_variance, best_prior / prior_scales))
        optimizer.step()
    return Trace(*map(torch.stack, zip(*rows, strict=True)))


def terms_and_entropies(
    stats: PosteriorStatistics, prior_scales: Float[Tensor, " H"], noise_variance: Float[Tensor, ""]
) -> tuple[Float[Tensor, " 3"], Float[Tensor, " 3"]]:
    """The terms of the ELBO, and what they are in `Trace.entropies`, at the same λ and σ²."""
    error = (stats.squared_residual + stats.trace) / stats.count
    log_noise = stats.n_features / 2 * torch.log(2 * torch.pi * noise_variance)
    log_prior = torch.log(2 * prior_scales)
    of_noise = -log_noise - error / (2 * noise_variance)
    of_prior = -(log_prior + stats.magnitude / stats.count / prior_scales).sum()
    posterior = entropies(stats).posterior
    terms = torch.stack([of_noise, of_prior, posterior])
    return terms, torch.stack([-log_noise - stats.n_features / 2, -(log_prior + 1).sum(), posterior])
