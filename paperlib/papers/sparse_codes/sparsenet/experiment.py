"""Dictionaries of other learners, judged as parts of a probabilistic model (Section 4.2, "sparsenet").

A learner's fields, at unit norm, are held fixed; posteriors, λ and σ² are optimized for patches that it has
not seen.  So dictionaries that minimize quite different objectives get the same judgement: their ELBO.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.data import Images, PatchSampler
from paperlib.models.sparse_coding.trainers import fit_em
from paperlib.papers.sparse_codes.fields.measures import energy_outside
from paperlib.papers.sparse_codes.judging import held_out_patches, judge_dictionary
from paperlib.papers.sparse_codes.learners.scikit_learn import (
    learn_ica,
    learn_minibatch_dictionary,
    learn_pca,
)
from paperlib.papers.sparse_codes.learners.sparsenet import Cost, fit_sparsenet
from paperlib.records.record import Outcome
from paperlib.system.validation import check_choice

FINAL_BATCHES = 2_000  # of sparsenet, or its last fifth if that is less, whose mean is its final cost
SPANS = 50  # of batches, over which its costs are averaged
Found = tuple[Float[Tensor, "D _"], dict[str, Any]]  # the fields, and numbers of the learner's own


def score_learner(
    *,
    images: Images,
    learner: str,
    seed: int,
    patch_size: int,
    n_patches: int,
    n_latents: int,
    n_test: int,
    **options: Any,
) -> Outcome:
    """Learn a dictionary by one of several methods and judge it on other patches.

    Parameters
    ----------
    images : Images
        Where patches come from.
    learner : {"sparsenet", "minibatch", "pca", "ica", "em"}
        `fit_sparsenet`, scikit-learn's MiniBatchDictionaryLearning, PCA or FastICA, or `fit_em`.
    seed : int
        Of the patches, the first dictionary and the order of visits.
    patch_size, n_patches, n_latents, n_test : int
        Side of a patch, N (sparsenet draws as many patches as its batches need), H, and patches to judge on.
    **options
        Of the learner, such as `alpha` or `annealing`; `sparsity` is sparsenet's β, and a list of two
        learning rates is a fall.

    Returns
    -------
    Outcome
        `judged`, by family of posteriors, as of `judge_dictionary`; `fields`, how many the learner found;
        `outside`, the share of the test patches' energy outside of their span; `learning_seconds` of CPU
        time; and for sparsenet its final `cost`, all `costs` in spans of batches, `milliseconds` of CPU time
        a batch and the geometric mean of the `gain`.  Array: `dictionary` (D, K).

    Raises
    ------
    InputError
        If the learner is unknown, or refuses the values of its options.
    """
    check_choice("learner", learner, LEARNERS)
    x = PatchSampler(images, patch_size, seed).draw(n_patches)
    x_test = held_out_patches(images, patch_size, n_test)
    started = time.process_time()
    dictionary, own = LEARNERS[learner](images, x, n_latents, seed, **options)
    numbers = {
        "learning_seconds": round(time.process_time() - started, 3),
        "fields": dictionary.shape[1],
        "outside": energy_outside(x_test, dictionary),
        "judged": {family: judge_dictionary(x_test, dictionary, family) for family in ("diagonal", "full")},
        **own,
    }
    return Outcome(numbers, {"dictionary": dictionary.numpy()})


def _sparsenet(
    images: Images,
    x: Tensor,
    n_latents: int,
    seed: int,
    *,
    n_batches: int,
    learning_rate: float | list[float] = 1.0,
    sparsity: float = Cost.sparsity,
) -> Found:
    first, last = learning_rate if isinstance(learning_rate, list) else (learning_rate, learning_rate)
    started = time.process_time()
    result = fit_sparsenet(
        images, round(x.shape[1] ** 0.5), n_latents, n_batches=n_batches, cost=Cost(sparsity=sparsity),
        learning_rate=(first, last),
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    seconds = time.process_time() - started
    return result.dictionary, {
        "cost": float(result.cost[-min(FINAL_BATCHES, n_batches // 5 or 1) :].mean()),
        "costs": [round(float(span.mean()), 3) for span in result.cost.chunk(SPANS)],
        "milliseconds": round(1000 * seconds / n_batches, 3),
        "gain": float(result.gains.log().mean().exp()),
    }


def _minibatch(images: Images, x: Tensor, n_latents: int, seed: int, **options: Any) -> Found:
    return learn_minibatch_dictionary(x, n_latents, seed=seed, **options), {}


def _pca(images: Images, x: Tensor, n_latents: int, seed: int) -> Found:
    return learn_pca(x, n_latents), {}


def _ica(images: Images, x: Tensor, n_latents: int, seed: int, **options: Any) -> Found:
    return learn_ica(x, n_latents, seed=seed, **options), {}


def _em(images: Images, x: Tensor, n_latents: int, seed: int, **options: Any) -> Found:
    generator = torch.Generator().manual_seed(seed)
    return fit_em(x, n_latents, generator=generator, progress=False, **options).model.dictionary, {}


LEARNERS: dict[str, Callable[..., Found]] = {
    "sparsenet": _sparsenet, "minibatch": _minibatch, "pca": _pca, "ica": _ica, "em": _em,
}  # fmt: skip
