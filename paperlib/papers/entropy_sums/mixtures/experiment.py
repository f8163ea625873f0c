"""EM of Gaussian mixtures of the wines, watched: how the gap closes, and what truncation costs."""

from __future__ import annotations

from paperlib.models.gap import gap
from paperlib.models.mixtures import (
    FullGaussianMixture,
    IsotropicGaussianMixture,
    SharedGaussianMixture,
    kmeans_classes,
)
from paperlib.papers.entropy_sums.mixtures.data import wine
from paperlib.records.record import Outcome
from paperlib.system.validation import check_choice

FORMS = {"full": FullGaussianMixture, "shared": SharedGaussianMixture, "isotropic": IsotropicGaussianMixture}


def climb(*, form: str, n_classes: int, n_rounds: int, seed: int) -> Outcome:
    """ELBO and entropy sum after each half of each of `n_rounds` rounds of EM.

    Covariances are of a `form`, ``"full"``, ``"shared"`` or ``"isotropic"``.  EM starts from k-means with
    `n_classes` classes and a `seed`.  Numbers: lists `elbo` and `entropy_sum`, first after the E-step, then
    after the M-step, and so on.
    """
    check_choice("form", form, FORMS)
    x = wine()
    model = FORMS[form].from_classes(x, kmeans_classes(x, n_classes, seed))
    halves = []
    for _ in range(n_rounds):
        posterior = model.posterior(x)
        halves.append(gap(model, x, posterior))
        model = model.fitted(model.statistics(x, posterior))
        halves.append(gap(model, x, posterior))
    elbos, sums = [float(half.elbo) for half in halves], [float(half.terms.elbo) for half in halves]
    return Outcome({"elbo": elbos, "entropy_sum": sums})


def truncate(*, form: str, n_classes: int, n_kept: int, seed: int) -> Outcome:
    """Truncate responsibilities to the `n_kept` best of `n_classes` classes, and learn on with such ones.

    The `form` and the `seed` are those of `climb`; before, EM has converged with exact responsibilities.
    Numbers: ELBO and entropy sum before learning on, `elbo` and `entropy_sum`, and after it, `elbo_learned`
    and `sum_learned`.
    """
    check_choice("form", form, FORMS)
    x = wine()
    model, exact = FORMS[form].from_classes(x, kmeans_classes(x, n_classes, seed)).fit(x)
    before = gap(model, x, exact.truncated(n_kept))
    model, posterior = model.fit(x, restrict=lambda posterior: posterior.truncated(n_kept))
    after = gap(model, x, posterior)
    numbers = {"elbo": before.elbo, "entropy_sum": before.terms.elbo}
    numbers |= {"elbo_learned": after.elbo, "sum_learned": after.terms.elbo}
    return Outcome({name: float(value) for name, value in numbers.items()})
