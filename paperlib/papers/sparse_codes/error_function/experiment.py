"""The error function by Bürmann's series (E.1): what it changes in the paper's EM, and what it costs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.data import Images, PatchSampler
from paperlib.elbo.posteriors import DiagonalGaussian, GaussianPosterior
from paperlib.models.sparse_coding import special
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.papers.sparse_codes.error_function.series import burmann_erf
from paperlib.papers.sparse_codes.judging import MINIBATCH, held_out_patches
from paperlib.papers.sparse_codes.learners.paper_em import fit_paper_em
from paperlib.records.record import Outcome
from paperlib.system.validation import check_choice

FUNCTIONS = ("torch", "burmann")
EVALUATIONS = 20  # of the objective and its gradient that are timed


def learn_with_error_function(
    *,
    images: Images,
    function: str,
    seed: int,
    patch_size: int = 16,
    n_patches: int = 51_200,
    n_latents: int = 100,
    n_epochs: int = 10,
    annealing: str = "none",
    n_test: int = 20_480,
) -> Outcome:
    """Learn image patches by the paper's EM with one of two error functions; judge with the exact one.

    Autograd goes through whichever function it is, so L-BFGS and the dictionary's steps follow the gradient
    of the very objective that they evaluate.

    Parameters
    ----------
    images : Images
        Where the patches are from: the same ones for every seed, others to judge.
    function : {"torch", "burmann"}
        erf of PyTorch, or Bürmann's series in its place.
    seed : int
        Of the first dictionary.
    patch_size, n_patches, n_latents, n_epochs, annealing
        D = patch_size², N, H, and those of `fit_paper_em`.
    n_test : int
        Other patches, to judge on.

    Returns
    -------
    Outcome
        Numbers: `elbo` on the other patches in nats (exact erf, one λ and one σ²), `learning_seconds` of CPU
        time for the epochs, and `evaluation_seconds` for one evaluation of a minibatch's objective and
        gradient, the quickest of several.  Array: `dictionary` (D, H).

    Raises
    ------
    InputError
        If the function is unknown.
    """
    check_choice("error function", function, FUNCTIONS)
    x = PatchSampler(images, patch_size, seed=0).draw(n_patches)
    x_test = held_out_patches(images, patch_size, n_test)
    ends = [time.process_time()]
    with burmann_series() if function == "burmann" else nullcontext():
        result = fit_paper_em(
            x, n_latents, n_epochs=n_epochs, annealing=annealing, batch_size=MINIBATCH,
            generator=torch.Generator().manual_seed(seed), progress=False,
            callback=lambda _: ends.append(time.process_time()),
        )  # fmt: skip
        dictionary = result.model.dictionary
        evaluation_seconds = time_evaluation(x[:MINIBATCH], result.posterior[:MINIBATCH], dictionary)
    _, stats = fit_posterior(x_test, dictionary)
    numbers = {
        "elbo": float(entropy_elbo(stats)),
        "learning_seconds": ends[-1] - ends[0],
        "evaluation_seconds": evaluation_seconds,
    }
    return Outcome(numbers, {"dictionary": dictionary.numpy()})


@contextmanager
def burmann_series() -> Iterator[None]:
    """Bürmann's series in place of erf, inside, wherever 𝓜(ν/τ) enters statistics and objectives.

    `.expected_magnitude` is the one place.  The fast E-steps, which have a formula for the gradient, keep the
    exact function.  It holds for all threads of the process.
    """
    exact = special.softened_magnitude_derivative
    special.softened_magnitude_derivative = lambda a: burmann_erf(a / math.sqrt(2))
    try:
        yield
    finally:
        special.softened_magnitude_derivative = exact


class Magnitude(NamedTuple):
    """𝓜(a) = E|z| for z ~ N(a, 1), and its first two derivatives."""

    value: Float[Tensor, " N"]
    slope: Float[Tensor, " N"]
    curvature: Float[Tensor, " N"]


def magnitude(a: Float[Tensor, " N"]) -> Magnitude:
    """The magnitude at `a`, derivatives by autograd; inside `burmann_series` that of the series."""
    a = a.detach().requires_grad_()
    value = special.expected_magnitude(a, torch.ones_like(a))
    (slope,) = torch.autograd.grad(value.sum(), a, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), a)
    return Magnitude(value.detach(), slope.detach(), curvature)


def time_evaluation(
    x: Float[Tensor, "N D"], posterior: GaussianPosterior, dictionary: Float[Tensor, "D H"]
) -> float:
    """Seconds of CPU time for the entropy ELBO of a minibatch and its gradient in ν and τ."""
    seconds = []
    for _ in range(EVALUATIONS):
        mean, deviation = (t.clone().requires_grad_() for t in (posterior.mean, posterior.std))
        started = time.process_time()
        stats = PosteriorStatistics.from_batch(x, DiagonalGaussian(mean, deviation), dictionary)
        entropy_elbo(stats).backward()
        seconds.append(time.process_time() - started)
    return min(seconds)
