"""Where EM of a mixture starts, and which of several starts was best."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.categorical import Categorical
from paperlib.models.mixtures.mixture import Mixture
from paperlib.system.errors import InputError
from paperlib.system.validation import check_counts, check_data

M = TypeVar("M", bound=Mixture)
SOFT = 0.1  # of each data point's weight is given to all classes


def kmeans_classes(x: Float[Tensor, "N D"], n_classes: int, seed: int = 0) -> Categorical:
    """Responsibilities that scikit-learn's k-means gives data `x`, standardized, from one start of a `seed`.

    They are soft, as a class of `n_classes` with few points would else start as a singular one.
    """
    from sklearn.cluster import KMeans

    check_data(x)
    check_counts(n_classes=n_classes)
    if n_classes > len(x):
        raise InputError(f"{len(x)} data points are too few for {n_classes} classes.")
    deviations = x.std(0, correction=0)
    scaled = (x - x.mean(0)) / torch.where(deviations > 0, deviations, 1.0)
    labels = KMeans(n_classes, n_init=1, random_state=seed).fit(scaled.numpy()).labels_
    hard = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), n_classes).to(x)
    return Categorical((1 - SOFT) * hard + SOFT / n_classes)


def fit_best(starts: Iterable[M], x: Float[Tensor, "N D"], **options: Any) -> tuple[M, Categorical]:
    """The fit of highest ELBO to data `x` from any of the `starts`, models; `options` are those of `fit`.

    Raises
    ------
    InputError
        If every start ends at infinity: the message of the last.
    """
    fits, refused = [], None
    for start in starts:
        try:
            model, posterior = start.fit(x, **options)
        except InputError as error:
            refused = error
        else:
            fits.append((float(model.elbo(model.statistics(x, posterior))), model, posterior))
    if not fits:
        raise refused or InputError("There is no start to fit; give at least one model.")
    return max(fits, key=lambda fit: fit[0])[1:]
