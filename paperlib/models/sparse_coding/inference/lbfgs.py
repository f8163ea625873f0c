"""The paper's E-step, for every posterior family: L-BFGS on ν and T of a minibatch (Section 4.2).

Its objective is the entropy ELBO of the minibatch, in which λ and σ² are functions of the posteriors
(Eqs. 10-15); with λ and σ² given it is the classical ELBO (Eq. 4).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import (
    FAMILIES,
    DiagonalGaussian,
    FullGaussian,
    GaussianPosterior,
    LowRankGaussian,
    check_start,
)
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference.diagonal import cold_start
from paperlib.models.sparse_coding.objectives import classical_elbo, entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.system.errors import InputError
from paperlib.system.validation import check_choice, check_data, check_positive, check_training_data

RANK = 5  # of low-rank posteriors, where no start says otherwise (the paper's, E.3)
TOO_LARGE = 1e12  # a loss that no step is accepted at, whose square the interpolation can take in float32
LARGEST_LOG = 30.0  # keeps exp within float32 when a line search tries too long a step


def infer_lbfgs(
    x: Float[Tensor, "N _"],
    dictionary: Float[Tensor, "D H"],
    family: str = "diagonal",
    *,
    prior_scales: Float[Tensor, " H"] | None = None,
    noise_variance: Float[Tensor, ""] | None = None,
    weights: EntropyWeights | None = None,
    start: GaussianPosterior | None = None,
    max_iterations: int = 100,
    history: int = 20,
) -> GaussianPosterior:
    """Posteriors of a minibatch by L-BFGS with strong Wolfe line search, all data points at once.

    Parameters
    ----------
    x, dictionary : tensors (N, D) and (D, H)
        Data and W̃ (unit columns).
    family : {"diagonal", "low-rank", "full"}
        Covariance of the posteriors.
    prior_scales, noise_variance : tensors (H,) and (), optional
        λ and σ².  Without them each is this minibatch's optimal one at every moment (the paper's procedure).
    weights : EntropyWeights, optional
        Annealing (Eq. 17).
    start : GaussianPosterior, optional
        Where to start, of the same family.
    max_iterations, history : int
        Of L-BFGS; 100 and 20 are the paper's.

    Raises
    ------
    InputError
        If data are not finite, shapes disagree, the family is unknown or only one of λ and σ² is given.
    """
    check = check_data if prior_scales is not None else check_training_data
    check(x, n_features=dictionary.shape[0])
    check_positive(max_iterations=max_iterations, history=history)
    check_choice("posterior family", family, FAMILIES)
    if (prior_scales is None) != (noise_variance is None):
        raise InputError("Give both prior_scales and noise_variance, or neither to optimize them as well.")
    if start is not None:
        check_start(start, len(x), family)
    weights = weights or EntropyWeights()

    def objective(posterior: GaussianPosterior) -> Float[Tensor, ""]:
        stats = PosteriorStatistics.from_batch(x, posterior, dictionary)
        if prior_scales is None or noise_variance is None:
            return entropy_elbo(stats, weights)
        # Eq. 17 over w_q: the weights of the other two terms change λ and σ²
        return classical_elbo(
            stats,
            prior_scales * (weights.posterior / weights.prior),
            noise_variance * (weights.posterior / weights.likelihood),
        )

    start = initial_posterior(x, dictionary, family, prior_scales, noise_variance) if start is None else start
    free = [parameter.detach().contiguous().clone().requires_grad_() for parameter in to_free(start)]
    optimizer = make_optimizer(free, max_iterations, history)

    climb(optimizer, lambda: len(x) * objective(from_free(family, free)))
    return from_free(family, free).detach()


def climb(optimizer: torch.optim.LBFGS, objective: Callable[[], Float[Tensor, ""]]) -> None:
    """One call of L-BFGS that raises `objective`, a function of the optimizer's parameters."""

    def loss() -> Tensor:
        optimizer.zero_grad()
        try:
            value = -objective()
        except torch.linalg.LinAlgError:  # the line search tried so long a step that T became singular
            return torch.tensor(TOO_LARGE)
        value.backward()
        return value

    optimizer.step(loss)


def make_optimizer(free: list[Tensor], max_iterations: int, history: int) -> torch.optim.LBFGS:
    """L-BFGS for objectives summed over data points (their gradient's scale does not fall with N)."""
    return torch.optim.LBFGS(
        free, max_iter=max_iterations, max_eval=2 * max_iterations, history_size=history,
        tolerance_grad=1e-6, tolerance_change=1e-10, line_search_fn="strong_wolfe",
    )  # fmt: skip


def to_free(posterior: GaussianPosterior) -> list[Tensor]:
    """Unconstrained parameters of posteriors: positive numbers as logarithms, L below its diagonal."""
    match posterior:
        case DiagonalGaussian(mean, deviation):
            return [mean, deviation.log()]
        case LowRankGaussian(mean, factor, deviation):
            return [mean, factor, deviation.log()]
        case FullGaussian(mean, scale_tril):
            rows, columns = _below_diagonal(scale_tril.shape[-1])
            diagonal = scale_tril.diagonal(dim1=-2, dim2=-1)
            return [mean, scale_tril[:, rows, columns], diagonal.log()]
    raise TypeError(f"{type(posterior).__name__} is none of the families.")


def from_free(family: str, free: list[Tensor]) -> GaussianPosterior:
    """Posteriors with these unconstrained parameters, the inverse of `to_free`."""
    *others, logarithm = free
    positive = logarithm.clamp(-LARGEST_LOG, LARGEST_LOG).exp()
    if family != "full":
        return FAMILIES[family](*others, positive)
    mean, below = others
    rows, columns = _below_diagonal(mean.shape[-1])
    scale_tril = torch.diag_embed(positive)
    scale_tril[:, rows, columns] = below
    return FullGaussian(mean, scale_tril)


def initial_posterior(
    x: Tensor, dictionary: Tensor, family: str, prior_scales: Tensor | None, noise_variance: Tensor | None
) -> GaussianPosterior:
    """Posteriors of no data; without scales, those of λ and σ as large as the data."""
    if prior_scales is None or noise_variance is None:
        noise_variance = x.square().mean()
        prior_scales = noise_variance.sqrt().expand(dictionary.shape[1])
    diagonal = cold_start(len(x), prior_scales, noise_variance)
    match family:
        case "diagonal":
            return diagonal
        case "full":
            return FullGaussian(diagonal.mean, torch.diag_embed(diagonal.deviation))
    # low rank: the directions that the data constrain the least (at V = 0 the gradient in V would vanish)
    directions = torch.linalg.eigh(dictionary.T @ dictionary).eigenvectors[:, :RANK]
    factor = diagonal.deviation.unsqueeze(-1) * directions
    return LowRankGaussian(diagonal.mean, factor, diagonal.deviation)


def _below_diagonal(size: int) -> tuple[Tensor, Tensor]:
    rows, columns = torch.tril_indices(size, size, offset=-1)
    return rows, columns
