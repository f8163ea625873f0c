"""Linear VAEs on data of a linear model (Fig. 1a), without samples: all expectations are exact."""

from __future__ import annotations

import math

import numpy as np
import torch

from paperlib.models.linear_gaussian import PPCA
from paperlib.models.vae.linear import LinearVAEs, moments
from paperlib.models.vae.training import shuffled
from paperlib.papers.three_entropies.problems import NOISE, linear_data
from paperlib.records import Outcome

FIRST_VARIANCE = math.log(2) ** 2  # of noise and posteriors: softplus(0)²


def learn_linear(
    *, seed: int, n_points: int, n_epochs: int, n_runs: int, batch_size: int = 2000, rate: float = 1e-3,
    n_latents: int = 2, sigma: float | None = None, n_looks: int = 100,
) -> Outcome:  # fmt: skip
    """Runs from different first weights on the same data; with a `sigma`, that is fixed.

    Returns ELBO, entropies and held-out ELBO of each run in nats a data point, `n_looks` times, and the exact
    log-likelihood of both data sets at its maximum, by PPCA, and of the model that made them.
    """
    generator = torch.Generator().manual_seed(seed)
    x, weights, mean = linear_data(2 * n_points, generator, n_latents=n_latents)
    train, test = x.double().split(n_points)
    best = PPCA.stationary(train, n_latents)
    noise = torch.tensor(NOISE**2, dtype=torch.float64)
    truth = PPCA.from_standard(weights.double(), mean.double(), noise)
    first = FIRST_VARIANCE if sigma is None else sigma**2
    vaes = LinearVAEs(
        x.shape[1], np.full(n_runs, n_latents), np.random.default_rng(seed), rate=rate, noise=first,
        learn_noise=sigma is None,
    )  # fmt: skip
    whole, held_out = (moments(part.numpy()) for part in (train, test))
    every = max(n_epochs // n_looks, 1)
    curves: dict[str, list] = {"epoch": [], "elbo": [], "entropies": [], "held_out": []}
    for epoch, batches in enumerate(shuffled(train, batch_size, n_epochs, generator), 1):
        for batch in batches:
            vaes.step(moments(batch.numpy()))
        if epoch % every == 0 or epoch == 1:
            now = vaes.evaluate(whole)
            elsewhere = vaes.evaluate(held_out)
            curves["epoch"].append(epoch)
            for name, look in (
                ("elbo", now.elbo),
                ("entropies", now.entropies),
                ("held_out", elsewhere.elbo),
            ):
                curves[name].append(np.round(look, 6).tolist())
    likelihoods = {
        name: [float(model.log_likelihood(part)) for part in (train, test)]
        for name, model in {"best": best, "truth": truth}.items()
    }
    ends = {"noise": now.noise.tolist(), "best_noise": float(best.noise)}
    return Outcome(curves | likelihoods | ends)
