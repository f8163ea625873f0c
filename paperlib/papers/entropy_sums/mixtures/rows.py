"""Rows of mixtures whose base measure is constant: Gaussian ones down to k-means, and nine other families."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from paperlib.models.exponential_families import (
    Bernoulli,
    Beta,
    Categorical,
    Exponential,
    Family,
    Gamma,
    Geometric,
    Laplace,
    LogNormal,
)
from paperlib.models.mixtures import (
    FamilyMixture,
    FullGaussianMixture,
    IsotropicGaussianMixture,
    SharedGaussianMixture,
    kmeans_classes,
)
from paperlib.models.mixtures.gaussian import GaussianMixture
from paperlib.papers.entropy_sums.mixtures import data
from paperlib.papers.entropy_sums.rows import Row, Rows, measured

TOLERANCE, MAX_ROUNDS = 1e-8, 200  # of EM; the gap is 0 after any M-step
SUM = r"\bar H[q]-H[\pi]-\sum_c\pi_c"
LOG_DET = r"\tfrac12\log\det(2\pi e\,\Sigma)"
BALL = r"\tfrac D2\log(2\pi e\,\sigma^2)"
FORMS = {
    FullGaussianMixture: ("", rf"{SUM}\tfrac12\log\det(2\pi e\,\Sigma_c)", r"$\pi$, $\Sigma_c$"),
    SharedGaussianMixture: (", shared covariance", rf"\bar H[q]-H[\pi]-{LOG_DET}", r"$\pi$, $\Sigma$"),
    IsotropicGaussianMixture: (", one variance", rf"\bar H[q]-H[\pi]-{BALL}", r"$\pi$, $\sigma^2$"),
}
FAMILY_ROWS = {
    "bernoulli": ("Bernoulli", Bernoulli(), *data.BITS, "H_b(p_{cd})", "p"),
    "categorical": (
        "categorical", Categorical(5), *data.LETTERS, r"\bigl(-\sum_kp_{cdk}\log p_{cdk}\bigr)", "p",
    ),
    "geometric": (
        "geometric", Geometric(), *data.COUNTS, r"\tfrac{H_b(\rho_{cd})}{1-\rho_{cd}}", r"\rho",
    ),
    "exponential": ("exponential", Exponential(), *data.POSITIVE, r"\log(e\,s_{cd})", "s"),
    "gamma": (
        "gamma", Gamma(), *data.POSITIVE,
        r"\bigl(k_{cd}+\log(s_{cd}\Gamma(k_{cd}))+(1-k_{cd})\psi(k_{cd})\bigr)", "k, s",
    ),
    "beta": ("beta", Beta(), *data.FRACTIONAL, r"H[\mathrm{Beta}(a_{cd},b_{cd})]", "a, b"),
    "log-normal": (
        "log-normal", LogNormal(), *data.POSITIVE,
        r"\bigl(\mu_{cd}+\tfrac12\log(2\pi e\,\sigma_{cd}^2)\bigr)", r"\mu, \sigma^2",
    ),
    "laplace": ("Laplace, location fixed", Laplace(), *data.CENTERED, r"\log(2e\,s_{cd})", "s"),
}  # fmt: skip


def gaussian(
    kind: type[GaussianMixture],
    source: str,
    x: Callable[[], Tensor],
    n_classes: int,
    n_kept: int,
    learn_weights: bool = True,
) -> Row:
    """Gaussian mixture of a `kind` and `n_classes` classes, of which responsibilities keep the `n_kept` best.

    The data are `x()`, called `source`.  Without `learn_weights` these are equal.
    """
    points = x()
    start = kind.from_classes(points, kmeans_classes(points, n_classes), learn_weights)
    model, posterior = start.fit(
        points, TOLERANCE, MAX_ROUNDS, restrict=lambda posterior: posterior.truncated(n_kept)
    )
    form, formula, condition = FORMS[kind]
    name = f"Gaussian mixture{form}"
    if not learn_weights:
        formula = formula.replace(r"H[\pi]", r"\log C").replace(r"\pi_c", r"\bar q_c")
        name, condition = f"{name}, π = 1/C", condition.replace(r"$\pi$, ", "")
        if kind is IsotropicGaussianMixture and n_kept == 1:
            name, formula = "k-means", rf"-\log C-{BALL}"
    kept = {n_classes: "exact", 1: "hard"}.get(n_kept, f"{n_kept} best classes")
    return measured(
        model, points, posterior, name=name, data=source, variational=kept, graph="c→x", formula=formula,
        condition=condition, page="entropy_sums/mixtures",
    )  # fmt: skip


def of_family(
    name: str,
    family: Family,
    source: str,
    x: Callable[[], Tensor],
    n_classes: int,
    entropy: str,
    learned: str,
    page: str = "entropy_sums/mixtures",
) -> Row:
    """Mixture of a `family`, called `name`, of `n_classes` classes by EM on data `x()`, called `source`.

    Parameters
    ----------
    entropy, learned : str
        The (pseudo) entropy of one feature of a class, and the parameters, both in LaTeX.
    page : str
        The page that shows it.
    """
    points = x()
    start = FamilyMixture.from_classes(points, kmeans_classes(points, n_classes), family)
    model, posterior = start.fit(points, TOLERANCE, MAX_ROUNDS)
    base = "" if family.constant_base else r"+\tfrac1N\sum_{n,d}\log h(x_d^{(n)})"
    return measured(
        model, points, posterior, name=f"mixture, {name}", data=source, variational="exact", graph="c→x",
        formula=rf"{SUM}\sum_d{entropy}{base}", condition=rf"$\pi$, ${learned}$", page=page,
    )  # fmt: skip


ROWS: Rows = {
    "gmm-wine": partial(gaussian, FullGaussianMixture, *data.WINE, 3),
    "gmm-wine-truncated": partial(gaussian, FullGaussianMixture, *data.WINE, 2),
    "gmm-wine-hard": partial(gaussian, FullGaussianMixture, *data.WINE, 1),
    "gmm-iris": partial(gaussian, FullGaussianMixture, *data.IRIS, 3),
    "gmm-iris-equal": partial(gaussian, FullGaussianMixture, *data.IRIS, 3, learn_weights=False),
    "gmm-shared-wine": partial(gaussian, SharedGaussianMixture, *data.WINE, 3),
    "gmm-shared-iris-hard": partial(gaussian, SharedGaussianMixture, *data.IRIS, 1),
    "gmm-isotropic-wine": partial(gaussian, IsotropicGaussianMixture, *data.WINE, 3),
    "gmm-isotropic-breast_cancer": partial(gaussian, IsotropicGaussianMixture, *data.CANCER, 2),
    "kmeans-wine": partial(gaussian, IsotropicGaussianMixture, *data.WINE, 1, learn_weights=False),
    "kmeans-digits": partial(gaussian, IsotropicGaussianMixture, *data.DIGITS, 1, learn_weights=False),
    **{f"mixture-{name}": partial(of_family, *row) for name, row in FAMILY_ROWS.items()},
}
