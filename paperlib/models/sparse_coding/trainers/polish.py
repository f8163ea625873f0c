"""The last nats: L-BFGS on the dictionary over all data, with the E-step inside."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor
from tqdm import tqdm

from paperlib.elbo.posteriors import DiagonalGaussian, GaussianPosterior
from paperlib.models.sparse_coding.inference import EStep, closed_form_scales
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.visit import summarize, visit
from paperlib.system.distributed import ALONE, Processes

POINTS_AT_ONCE = 1_024  # bounds the E-step's working memory; results do not depend on it


def polish_dictionary(
    x: Float[Tensor, "N D"],
    dictionary: Float[Tensor, "D H"],
    posterior: GaussianPosterior,
    *,
    e_step: EStep,
    iterations: int,
    after_evaluation: Callable[[PosteriorStatistics, bool], None] = lambda stats, improved: None,
    processes: Processes = ALONE,
    progress: bool = True,
) -> tuple[Float[Tensor, "D H"], DiagonalGaussian, PosteriorStatistics]:
    """Maximize the entropy ELBO of all data over unit-norm dictionaries by L-BFGS.

    At optimal posteriors and scales the ELBO's gradient in W̃ is that of its last entropy alone,
    (Σ xνᵀ − W̃ Σ(ννᵀ + T)) / Nσ² (the envelope theorem), so an evaluation is one E-step over the data.

    Parameters
    ----------
    x, dictionary, posterior
        Data (N, D), first W̃ (D, H) and the posteriors to start from.
    e_step : callable
        ``e_step(batch, model, start=marginals)``, a few iterations.
    iterations : int
        Iterations of L-BFGS, of about one evaluation each.
    after_evaluation : callable, optional
        Called with each evaluation's statistics and whether it is the best so far.
    processes : Processes
        Where `x` is a share of the data, the processes that have all of them.

    Returns
    -------
    dictionary, marginals, statistics
        Of the best evaluation.
    """
    problem = _Problem(x, dictionary, posterior, e_step, after_evaluation, processes)
    bar = tqdm(total=iterations, desc="polish", unit="iteration", disable=not progress)

    def after_iteration(intermediate_result: OptimizeResult) -> None:
        bar.update()
        bar.set_postfix(elbo=f"{-intermediate_result.fun:.2f}")

    minimize(
        problem.loss, problem.start(), jac=True, method="L-BFGS-B", callback=after_iteration,
        options={"maxiter": iterations, "maxcor": 20},
    )  # fmt: skip
    bar.close()
    return problem.dictionary, problem.marginals, problem.best.stats


class _Problem:
    """Minus the ELBO as a function of coordinates in which its curvature is about one.

    Every evaluation starts its E-step at the best posteriors so far: a trial step too long does no harm.
    """

    def __init__(
        self,
        x: Tensor,
        dictionary: Tensor,
        posterior: GaussianPosterior,
        e_step: EStep,
        after_evaluation: Callable[[PosteriorStatistics, bool], None],
        processes: Processes,
    ):
        self.x, self.dictionary, self.e_step, self.after_evaluation = x, dictionary, e_step, after_evaluation
        self.processes = processes
        self.marginals, sums = summarize(x, posterior, dictionary)
        self.best = sums.over(processes)
        self.elbo = -np.inf
        _, noise_variance = closed_form_scales(self.best.stats, x.dtype)
        self.scale = (self.best.usage / (self.best.stats.count * noise_variance)).sqrt()

    def start(self) -> np.ndarray:
        return (self.dictionary * self.scale).flatten().double().cpu().numpy()

    def loss(self, coordinates: np.ndarray) -> tuple[float, np.ndarray]:
        free = torch.from_numpy(coordinates).to(self.dictionary).view_as(self.dictionary) / self.scale
        norms = free.norm(dim=0)
        dictionary = free / norms
        scales = closed_form_scales(self.best.stats, dictionary.dtype)
        model = SparseCodingModel.unchecked(dictionary, *scales)
        marginals, trial = visit(self.e_step, self.x, model, self.marginals, POINTS_AT_ONCE, self.processes)
        elbo = float(entropy_elbo(trial.stats))
        _, noise_variance = closed_form_scales(trial.stats, dictionary.dtype)
        gradient = trial.gradient / (trial.stats.count * noise_variance)
        gradient = (gradient - dictionary * (dictionary * gradient).sum(0)) / (norms * self.scale)
        improved = elbo > self.elbo
        if improved:
            self.elbo, self.best, self.marginals, self.dictionary = elbo, trial, marginals, dictionary
        self.after_evaluation(trial.stats, improved)
        return -elbo, -gradient.flatten().double().cpu().numpy()
