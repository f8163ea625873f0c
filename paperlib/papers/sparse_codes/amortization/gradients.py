"""Gradients by sampling against the paper's analytic ones: bias and variance (Section 4.2; D.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.data import Images, PatchSampler
from paperlib.elbo.posteriors import DiagonalGaussian, GaussianPosterior
from paperlib.models.contract import monte_carlo_elbo
from paperlib.models.sparse_coding.inference import infer_diagonal
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.models.sparse_coding.objectives import classical_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers import fit_em
from paperlib.papers.sparse_codes.judging import held_out_patches
from paperlib.records.record import Outcome
from paperlib.system.errors import InputError
from paperlib.system.validation import check_positive

SHARED, LOCAL = ("dictionary", "prior scales"), ("means", "deviations")  # parameters of all patches, of one


def gradient_noise(
    images: Images,
    *,
    n_samples: Sequence[int] = (1, 2, 4, 8, 16, 32),
    n_draws: int = 200,
    e_steps: int = 20,
    batch_size: int = 128,
    n_batches: int = 40,
    n_epochs: int = 10,
    n_patches: int = 51_200,
    patch_size: int = 16,
    n_latents: int = 100,
    seed: int = 0,
) -> Outcome:
    """Gradients of the sampled ELBO (Kingma & Welling 2014) against those of the analytic one.

    The point: a model that `fit_em` learned, and diagonal posteriors of a minibatch after `e_steps`
    iterations of the E-step from nothing.  All numbers are for one minibatch, in float64; standard
    deviations and prior scales are differentiated by their logarithms, fields within the sphere of unit norm.

    Parameters
    ----------
    n_samples : list of int
        Samples of each posterior.
    n_draws : int
        Sampled gradients for each of these numbers; at least 4.
    batch_size, n_batches : int
        Patches of a minibatch, and minibatches among which the noise of the choice is taken.
    n_epochs, n_patches, patch_size, n_latents, seed
        As of `paperlib.papers.sparse_codes.amortization.experiment.amortization_gap`.

    Returns
    -------
    Outcome
        For each of `dictionary`, `prior scales`, `means` and `deviations`: `signal`, the squared norm of the
        analytic gradient; `variance`, the summed variance of sampled gradients for each number of samples;
        `misfit`, the root mean square over entries of (mean over draws − analytic gradient) / standard error,
        1 for unbiased gradients; `minibatch_variance`, that of the analytic gradient over minibatches
        (only parameters that patches share).

    Raises
    ------
    InputError
        If a number is too small.
    """
    check_positive(e_steps=e_steps, batch_size=batch_size, n_latents=n_latents, n_epochs=n_epochs)
    if n_draws < 4 or n_batches < 2 or min(n_samples, default=0) < 1:
        raise InputError("gradient_noise needs 4 draws, 2 minibatches and numbers of samples of at least 1.")
    training = PatchSampler(images, patch_size, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    x = training.draw(n_patches)
    learned = fit_em(x, n_latents, n_epochs=n_epochs, generator=generator, progress=False)
    batches = held_out_patches(images, patch_size, n_batches * batch_size).double()
    model = SparseCodingModel(*(value.double() for value in vars(learned.model).values()))
    points = [(x, _free_parameters(x, model, e_steps)) for x in batches.split(batch_size)]
    x, free = points[0]
    exact = analytic_gradients(x, free, model.noise_variance)
    over_batches = _moments(analytic_gradients(*point, model.noise_variance) for point in points)
    sampled = [
        _moments(sampled_gradients(x, free, model.noise_variance, n, generator) for _ in range(n_draws))
        for n in n_samples
    ]
    numbers = {}
    for name, gradient in exact.items():
        mean, variance = sampled[0][name]
        error = (variance / n_draws).sqrt()
        numbers[name] = {
            "signal": float(gradient.square().sum()),
            "variance": [float(moments[name][1].sum()) for moments in sampled],
            "misfit": float(((mean - gradient) / error).square().mean().sqrt()),
        }
        if name in SHARED:
            numbers[name]["minibatch_variance"] = float(over_batches[name][1].sum())
    return Outcome(numbers)


def analytic_gradients(
    x: Float[Tensor, "N D"], free: dict[str, Tensor], noise_variance: Float[Tensor, ""]
) -> dict[str, Tensor]:
    """Gradients of `classical_elbo` in free parameters, as `sampled_gradients` estimates them."""

    def objective(model: SparseCodingModel, posterior: GaussianPosterior) -> Tensor:
        stats = PosteriorStatistics.from_batch(x, posterior, model.dictionary)
        return classical_elbo(stats, model.prior_scales, model.noise_variance)

    return _gradients(objective, free, noise_variance)


def sampled_gradients(
    x: Float[Tensor, "N D"],
    free: dict[str, Tensor],
    noise_variance: Float[Tensor, ""],
    n_samples: int,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Gradients of `monte_carlo_elbo` in free parameters, by name.

    Parameters
    ----------
    x : tensor (N, D)
        Data.
    free : dict
        W̃, log λ, ν and log τ as `dictionary`, `prior scales`, `means` and `deviations`, in this order.
    noise_variance : tensor ()
        σ².
    n_samples, generator
        As of `monte_carlo_elbo`.
    """

    def objective(model: SparseCodingModel, posterior: GaussianPosterior) -> Tensor:
        return monte_carlo_elbo(model, x, posterior, n_samples, generator)

    return _gradients(objective, free, noise_variance)


def _gradients(
    objective: Callable[[SparseCodingModel, GaussianPosterior], Tensor],
    free: dict[str, Tensor],
    noise_variance: Tensor,
) -> dict[str, Tensor]:
    leaves = {name: value.detach().requires_grad_() for name, value in free.items()}
    dictionary, log_scales = (leaves[name] for name in SHARED)
    model = SparseCodingModel(normalize_columns(dictionary), log_scales.exp(), noise_variance)
    value = objective(model, DiagonalGaussian.from_free([leaves[name] for name in LOCAL]))
    return dict(zip(leaves, torch.autograd.grad(value, list(leaves.values())), strict=True))


def _free_parameters(x: Float[Tensor, "N D"], model: SparseCodingModel, e_steps: int) -> dict[str, Tensor]:
    posterior = infer_diagonal(x, model, n_steps=e_steps)
    values = (model.dictionary, model.prior_scales.log(), *posterior.to_free())
    return dict(zip((*SHARED, *LOCAL), values, strict=True))


def _moments(gradients: Iterable[dict[str, Tensor]]) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and variance of every entry, without keeping all gradients (Welford's recurrence)."""
    moments: dict[str, tuple[Tensor, Tensor]] = {}
    for count, gradient in enumerate(gradients, start=1):
        for name, value in gradient.items():
            mean, squares = moments.get(name, (torch.zeros_like(value), torch.zeros_like(value)))
            change = value - mean
            mean = mean + change / count
            moments[name] = (mean, squares + change * (value - mean))
    return {name: (mean, squares / (count - 1)) for name, (mean, squares) in moments.items()}
