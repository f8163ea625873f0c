"""Densities without latents whose parameters are learned: which become minus an entropy, and which do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from scipy import optimize, stats

from paperlib.papers.entropy_sums.data import raw


@dataclass(frozen=True)
class Density:
    """A family of SciPy's with positive parameters that are learned, and what data it is for.

    Parameters
    ----------
    data : str
        Key of `DATA`.
    n_parameters : int
        How many parameters are learned.
    distribution : callable
        From the parameters to a frozen distribution of `scipy.stats`.
    """

    data: str
    n_parameters: int
    distribution: Callable[..., Any]

    def fit(self, x: Shaped[np.ndarray, " N"]) -> tuple[float, float]:
        """Mean log density of data `x` at its maximum, and minus the entropy there, in nats."""

        def loss(logs: Float[np.ndarray, " K"]) -> float:
            distribution = self.distribution(*np.exp(logs))
            log_density = getattr(distribution, "logpdf", None) or distribution.logpmf
            return -log_density(x).mean()

        found = optimize.minimize(
            loss, np.zeros(self.n_parameters), method="Nelder-Mead",
            options={"xatol": 1e-11, "fatol": 1e-15, "maxiter": 4000},
        )  # fmt: skip
        return -float(found.fun), -float(self.distribution(*np.exp(found.x)).entropy())


DATA: dict[str, Callable[[], np.ndarray]] = {
    "uniform on (−2, 3)": lambda: np.linspace(-2, 3, 2001)[:-1] + 1 / 800,
    "wine, color intensity": lambda: raw("wine")[:, 9].numpy(),
    "digits, one pixel": lambda: raw("digits")[:, 33].numpy(),
}

FAMILIES = {
    "normal, scale": Density("uniform on (−2, 3)", 1, lambda s: stats.norm(0, s)),
    "Laplace, scale": Density("uniform on (−2, 3)", 1, lambda s: stats.laplace(0, s)),
    "generalized normal, scale": Density("uniform on (−2, 3)", 1, lambda s: stats.gennorm(3.5, 0, s)),
    "gamma, shape and scale": Density("wine, color intensity", 2, lambda k, s: stats.gamma(k, 0, s)),
    "logistic, scale": Density("uniform on (−2, 3)", 1, lambda s: stats.logistic(0, s)),
    "Student t with 3 degrees of freedom, scale": Density(
        "uniform on (−2, 3)", 1, lambda s: stats.t(3, 0, s)
    ),
    "Cauchy, scale": Density("uniform on (−2, 3)", 1, lambda s: stats.cauchy(0, s)),
    "Weibull, shape and scale": Density("wine, color intensity", 2, lambda k, s: stats.weibull_min(k, 0, s)),
    "negative binomial, both": Density(
        "digits, one pixel", 2, lambda r, odds: stats.nbinom(r, 1 / (1 + odds))
    ),
}
