"""An epoch of EM: visits, steps of the dictionary, running scales, new directions for dead fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import numpy as np
import torch
from torch import Tensor

from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import EStep, infer_diagonal, infer_full
from paperlib.models.sparse_coding.inference.diagonal import cold_start
from paperlib.models.sparse_coding.metrics import dead_fields
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import least_prior_scale
from paperlib.models.sparse_coding.settings import EMSettings
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.em_state import EMState
from paperlib.models.sparse_coding.trainers.running import newest_share, running_scales
from paperlib.models.sparse_coding.trainers.visit import Visit, visit
from paperlib.system.distributed import Processes

MOMENTUM = 0.8
AVERAGING = 6  # of t dictionaries passed, about the last t / AVERAGING count
FLOOR = 0.01  # of λ/σ, which guards float32


@dataclass(frozen=True)
class Treatment:
    """How EM treats one family of posteriors."""

    infer: Callable[..., GaussianPosterior]
    size: Callable[[int], int]  # numbers a data point that its E-step works on
    epochs: float  # share of the epochs, the last ones, that have it instead of diagonal posteriors
    share: int  # data points of a minibatch that a thread takes
    n_steps: int  # of the E-step at a visit
    cold_steps: int  # the same where every visit is the first
    polish: int

    def e_step(self, n_steps: int | None, cold: bool) -> EStep:
        """The E-step of a visit, with `n_steps` iterations if given."""
        usual = self.cold_steps if cold else self.n_steps
        return partial(self.infer, n_steps=usual if n_steps is None else n_steps)


TREATMENTS = {
    "diagonal": Treatment(
        infer_diagonal, lambda h: h, epochs=1, share=2**20, n_steps=4, cold_steps=8, polish=20
    ),
    "full": Treatment(infer_full, lambda h: h**2, epochs=0.2, share=128, n_steps=1, cold_steps=3, polish=5),
}


def draw_minibatches(
    n_points: int, settings: EMSettings, epoch: int, generator: torch.Generator
) -> list[tuple[Tensor, float]]:
    """Minibatches of an epoch, all points in random order; rates fall from the first epoch's start to 0."""
    points = torch.randperm(n_points, generator=generator).split(settings.batch_size)
    passed = (epoch * len(points) + np.arange(len(points))) / (settings.n_epochs * len(points))
    return list(zip(points, settings.learning_rate * (1 - passed), strict=True))


def run_epoch(
    state: EMState,
    x: Tensor,
    minibatches: list[tuple[Tensor, float]],
    weights: EntropyWeights,
    e_step: EStep,
    share: int,
    processes: Processes,
) -> PosteriorStatistics:
    """One pass over the data; returns the statistics gathered at each point's visit."""

    def learn(points: Tensor, rate: float) -> PosteriorStatistics:
        index = processes.own(points).to(x.device)
        state.seen += len(points)
        model = state.model.annealed(weights)
        marginals, visited = visit(e_step, x[index], model, state.marginals[index], share, processes)
        state.mean[index], state.std[index] = marginals.mean, marginals.deviation
        _update_scales(state, visited.stats, weights)
        _update_dictionary(state, visited, rate)
        return visited.stats

    stats = reduce(add, (learn(points, rate) for points, rate in minibatches))
    state.epoch += 1
    state.passes += 1
    return stats


def _update_scales(state: EMState, stats: PosteriorStatistics, weights: EntropyWeights) -> None:
    """Closed-form λ and σ² (Theorem 2) of the minibatch, mixed in; λ as in `annealed_elbo`."""
    share = newest_share(stats.count, state.seen)
    scales, state.noise_variance = running_scales(state.prior_scales, state.noise_variance, stats, share)
    least = least_prior_scale(state.noise_variance, weights, *state.dictionary.shape)
    floor = FLOOR * state.noise_variance.sqrt()
    state.prior_scales = torch.maximum(scales, torch.maximum(least, floor))


def _update_dictionary(state: EMState, visited: Visit, rate: float) -> None:
    """One step along Σ (xνᵀ − W̃(ννᵀ + T)), scaled by the running second moments; then unit columns.

    The average weighs iterate t by about t^(AVERAGING − 1), so that the first ones are soon forgotten.
    """
    count = visited.stats.count
    state.usage = torch.lerp(state.usage, visited.usage / count, newest_share(count, state.seen))
    state.velocity = torch.addcdiv(state.velocity * MOMENTUM, visited.gradient, state.usage * count)
    state.iterate = normalize_columns(state.iterate + rate * state.velocity)
    share = min(1.0, AVERAGING * count / state.seen)
    state.dictionary = normalize_columns(torch.lerp(state.dictionary, state.iterate, share))


def reseed_dead_fields(
    state: EMState, x: Tensor, n_points: int, generator: torch.Generator, processes: Processes
) -> None:
    """Give each dead field the direction of a random data point's residual, and the others' mean scale."""
    dead = dead_fields(state.prior_scales, state.noise_variance)
    if len(dead) == 0:
        return
    points = torch.randint(n_points, (len(dead),), generator=generator)
    places = processes.own(points).to(x.device)
    residuals = x.new_zeros(len(dead), x.shape[1])
    mine = points % processes.count == processes.rank
    residuals[mine] = x[places] - state.mean[places] @ state.iterate.T
    (residuals,) = processes.add([residuals])
    noise = 1e-3 * torch.randn(residuals.shape, generator=generator).to(residuals)  # a residual can be zero
    living = state.prior_scales > state.prior_scales[dead].max()
    typical = state.prior_scales[living].mean() if living.any() else state.noise_variance.sqrt()
    state.dictionary[:, dead] = state.iterate[:, dead] = normalize_columns((residuals + noise).T)
    state.velocity[:, dead], state.usage[dead] = 0, state.usage.mean()
    state.prior_scales[dead] = typical
    state.mean[:, dead] = 0
    state.std[:, dead] = cold_start(1, state.prior_scales[dead], state.noise_variance).deviation
