"""Rows whose ELBO stays apart from the entropies: something is fixed, or the density is no EF."""

from __future__ import annotations

from functools import partial

from paperlib.papers.entropy_sums.data import standardized
from paperlib.papers.entropy_sums.exceptions.densities import DATA, FAMILIES
from paperlib.papers.entropy_sums.exceptions.models import (
    fixed_noise,
    floored_variances,
    rigid_posteriors,
    vanishing_noise,
)
from paperlib.papers.entropy_sums.linear_gaussian.rows import FACTOR_FORMULA, PPCA_FORMULA
from paperlib.papers.entropy_sums.rows import Row, Rows, measured

PAGE = "entropy_sums/exceptions"
TEMPERED = "natural parameters do not follow their own tempering"
NOT_EXPONENTIAL = {
    "student": "Student t with 3 degrees of freedom, scale",
    "cauchy": "Cauchy, scale",
    "logistic": "logistic, scale",
    "weibull": "Weibull, shape and scale",
    "negative-binomial": "negative binomial, both",
}


def _density(name: str) -> Row:
    family = FAMILIES[name]
    elbo, entropy_sum = family.fit(DATA[family.data]())
    return Row(
        model=name, data=family.data, variational="no latents", elbo=elbo, entropy_sum=entropy_sum,
        kind="entropy", graph="x", formula="-H[p(x)]", condition="none does it", page=PAGE,
        exception=f"no exponential family in these parameters: {TEMPERED}",
    )  # fmt: skip


def ppca_fixed_noise() -> Row:
    """PPCA whose σ² is fixed."""
    return measured(
        *fixed_noise(standardized("wine"), 3, 0.5), name="PPCA, σ² = 0.5 fixed", data="wine",
        variational="exact", graph="z→x", formula=PPCA_FORMULA, condition=r"$\sigma^2$, $W$", page=PAGE,
        exception="the noise variance is not learned",
    )  # fmt: skip


def ppca_rigid() -> Row:
    """PPCA with posteriors that cannot rescale."""
    return measured(
        *rigid_posteriors(standardized("wine"), 3, 0.05), name="PPCA, prior N(0, I)", data="wine",
        variational="covariance 0.05·I fixed", graph="z→x", condition=r"$\sigma^2$, $W$", page=PAGE,
        formula=r"\tfrac H2\log0.05-\tfrac D2\log(2\pi e\sigma^2)",
        exception="neither the prior's variances nor those of q can change",
    )  # fmt: skip


def factor_heywood() -> Row:
    """Factor analysis on its way to a variance of 0."""
    return measured(
        *vanishing_noise(standardized("diabetes"), 3, 500), name="factor analysis, H = 3, a Heywood case",
        data="diabetes", variational="exact", graph="z→x", formula=FACTOR_FORMULA, condition=r"$\psi$, $W$",
        page=PAGE, exception="there is no stationary point: a ψ goes to 0, and the gap to 0 only with it",
    )  # fmt: skip


def mixture_floor() -> Row:
    """scikit-learn's Gaussian mixture with a floor on variances."""
    return measured(
        *floored_variances(standardized("wine")[:, :5], 3, 0.05),
        name="Gaussian mixture, 0.05 added to variances", data="wine, 5 features", variational="exact",
        graph="c→x",
        formula=r"\bar H[q]-H[\pi]-\sum_c\pi_c\tfrac12\log\det(2\pi e\Sigma_c)",
        condition=r"$\pi$, $\Sigma_c$", page=PAGE,
        exception="a floor (scikit-learn's reg_covar) keeps covariances from their optimum",
    )  # fmt: skip


ROWS: Rows = {
    "exception-noise": ppca_fixed_noise,
    "exception-rigid": ppca_rigid,
    "exception-heywood": factor_heywood,
    "exception-floor": mixture_floor,
    **{f"exception-{key}": partial(_density, name) for key, name in NOT_EXPONENTIAL.items()},
}
