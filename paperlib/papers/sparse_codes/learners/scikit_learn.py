"""scikit-learn's dictionary learners on the same footing: data (N, D) in, unit columns (D, K) out.

K is H, or less where a learner left columns at zero: a column that explains nothing is no field.  Nothing is
centered or scaled beyond what a learner does itself.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from jaxtyping import Float
from sklearn.decomposition import PCA, FastICA, MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from paperlib.elbo.history import Callback, Snapshot
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.system.errors import InputError
from paperlib.system.validation import check_positive, check_training_data

BATCH_SIZE = 256  # MiniBatchDictionaryLearning's default


def learn_minibatch_dictionary(
    x: Float[Tensor, "N D"],
    n_latents: int,
    *,
    alpha: float,
    n_epochs: int = 3,
    seed: int = 0,
    callback: Callback | None = None,
) -> Float[Tensor, "D _"]:
    """Online dictionary learning (Mairal et al. 2009): ½‖x − W̃z‖² + α‖z‖₁ over codes and dictionary.

    In float64: in float32 rounding keeps the coordinate descent from its tolerance, so that it makes all
    iterations allowed, which takes several times as long and gives the same dictionary.

    Parameters
    ----------
    x : tensor (N, D)
        Data.
    n_latents : int
        H.
    alpha : float
        Weight of the penalty, in units of the data.
    n_epochs : int
        Passes over the data, in minibatches of 256 and in random order.
    seed : int
        Of the first dictionary and of the order.
    callback : callable, optional
        Called with a `Snapshot` after every epoch.

    Raises
    ------
    InputError
        If data are not a finite matrix, or a number is not positive.
    """
    check_training_data(x)
    check_positive(n_latents=n_latents, alpha=alpha, n_epochs=n_epochs)
    learner = MiniBatchDictionaryLearning(
        n_latents, alpha=alpha, batch_size=BATCH_SIZE, fit_algorithm="cd", random_state=seed
    )
    data, generator = x.double(), torch.Generator().manual_seed(seed)
    for epoch in range(1, n_epochs + 1):
        for index in torch.randperm(len(x), generator=generator).split(BATCH_SIZE):
            learner.partial_fit(data[index].numpy())
        dictionary = unit_columns(learner.components_.T, x)
        if callback is not None:
            callback(Snapshot(epoch, dictionary, []))
    return dictionary


def learn_pca(x: Float[Tensor, "N D"], n_latents: int) -> Float[Tensor, "D _"]:
    """The leading principal components.

    Raises
    ------
    InputError
        If data are not a finite matrix, or there are fewer components than latents.
    """
    _check_components(x, n_latents)
    return unit_columns(PCA(n_latents, svd_solver="covariance_eigh").fit(x.numpy()).components_.T, x)


def learn_ica(
    x: Float[Tensor, "N D"], n_latents: int, *, max_iterations: int = 200, seed: int = 0
) -> Float[Tensor, "D _"]:
    """Independent components in the span of the leading principal ones, by FastICA: columns of its mixing.

    Parameters
    ----------
    max_iterations : int
        After which it stops, converged or not: the dictionary is judged, whatever it is.
    seed : int
        Of the first rotation.

    Raises
    ------
    InputError
        If data are not a finite matrix, a number is not positive or there are fewer components than latents.
    """
    _check_components(x, n_latents)
    check_positive(max_iterations=max_iterations)
    learner = FastICA(
        n_latents, whiten="unit-variance", whiten_solver="eigh", max_iter=max_iterations, random_state=seed
    )
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return unit_columns(learner.fit(x.numpy()).mixing_, x)


def _check_components(x: Tensor, n_latents: int) -> None:
    check_training_data(x)
    check_positive(n_latents=n_latents)
    if n_latents > min(x.shape):
        raise InputError(
            f"{len(x)} data of {x.shape[1]} features have at most {min(x.shape)} components, "
            f"not {n_latents}; an overcomplete dictionary needs another learner."
        )


def unit_columns(array: np.ndarray, like: Tensor) -> Tensor:
    """Columns of an `array` (D, H) at unit norm, without those that are zero, as a tensor `like` another.

    Raises
    ------
    InputError
        If all of them are zero.
    """
    columns = torch.as_tensor(array.copy()).to(like)
    used = columns.norm(dim=0) > 0
    if not used.any():
        raise InputError("The learner left every column at zero; lower alpha.")
    return normalize_columns(columns[:, used])
