"""Routes up the same hill: all parameters of small problems learned jointly, by several objectives (D.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.maximum import maximize
from paperlib.elbo.posteriors import FullGaussian
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.papers.sparse_codes.theory.problems import Draws, float64
from paperlib.plotting import Table

OPTIONS = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-11, "gtol": 1e-5, "maxcor": 20}  # of L-BFGS
CLOSE, AT_THE_END = 1e-2, 1e-6  # nats a data point that are left to climb


@dataclass(frozen=True)
class Route:
    """An objective, and what it is a function of besides directions of columns and posteriors.

    Parameters
    ----------
    objective : callable
        From statistics and the learned log λ and log σ², in this order, to nats a data point.
    n_scales : int
        How many of these are learned; they start from 0.
    unit : bool
        Whether columns are scaled to length 1.
    """

    objective: Callable[[PosteriorStatistics, Tensor], Tensor]
    n_scales: int
    unit: bool


@dataclass(frozen=True)
class Start:
    """Data `x` (N, D), and the dictionary (D, H) and `posterior` that every route starts from."""

    x: Float[Tensor, "N D"]
    dictionary: Float[Tensor, "D H"]
    posterior: FullGaussian


def make_start(seed: int, n_points: int) -> Start:
    """Data of `n_points` from a model of `seed` with three pixels and two fields, and a start far from it."""
    draw = Draws(seed)
    truth = SparseCodingModel.from_standard(2 * draw.normal(3, 2), float64(0.1))
    x, _ = truth.sample(n_points, torch.Generator().manual_seed(seed))
    means = 0.1 * draw.normal(n_points, 2)
    factors = 0.5 * torch.eye(2, dtype=torch.float64).expand(n_points, 2, 2)
    return Start(x, draw.dictionary(3, 2), FullGaussian(means, factors))


def climb(route: Route, start: Start) -> Float[np.ndarray, " iterations"]:
    """The objective after each iteration of SciPy's L-BFGS on a `route` from its `start`."""
    first = [start.dictionary, *start.posterior.to_free(), torch.zeros(route.n_scales, dtype=torch.float64)]

    def objective(vector: Tensor) -> Tensor:
        parts = vector.split([part.numel() for part in first])
        shaped = [part.reshape(like.shape) for part, like in zip(parts, first, strict=True)]
        dictionary, *free, logs = shaped
        if route.unit:
            dictionary = dictionary / dictionary.norm(dim=0)
        stats = PosteriorStatistics.from_batch(start.x, FullGaussian.from_free(free), dictionary)
        return len(start.x) * route.objective(stats, logs)

    vector = torch.cat([part.flatten() for part in first])
    return maximize(objective, vector, "L-BFGS-B", **OPTIONS).climb / len(start.x)


def count_iterations(values: Float[np.ndarray, " iterations"], tolerance: float) -> int:
    """Iterations until less than `tolerance` of the climb is left, for `values` from `climb`."""
    return int(np.argmax(values > values[-1] - tolerance)) + 1


def routes_table(runs: Mapping[str, Sequence[np.ndarray]]) -> Table:
    """Where routes ended and how many iterations they took; `runs`: name → a climb for each problem."""
    head = ["objective", "ELBO, nats", "iterations to 0.01 nats", "to 10⁻⁶ nats"]
    rows = []
    for name, climbs in runs.items():
        ends = [f"{values[-1]:.5f}" for values in climbs]
        counts = [[str(count_iterations(v, left)) for v in climbs] for left in (CLOSE, AT_THE_END)]
        rows.append([name, *map(", ".join, [ends, *counts])])
    return Table(head, rows)
