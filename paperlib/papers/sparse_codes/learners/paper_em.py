"""The paper's EM for image patches, as its authors ran it (Section 4.2, E.4): the baseline of `fit_em`.

For every minibatch, always the same ones in the same order: posteriors from scratch by L-BFGS, with the
minibatch's own optimal λ and σ² at every moment (Theorem 2), then one gradient step on the dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.annealing import schedule
from paperlib.elbo.history import Callback
from paperlib.elbo.posteriors import DiagonalGaussian, GaussianPosterior, concatenate
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.result import FitResult
from paperlib.papers.sparse_codes.learners.epochs import Learned, learn_by_epochs
from paperlib.system.validation import check_positive, check_training_data


def fit_paper_em(
    x: Float[Tensor, "N D"],
    n_latents: int,
    *,
    n_epochs: int = 10,
    annealing: str | Sequence[EntropyWeights] = "none",
    batch_size: int = 512,
    learning_rate: float = 0.5,
    max_iterations: int = 100,
    history: int = 20,
    generator: torch.Generator,
    callback: Callback | None = None,
    progress: bool = True,
) -> FitResult:
    """Learn a dictionary by the paper's EM with diagonal Gaussian posteriors; the defaults are its settings.

    Like the authors' script but for two things: the result is judged at the end with ONE λ and ONE σ² for all
    data, as `fit_em`'s is, and numbers that are not finite raise.  With γ > 1 the objective is unbounded
    (`annealed_elbo`); as theirs, this procedure relies on L-BFGS being stopped early.

    Parameters
    ----------
    x : tensor (N, D)
        Data; minibatches are taken from it in order, so it should be in random order.
    n_latents : int
        H.
    n_epochs : int
        Passes over the data.
    annealing : {"none", "prior", "likelihood", "energy"} or sequence of EntropyWeights
        Schedule of the entropies' weights (Eq. 17); see `paperlib.elbo.annealing.schedule`.
    batch_size : int
        Minibatch; λ and σ² are its own, so it should be far larger than H.
    learning_rate : float
        Of the gradient of the ELBO in nats a data point.
    max_iterations, history : int
        Of L-BFGS in the E-step.
    generator : torch.Generator
        CPU generator of the first dictionary.
    callback : callable, optional
        Called with a `Snapshot` after every epoch; its λ and σ² are of statistics gathered during it.

    Returns
    -------
    FitResult
        History rows: `step` (passes over the data), `seconds`, `phase`, `elbo` and the entropies of the
        statistics gathered during the pass, `prior_weight`, `likelihood_weight`, `dead_fields`; the
        last row is the judgement (`learn_by_epochs`).

    Raises
    ------
    InputError
        If data are not a finite matrix, annealing is unknown or a number is not positive.
    FloatingPointError
        If learning leaves the finite numbers.
    """
    check_training_data(x)
    check_positive(
        n_latents=n_latents, n_epochs=n_epochs, batch_size=batch_size, learning_rate=learning_rate,
        max_iterations=max_iterations, history=history,
    )  # fmt: skip
    free = normalize_columns(torch.randn(x.shape[1], n_latents, generator=generator).to(x))

    def epoch(weights: EntropyWeights) -> Learned:
        nonlocal free
        posteriors, parts = [], []
        for batch in x.split(batch_size):
            dictionary = normalize_columns(free)
            posterior = infer_as_the_paper(batch, dictionary, weights, max_iterations, history)
            posteriors.append(posterior)
            parts.append(PosteriorStatistics.from_batch(batch, posterior, dictionary))
            free = free + learning_rate * dictionary_gradient(batch, posterior, free, weights)
        return normalize_columns(free), concatenate(posteriors), reduce(add, parts)

    weights = schedule(annealing, n_epochs)
    return learn_by_epochs(x, epoch, weights, phase="paper's EM", callback=callback, progress=progress)


def infer_as_the_paper(
    x: Float[Tensor, "N D"],
    dictionary: Float[Tensor, "D H"],
    weights: EntropyWeights,
    max_iterations: int,
    history: int,
) -> DiagonalGaussian:
    """Posteriors by L-BFGS on ν and τ from ν = 0 and τ = 1, with PyTorch's tolerances, as the authors do it.

    `infer_lbfgs` has log τ, a float64 objective and lower tolerances.  At γ = 1 it finds the same posteriors
    with three times the evaluations; at γ = 10 it follows the collapse twice as far.
    """
    mean = x.new_zeros(len(x), dictionary.shape[1]).requires_grad_()
    deviation = torch.ones_like(mean).requires_grad_()  # of either sign, as the objective has only τ²
    optimizer = torch.optim.LBFGS(
        [mean, deviation], max_iter=max_iterations, history_size=history, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        stats = PosteriorStatistics.from_batch(x, DiagonalGaussian(mean, deviation.abs()), dictionary)
        value = -entropy_elbo(stats, weights).to(x.dtype)  # float32's resolution is what stops L-BFGS
        value.backward()
        return value

    optimizer.step(loss)
    return DiagonalGaussian(mean, deviation.abs()).detach()


def dictionary_gradient(
    x: Float[Tensor, "N D"],
    posterior: GaussianPosterior,
    free: Float[Tensor, "D H"],
    weights: EntropyWeights,
) -> Float[Tensor, "D H"]:
    """Gradient of the (annealed) entropy ELBO (Eqs. 15 and 17) in a free dictionary W, w̃_h = w_h/‖w_h‖.

    It is orthogonal to each column, so ‖w_h‖ grows with every step, and as it falls with 1/‖w_h‖, steps on W̃
    become smaller by themselves.  That is why the paper's large, constant rate works.
    """
    free = free.detach().requires_grad_()
    stats = PosteriorStatistics.from_batch(x, posterior, normalize_columns(free))
    return torch.autograd.grad(entropy_elbo(stats, weights), free)[0]
