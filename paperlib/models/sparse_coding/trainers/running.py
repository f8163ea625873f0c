"""Averages that forget: λ and σ² of a run, from minibatches (Theorem 2)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.models.sparse_coding.inference import closed_form_scales
from paperlib.models.sparse_coding.statistics import PosteriorStatistics

MEMORY = 6_400  # data points after which a running average has forgotten a share 1 − 1/e


def newest_share(count: int | float, seen: int, memory: int = MEMORY) -> float:
    """Share of the newest `count` of all `seen` data points in an average; large while few have been seen."""
    return min(1.0, count / min(memory, max(count, seen)))


def running_scales(
    prior_scales: Float[Tensor, " H"],
    noise_variance: Float[Tensor, ""],
    stats: PosteriorStatistics,
    share: float,
) -> tuple[Float[Tensor, " H"], Float[Tensor, ""]]:
    """λ and σ² with the closed forms of a minibatch mixed in by `share`."""
    newest = closed_form_scales(stats, prior_scales.dtype)
    return torch.lerp(prior_scales, newest[0], share), torch.lerp(noise_variance, newest[1], share)
