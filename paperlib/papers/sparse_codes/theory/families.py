"""Families of densities, their best parameters for data and their entropies (Appendix C)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Gamma,
    Laplace,
    Normal,
    Poisson,
    StudentT,
)

from paperlib.elbo.maximum import maximize

LARGEST_COUNT = 60  # what sums over all counts go up to


@dataclass(frozen=True)
class Family:
    """Densities with positive parameters θ, and what data they are for.

    Parameters
    ----------
    data : str
        "reals", "positives", "counts", "letters" (0 to 3) or "bits".
    n_parameters : int
        K.
    density : callable
        θ (K,) → the distribution.
    entropy : callable
        θ (K,) → its entropy in nats by SciPy, or by a sum over all values.
    """

    data: str
    n_parameters: int
    density: Callable[[Tensor], Distribution]
    entropy: Callable[[np.ndarray], float]

    def log_likelihood(self, y: Float[Tensor, " N"], theta: Tensor) -> Float[Tensor, ""]:
        """Mean log density of data `y` at `theta` (K,)."""
        return self.density(theta).log_prob(y).mean()


def fit(objective: Callable[[Tensor], Tensor], n_parameters: int) -> tuple[np.ndarray, float]:
    """Where an `objective` of `n_parameters` positive numbers is largest, found in log θ, and its value."""
    found = maximize(lambda logs: objective(logs.exp()), [0.0] * n_parameters)
    return found.at.exp().numpy(), found.value


def _sum_entropy(probabilities: np.ndarray) -> float:
    return float(-(probabilities * np.log(probabilities)).sum())


def _with_last(ratios: np.ndarray) -> np.ndarray:
    """Probabilities from ratios to the last one."""
    return np.append(ratios, 1) / (1 + np.sum(ratios))


FAMILIES = {
    "Laplace, scale": Family(
        "reals", 1, lambda t: Laplace(0.0, t[0]), lambda t: stats.laplace(scale=t[0]).entropy(),
    ),
    "Gaussian, mean and variance": Family(
        "reals", 2, lambda t: Normal(t[0], t[1].sqrt()), lambda t: stats.norm(scale=np.sqrt(t[1])).entropy(),
    ),
    "Bernoulli, probability": Family(
        "bits", 1, lambda t: Bernoulli(t[0] / (1 + t[0])), lambda t: _sum_entropy(_with_last(t)),
    ),
    "Poisson, rate": Family(
        "counts", 1, lambda t: Poisson(t[0]),
        lambda t: _sum_entropy(stats.poisson(t[0]).pmf(np.arange(LARGEST_COUNT))),
    ),
    "categorical, probabilities": Family(
        "letters", 3, lambda t: Categorical(torch.cat([t, torch.ones_like(t[:1])])),
        lambda t: _sum_entropy(_with_last(t)),
    ),
    "Gamma, shape and rate": Family(
        "positives", 2, lambda t: Gamma(t[0], t[1]), lambda t: stats.gamma(t[0], scale=1 / t[1]).entropy(),
    ),
    "Gaussian, variance fixed": Family(
        "reals", 1, lambda t: Normal(t[0], 0.5**0.5), lambda t: stats.norm(scale=0.5**0.5).entropy(),
    ),
    "Gaussian N(μ, μ²)": Family(
        "reals", 1, lambda t: Normal(t[0], t[0]), lambda t: stats.norm(scale=t[0]).entropy(),
    ),
    "Gamma, shape 3 fixed": Family(
        "positives", 1, lambda t: Gamma(3.0, t[0]), lambda t: stats.gamma(3, scale=1 / t[0]).entropy(),
    ),
    "Student t, scale": Family(
        "reals", 1, lambda t: StudentT(3.0, 0.0, t[0]), lambda t: stats.t(3, scale=t[0]).entropy(),
    ),
}  # fmt: skip
