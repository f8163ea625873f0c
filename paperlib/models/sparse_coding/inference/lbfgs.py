"""The paper's E-step, for every posterior family: L-BFGS on ν and T of a minibatch (Section 4.2).

Its objective is the entropy ELBO of the minibatch, in which λ and σ² are functions of the posteriors
(Eqs. 10-15); with λ and σ² given it is the classical ELBO (Eq. 4).  L-BFGS works in units of about λ, or of
the data's root mean square, as its tolerances are absolute.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import FAMILIES, DiagonalGaussian, GaussianPosterior, Posterior, check_start
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference.diagonal import cold_start
from paperlib.models.sparse_coding.inference.scales import unit_near
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import classical_elbo, entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.system.validation import check_choice, check_data, check_positive, check_training_data

TOO_LARGE = 1e12  # a loss that no step is accepted at, whose square the interpolation can take in float32


def infer_lbfgs(
    x: Float[Tensor, "N _"],
    model: SparseCodingModel | Float[Tensor, "D H"],
    family: str = "diagonal",
    *,
    weights: EntropyWeights | None = None,
    start: GaussianPosterior | None = None,
    max_iterations: int = 100,
    history: int = 20,
) -> GaussianPosterior:
    """Posteriors of a minibatch by L-BFGS with strong Wolfe line search, all data points at once.

    Parameters
    ----------
    x : tensor (N, D)
        Data.
    model : SparseCodingModel or tensor (D, H)
        W̃, λ and σ².  With a dictionary W̃ (unit columns) alone, λ and σ² are this minibatch's optimal ones at
        every moment: the paper's procedure.
    family : {"diagonal", "low-rank", "full"}
        Covariance of the posteriors.
    weights : EntropyWeights, optional
        Annealing (Eq. 17).
    start : GaussianPosterior, optional
        Where to start, of the same family.  If not given, richer ones than diagonal that end below the best
        diagonal ones are climbed to from there.
    max_iterations, history : int
        Of L-BFGS; 100 and 20 are the paper's.

    Raises
    ------
    InputError
        If data are not finite, shapes disagree or the family is unknown.
    """
    if isinstance(model, SparseCodingModel):
        dictionary, check = model.dictionary, check_data
    else:
        dictionary, check = model, check_training_data
    check(x, n_features=dictionary.shape[0])
    check_positive(max_iterations=max_iterations, history=history)
    check_choice("posterior family", family, FAMILIES)
    if start is not None:
        check_start(start, len(x), family)
    weights = weights or EntropyWeights()
    unit = unit_near(model.prior_scales if isinstance(model, SparseCodingModel) else x)
    data = x / unit
    if isinstance(model, SparseCodingModel):
        model = model.annealed(weights).in_units(unit)

    def objective(posterior: GaussianPosterior) -> Float[Tensor, ""]:
        stats = PosteriorStatistics.from_batch(data, posterior, dictionary)
        if not isinstance(model, SparseCodingModel):
            return entropy_elbo(stats, weights)
        return classical_elbo(stats, model.prior_scales, model.noise_variance)

    def climbed(start: Posterior) -> Posterior:
        free = [parameter.detach().contiguous().clone().requires_grad_() for parameter in start.to_free()]
        climb(make_optimizer(free, max_iterations, history),
              lambda: len(data) * objective(type(start).from_free(free)))  # fmt: skip
        return type(start).from_free(free).detach()

    if start is not None:
        return climbed(start.scaled(1 / unit)).scaled(unit)
    first, gram = first_posterior(data, model), dictionary.T @ dictionary
    posterior = climbed(FAMILIES[family].from_marginals(first, gram))
    if family != "diagonal" and objective(posterior) < objective(best := climbed(first)):
        posterior = climbed(FAMILIES[family].from_marginals(best, gram))
    return posterior.scaled(unit)


def first_posterior(
    x: Float[Tensor, "N D"], model: SparseCodingModel | Float[Tensor, "D H"]
) -> DiagonalGaussian:
    """Posteriors of no data; for a dictionary alone, those of λ and σ as large as the data."""
    if not isinstance(model, SparseCodingModel):
        mean_square = x.square().mean()
        model = SparseCodingModel.unchecked(model, mean_square.sqrt().expand(model.shape[1]), mean_square)
    return cold_start(len(x), model.prior_scales, model.noise_variance)


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
