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

AfterEvaluation = Callable[[DiagonalGaussian, PosteriorStatistics, bool], None]


def polish_dictionary(
    x: Float[Tensor, "N D"],
    dictionary: Float[Tensor, "D H"],
    posterior: GaussianPosterior,
    *,
    e_step: EStep,
    iterations: int,
    after_evaluation: AfterEvaluation = lambda marginals, stats, improved: None,
    memory: dict | None = None,
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
        Called after each evaluation with the best marginals, its own statistics and whether it is the best.
    memory : dict, optional
        Kept up to date with all that a polish can go on from, besides the best marginals.  With these and a
        memory that is not empty L-BFGS repeats its steps without computing, and goes on with the same bits.
    processes : Processes
        Where `x` is a share of the data, the processes that have all of them.

    Returns
    -------
    dictionary, marginals, statistics
        Of the best evaluation.
    """
    memory = {} if memory is None else memory
    problem = _Problem(x, dictionary, posterior, e_step, after_evaluation, memory, processes)
    bar = tqdm(total=iterations, desc="polish", unit="iteration", disable=not progress)

    def after_iteration(intermediate_result: OptimizeResult) -> None:
        bar.update()
        bar.set_postfix(elbo=f"{-intermediate_result.fun:.2f}")

    minimize(
        problem.loss, memory["start"].flatten().numpy(), jac=True, method="L-BFGS-B",
        callback=after_iteration, options={"maxiter": iterations, "maxcor": 20},
    )  # fmt: skip
    bar.close()
    return memory["dictionary"], problem.marginals, problem.stats


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
        after_evaluation: AfterEvaluation,
        memory: dict,
        processes: Processes,
    ):
        self.x, self.e_step, self.after_evaluation = x, e_step, after_evaluation
        self.processes, self.memory, self.calls = processes, memory, 0
        if memory:
            self.marginals = DiagonalGaussian(posterior.mean, posterior.std)
            self.stats = PosteriorStatistics(**memory["stats"])
            return
        self.marginals, sums = summarize(x, posterior, dictionary)
        first = sums.over(processes)
        self.stats = first.stats
        _, noise_variance = closed_form_scales(first.stats, x.dtype)
        scale = (first.usage / (first.stats.count * noise_variance)).sqrt()
        memory.update(
            start=(dictionary * scale).double().cpu(), scale=scale, values=[], gradients=[], elbo=-np.inf,
            dictionary=dictionary, stats=dict(vars(first.stats)),
        )  # fmt: skip

    def loss(self, coordinates: np.ndarray) -> tuple[float, np.ndarray]:
        memory, number = self.memory, self.calls
        self.calls += 1
        if number == len(memory["values"]):  # else it is known from before an interruption
            self.evaluate(torch.from_numpy(coordinates))
        return memory["values"][number], memory["gradients"][number].flatten().numpy()

    def evaluate(self, coordinates: Tensor) -> None:
        memory, scale = self.memory, self.memory["scale"]
        free = coordinates.to(scale).view_as(memory["start"]) / scale
        norms = free.norm(dim=0)
        dictionary = free / norms
        scales = closed_form_scales(self.stats, dictionary.dtype)
        model = SparseCodingModel.unchecked(dictionary, *scales)
        marginals, trial = visit(self.e_step, self.x, model, self.marginals, POINTS_AT_ONCE, self.processes)
        elbo = float(entropy_elbo(trial.stats))
        _, noise_variance = closed_form_scales(trial.stats, dictionary.dtype)
        gradient = trial.gradient / (trial.stats.count * noise_variance)
        gradient = (gradient - dictionary * (dictionary * gradient).sum(0)) / (norms * scale)
        memory["values"].append(-elbo)
        memory["gradients"].append(-gradient.double().cpu())
        improved = elbo > memory["elbo"]
        if improved:
            self.stats, self.marginals = trial.stats, marginals
            memory.update(elbo=elbo, dictionary=dictionary, stats=dict(vars(trial.stats)))
        self.after_evaluation(self.marginals, trial.stats, improved)
