"""A VAE with more latents than the data's manifold has dimensions, with σ² learned and fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from paperlib.models.vae import AmortizedVAE, Samples
from paperlib.papers.three_entropies.learning import FIRST_VARIANCE, all_statistics, learn, make_vae, rounded
from paperlib.papers.three_entropies.problems import manifold
from paperlib.records import Outcome

ACTIVE = 1.0  # nats: a latent whose mean posterior entropy is less is active, as in the authors' code


def learn_manifold(
    *, seed: int, n_points: int, n_epochs: int, n_dimensions: int = 10, n_features: int = 100,
    n_latents: int = 20, hidden: Sequence[int] = (128, 40), sigma: float | None = None, batch_size: int = 256,
    rate: float = 1e-3, variance_rate: float = 1e-2, n_looks: int = 30,
) -> Outcome:  # fmt: skip
    """Learn VAE-1, or VAE-0 with a `sigma`.

    Returns the entropy of each latent over epochs, and its KL divergence at the end.
    """
    generator = torch.Generator().manual_seed(seed)
    x = manifold(n_points, generator, n_dimensions=n_dimensions, n_features=n_features)
    vae = make_vae(
        n_features, n_latents, hidden, Samples(1, generator), generator, n_runs=1, activation="leaky",
        noise=FIRST_VARIANCE if sigma is None else sigma**2, learned=("noise",) if sigma is None else (),
    )  # fmt: skip

    def look(vae: AmortizedVAE) -> dict[str, Any]:
        stats = all_statistics(vae, x)
        terms = vae.model.entropies(stats)
        return {
            "elbo": rounded(vae.model.elbo(stats)), "entropies": rounded(terms.elbo),
            "latent_entropies": rounded(stats.latent_entropies[0], 4),
        }  # fmt: skip

    vae, curves = learn(
        vae, x, generator, look, batch_size=batch_size, n_epochs=n_epochs, n_looks=n_looks, rate=rate,
        variance_rate=variance_rate,
    )  # fmt: skip
    stats = all_statistics(vae, x)
    divergence = (stats.latent_squares[0] / stats.count - 1) / 2 - stats.log_deviations[0] / stats.count
    ends = {"divergences": rounded(divergence, 4), "variance": float(vae.model.noise[0])}
    return Outcome(curves | ends)
