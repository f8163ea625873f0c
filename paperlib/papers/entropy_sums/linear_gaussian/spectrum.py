"""What eigenvalues of the data's covariance say of PPCA: all stationary points, and how many latents."""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import LOG_2_PI_E
from paperlib.models.linear_gaussian import PPCA


def eigenvalues(x: Float[Tensor, "N D"]) -> Float[np.ndarray, " D"]:
    """Of the covariance of data `x`, the largest first."""
    return torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0).numpy()


def entropy_sum(values: Float[np.ndarray, " D"], retained: Collection[int]) -> float:
    """ELBO of PPCA where it keeps the `retained` of the eigenvalues `values`, in nats a data point."""
    kept, rest = values[list(retained)], np.delete(values, list(retained))
    return float(-len(values) * LOG_2_PI_E - np.log(kept).sum() - len(rest) * math.log(rest.mean())) / 2


def stationary_sets(values: Float[np.ndarray, " D"], n_latents: int) -> list[tuple[int, ...]]:
    """All sets of at most `n_latents` of the eigenvalues `values` that PPCA can retain, best last."""
    sets = (each for size in range(n_latents + 1) for each in combinations(range(len(values)), size))
    found = [kept for kept in sets if not kept or values[max(kept)] >= np.delete(values, kept).mean()]
    return sorted(found, key=lambda kept: entropy_sum(values, kept))


def ways_up(model: PPCA, x: Float[Tensor, "N D"], tolerance: float = 1e-6) -> int:
    """In how many directions of its loadings the log-likelihood of data `x` curves up: 0 at a maximum.

    Eigenvalues of the Hessian up to `tolerance` are those of rotations of the latents.
    """

    def log_likelihood(loadings: Float[Tensor, "D H"]) -> Float[Tensor, ""]:
        return model.replace(loadings=loadings).log_likelihood(x)

    hessian = torch.autograd.functional.hessian(log_likelihood, model.loadings)
    n = model.loadings.numel()
    return int((torch.linalg.eigvalsh(hessian.reshape(n, n)) > tolerance).sum())


def bic(values: Float[np.ndarray, " D"], n_points: int) -> dict[int, float]:
    """Bayesian information criterion of PPCA with H = 0, …, D − 1 latents on `n_points` data points.

    Its parameters are D H − H (H − 1)/2 of the loadings up to rotations, D of the mean and the noise.
    """
    n_features = len(values)
    sizes = {h: n_features * h - h * (h - 1) // 2 + n_features + 1 for h in range(n_features)}
    elbos = {h: n_points * entropy_sum(values, range(h)) for h in sizes}
    return {h: size * math.log(n_points) - 2 * elbos[h] for h, size in sizes.items()}
