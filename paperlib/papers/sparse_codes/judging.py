"""What experiments on images share: patches to judge on, judgements, and what records of runs say by them."""

from __future__ import annotations

from functools import reduce
from operator import add
from statistics import mean

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.data import Images, PatchSampler
from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import closed_form_scales, fit_posterior
from paperlib.models.sparse_coding.judging import judge
from paperlib.models.sparse_coding.objectives import classical_elbo, entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.records import Record

TEST_SEED = 10_000  # of the patches that dictionaries are judged on
MINIBATCH = 512  # the paper's


def held_out_patches(images: Images, patch_size: int, n_patches: int) -> Float[Tensor, "N D"]:
    """Patches that no run learns from."""
    return PatchSampler(images, patch_size, TEST_SEED).draw(n_patches)


def entropy_weights(annealing: str | list[float]) -> str | list[EntropyWeights]:
    """What trainers take for the annealing of a configuration: a kind, or γ of each epoch."""
    return annealing if isinstance(annealing, str) else [EntropyWeights(prior=gamma) for gamma in annealing]


def judge_dictionary(x: Float[Tensor, "N D"], dictionary: Float[Tensor, "D H"], family: str) -> dict:
    """What `judge_posterior` says of a dictionary with the optimal posteriors of a family."""
    posterior, _ = fit_posterior(x, dictionary, family)
    return judge_posterior(x, dictionary, posterior)


def judge_posterior(
    x: Float[Tensor, "N D"], dictionary: Float[Tensor, "D H"], posterior: GaussianPosterior
) -> dict:
    """ELBO, entropies and Gini index (`.judge`) with ONE λ and ONE σ² for all data.

    Beside them `blocks`, the ELBO of each minibatch at these scales, whose mean is the ELBO, so that
    differences of runs can be paired; and `minibatch_elbo`, the mean over minibatches with the optimal scales
    of each, as the paper averages it.
    """
    batches = torch.arange(len(x)).split(min(MINIBATCH, len(x)))
    parts = [PosteriorStatistics.from_batch(x[i], posterior[i], dictionary) for i in batches]
    stats = reduce(add, parts)
    prior_scales, noise_variance = closed_form_scales(stats, torch.float64)
    blocks = [float(classical_elbo(part, prior_scales, noise_variance)) for part in parts]
    own = sum(len(i) * float(entropy_elbo(part)) for i, part in zip(batches, parts, strict=True))
    judged = judge(stats, posterior, seed=0)
    return judged | {"minibatch_elbo": own / len(x), "blocks": [round(block, 4) for block in blocks]}


def elbo(record: Record, family: str = "diagonal") -> float:
    """Held-out ELBO of a record of `learn_images`, with optimal posteriors of a family."""
    return record.numbers["judged"][family]["elbo"]


def own_elbo(record: Record) -> float:
    """Held-out ELBO of the posteriors that the method itself has."""
    return elbo(record, own_family(record))


def own_family(record: Record) -> str:
    """Key in `judged` of the posteriors that a method has itself: `encoder`, `full` or `diagonal`."""
    if "encoder" in record.numbers["judged"]:
        return "encoder"
    return optimal_family(record.config["method"])


def optimal_family(method: str) -> str:
    """Family of the optimal posteriors by which a method's dictionaries are judged while it learns."""
    return "full" if method == "full" else "diagonal"


def gabor_share(record: Record) -> float:
    """Share of a record's fields that a Gabor function explains by more than half."""
    return mean(explained > 0.5 for explained in record.numbers["gabor"])


def epochs(record: Record) -> list[dict]:
    """History rows of the epochs, without what follows them."""
    return record.numbers["history"][:-1]
