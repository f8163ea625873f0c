"""Rows of mixtures whose base measure is not constant, with pseudo entropies."""

from __future__ import annotations

from functools import partial

from paperlib.models.exponential_families import (
    Binomial,
    GammaShape,
    LogNormalLocation,
    NegativeBinomial,
    Poisson,
    Rayleigh,
)
from paperlib.papers.entropy_sums.mixtures import data
from paperlib.papers.entropy_sums.mixtures.rows import of_family
from paperlib.papers.entropy_sums.rows import Rows

PAGE = "entropy_sums/base_measures"
FAMILY_ROWS = {
    "poisson": (
        "Poisson", Poisson(), *data.COUNTS, r"(\lambda_{cd}-\lambda_{cd}\log\lambda_{cd})", r"\lambda",
    ),
    "binomial": ("binomial", Binomial(16), *data.COUNTS, r"16\,H_b(p_{cd})", "p"),
    "negative-binomial": (
        "negative binomial, r = 2", NegativeBinomial(2.0), *data.COUNTS,
        r"\tfrac{2\,H_b(\rho_{cd})}{1-\rho_{cd}}", r"\rho",
    ),
    "gamma-shape": (
        "gamma, shape 2.5 fixed", GammaShape(2.5), *data.POSITIVE, r"\tfrac52\log(e\,s_{cd})", "s",
    ),
    "log-normal-location": (
        "log-normal, location 0 fixed", LogNormalLocation(), *data.POSITIVE,
        r"\tfrac12\log(2\pi e\,\sigma_{cd}^2)", r"\sigma^2",
    ),
    "rayleigh": ("Rayleigh", Rayleigh(), *data.POSITIVE, r"\log(2e\,\sigma_{cd}^2)", r"\sigma^2"),
}  # fmt: skip

ROWS: Rows = {f"mixture-{name}": partial(of_family, *row, page=PAGE) for name, row in FAMILY_ROWS.items()}
