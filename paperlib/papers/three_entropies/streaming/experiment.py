"""Linear VAEs that see a stream once, whose latent dimension changes on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from paperlib.models.vae.linear import LinearVAEs, moments
from paperlib.papers.three_entropies.linear_vae.experiment import FIRST_VARIANCE
from paperlib.papers.three_entropies.problems import NOISE, Stream
from paperlib.records import Outcome

D = 10


def follow(
    *, seed: int, dimensions: Sequence[int], n_latents: Sequence[int], n_points: int, n_streams: int,
    batch_size: int = 10, rate: float = 2e-3, n_last: int = 1000, n_shown: int = 100,
) -> Outcome:  # fmt: skip
    """Models of `n_latents` on streams of `n_points` for each of the latent `dimensions` in turn.

    Returns mean and deviation of ELBO and entropies over the last `n_last` batches of a segment, by
    segment, model and stream, and curves of the first stream: every `n_shown`-th batch, and averages over
    so many; all of the sum over a batch.
    """
    stream = Stream(n_streams, D, torch.Generator().manual_seed(seed))
    models = np.repeat(np.array(n_latents)[:, None], n_streams, 1)
    vaes = LinearVAEs(D, models, np.random.default_rng(seed), rate=rate, noise=FIRST_VARIANCE)
    n_steps = n_points // batch_size
    curves = np.empty((2, len(dimensions), n_steps, *models.shape))
    for segment, dimension in enumerate(dimensions):
        for step in range(n_steps):
            batch = stream.batch(batch_size, dimension).double().numpy()
            curves[:, segment, step] = vaes.step(moments(batch))[:2]
    curves *= batch_size
    end = curves[:, :, -n_last:]
    blocks = curves[..., 0].reshape(2, len(dimensions) * n_steps // n_shown, n_shown, len(models))
    numbers = {
        "mean": np.round(end.mean(2), 4).tolist(),
        "deviation": np.round(end.std(2), 4).tolist(),
        "maximum": [[batch_size * maximum(k, h) for h in n_latents] for k in dimensions],
    }
    return Outcome(numbers, {"shown": blocks[:, :, 0], "averaged": blocks.mean(2)})


def maximum(dimension: int, n_latents: int) -> float:
    """The largest mean log-likelihood that PPCA of `n_latents` can have of such a stream."""
    values = np.full(D, NOISE**2)
    values[:dimension] += (1 + 4 / 9 * np.arange(dimension)) ** 2
    values = np.sort(values)[::-1]
    noise = values[n_latents:].mean()
    log_det = np.log(values[:n_latents]).sum() + (D - n_latents) * math.log(noise)
    return float(-(D * math.log(2 * math.pi * math.e) + log_det) / 2)


def bic(total: Any, n_latents: int, batch_size: int = 10) -> Any:
    """BIC of a batch whose log-likelihood is `total`, with H D + 1 parameters as in the authors' code."""
    return (n_latents * D + 1) * math.log(batch_size) - 2 * total
