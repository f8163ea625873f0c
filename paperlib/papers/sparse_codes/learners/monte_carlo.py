"""Learning by reparameterization gradients, without the paper's integrals: the second baseline of `fit_em`.

The ELBO (Eq. 4) is estimated by samples from the posteriors (Kingma & Welling 2014; Rezende et al. 2014), and
Adam follows the noisy gradients of posteriors, dictionary, λ and σ².  Nothing is amortized: every data point
keeps its ν and τ from visit to visit, so that the comparison is about the objective alone.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.annealing import schedule
from paperlib.elbo.history import Callback
from paperlib.elbo.posteriors import DiagonalGaussian, concatenate
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.contract import monte_carlo_elbo
from paperlib.models.sparse_coding.inference import initial_scales
from paperlib.models.sparse_coding.inference.diagonal import cold_start
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.result import FitResult
from paperlib.papers.sparse_codes.learners.epochs import Learned, learn_by_epochs
from paperlib.system.validation import check_positive, check_training_data


def fit_monte_carlo(
    x: Float[Tensor, "N D"],
    n_latents: int,
    *,
    generator: torch.Generator,
    n_epochs: int = 10,
    n_samples: int = 1,
    n_steps: int = 20,
    batch_size: int = 128,
    learning_rate: float = 0.015,
    posterior_rate: float = 0.3,
    callback: Callback | None = None,
    progress: bool = True,
) -> FitResult:
    """Learn a dictionary and diagonal Gaussian posteriors by Adam on `monte_carlo_elbo`.

    Parameters
    ----------
    x : tensor (N, D)
        Data; its dtype and device are used throughout.
    n_latents : int
        H.
    generator : torch.Generator
        CPU generator of the first dictionary, the minibatches and the samples.
    n_epochs : int
        Passes over the data, in minibatches that stay the same and come in random order.
    n_samples, n_steps : int
        Samples for each data point and step, and steps for each visit to a minibatch.
    batch_size : int
        Minibatch.
    learning_rate, posterior_rate : float
        First rates of Adam for dictionary, λ and σ², and for the posteriors, in units of what they change:
        of a column's norm, of the data's root mean square for ν, of 1 for logarithms.  They fall linearly
        to 0.  The defaults are the best of a few tried on 5,120 patches of 16×16; more samples a step gain
        less than more steps.
    callback : callable, optional
        Called with a `Snapshot` after every epoch.

    Returns
    -------
    FitResult
        With the optimal λ and σ² of Theorem 2, as of every trainer.  History rows: `step` (passes over the
        data), `seconds`, `phase`, `elbo` (analytic) and the entropies after the pass,
        `prior_weight`, `likelihood_weight`, `dead_fields`; the last row is the judgement (`learn_by_epochs`).

    Raises
    ------
    InputError
        If data are not a finite matrix or a number is not positive.
    FloatingPointError
        If learning leaves the finite numbers.
    """
    check_training_data(x)
    check_positive(
        n_latents=n_latents, n_epochs=n_epochs, n_samples=n_samples, n_steps=n_steps, batch_size=batch_size,
        learning_rate=learning_rate, posterior_rate=posterior_rate,
    )  # fmt: skip
    free = normalize_columns(torch.randn(x.shape[1], n_latents, generator=generator).to(x))
    prior_scales, noise_variance = initial_scales(x, n_latents)
    shared = _trainable(free, prior_scales.log(), noise_variance.log())
    order = torch.randperm(len(x), generator=generator).to(x.device)
    batches = x[order].split(batch_size)
    # leaves of their own for each minibatch: Adam leaves alone, moments and all, what has no gradient
    posteriors = [
        _trainable(*cold_start(len(batch), prior_scales, noise_variance).to_free()) for batch in batches
    ]
    optimizer, rates = _optimizer(
        shared, posteriors, learning_rate, posterior_rate, x, n_epochs * len(batches)
    )
    # samples are drawn where the data are
    noise = torch.Generator(x.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))

    def epoch(_weights: EntropyWeights) -> Learned:
        for number in torch.randperm(len(batches), generator=generator).tolist():
            for _ in range(n_steps):
                optimizer.zero_grad()
                posterior = DiagonalGaussian.from_free(posteriors[number])
                elbo = monte_carlo_elbo(_model(*shared), batches[number], posterior, n_samples, noise)
                (-elbo).backward()
                optimizer.step()
            rates.step()
        dictionary = normalize_columns(shared[0].detach())
        posterior = concatenate([DiagonalGaussian.from_free(p).detach() for p in posteriors])[order.argsort()]
        return dictionary, posterior, PosteriorStatistics.from_batch(x, posterior, dictionary)

    weights = schedule("none", n_epochs)
    return learn_by_epochs(x, epoch, weights, phase="Monte Carlo", callback=callback, progress=progress)


def _model(free: Tensor, log_scales: Tensor, log_variance: Tensor) -> SparseCodingModel:
    return SparseCodingModel(normalize_columns(free), log_scales.exp(), log_variance.exp())


def _trainable(*tensors: Tensor) -> list[Tensor]:
    return [tensor.detach().clone().requires_grad_() for tensor in tensors]


def _optimizer(
    shared: list[Tensor],
    posteriors: list[list[Tensor]],
    learning_rate: float,
    posterior_rate: float,
    x: Tensor,
    n_visits: int,
) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.LinearLR]:
    """Adam, with rates in the units of what they change as its steps are that long; and the rates' fall."""
    dictionary, *logarithms = shared
    means, log_deviations = zip(*posteriors, strict=True)
    column = dictionary.shape[0] ** -0.5  # of D entries, all changed by the rate
    optimizer = torch.optim.Adam([
        {"params": [dictionary], "lr": learning_rate * column},
        {"params": logarithms, "lr": learning_rate},
        {"params": list(means), "lr": posterior_rate * float(x.square().mean().sqrt())},
        {"params": list(log_deviations), "lr": posterior_rate},
    ])  # fmt: skip
    return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, n_visits)
