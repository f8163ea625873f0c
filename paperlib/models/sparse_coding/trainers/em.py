"""Fast EM: a few E-step iterations a visit, one preconditioned dictionary step a minibatch (Section 4.2).

Every pass visits all data in minibatches.  A visit improves the minibatch's posteriors, diagonal or full,
whose ν and τ are kept for the next visit (unless every pass has data of its own).  Then the dictionary moves
along the ELBO's gradient (x − W̃ν)νᵀ − W̃T, scaled by the running second moment of each latent and with
momentum.  λ and σ² are the closed forms of Theorem 2 on statistics that forget slowly.  Large steps explore,
and what is learned is the average of the dictionaries they pass, in which their noise cancels (Polyak and
Juditsky 1992; weights by Shamir and Zhang 2013).  At the end L-BFGS polishes it on all data, with the E-step
inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.annealing import schedule
from paperlib.elbo.history import Callback, Recorder
from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import EStep, alternate, closed_form_scales
from paperlib.models.sparse_coding.metrics import dead_fields
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import entropies
from paperlib.models.sparse_coding.settings import EMSettings
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.em_state import EMState, initial_state
from paperlib.models.sparse_coding.trainers.em_step import (
    TREATMENTS,
    draw_minibatches,
    reseed_dead_fields,
    run_epoch,
)
from paperlib.models.sparse_coding.trainers.polish import POINTS_AT_ONCE, polish_dictionary
from paperlib.models.sparse_coding.trainers.result import FitResult
from paperlib.models.sparse_coding.trainers.visit import visit
from paperlib.system.distributed import ALONE, Processes
from paperlib.system.errors import InputError
from paperlib.system.memory import check_memory
from paperlib.system.parallel import one_thread
from paperlib.system.validation import check_choice, check_counts, check_data, check_positive, check_size

FINAL_ROUNDS = 100  # at most, of E-step and scales on all data; where posteriors are warm, few are needed
FINAL_GAIN = 5e-3  # nats a data point that another round must gain

Data = Float[Tensor, "N D"] | Callable[[int], Float[Tensor, "N D"]]


def fit_em(
    x: Data,
    n_latents: int,
    *,
    generator: torch.Generator,
    callback: Callback | None = None,
    checkpoint: Callback | None = None,
    state: EMState | None = None,
    processes: Processes = ALONE,
    progress: bool = True,
    **settings: Any,
) -> FitResult:
    """Learn a dictionary by minibatch EM with diagonal or full-covariance Gaussian posteriors.

    Parameters
    ----------
    x : tensor (N, D) or callable
        Data; their dtype and device are used throughout.  If all data do not fit into memory, a function
        ``x(epoch)`` that gives each epoch data of its own: then memory holds N (D + 2H) numbers of one epoch,
        and N D more while the next is drawn; posteriors are not kept, and what comes after the epochs is for
        the last one's data.
    n_latents : int
        H.
    generator : torch.Generator
        CPU generator of the first dictionary and of the order of visits.
    callback : callable, optional
        Called with a `Snapshot` after every epoch, for evaluation.
    checkpoint : callable, optional
        Called with a `Snapshot` wherever training can go on from: also after every evaluation of a polish and
        every round of the final E-step.
    state : EMState, optional
        Continue from here; numbers are the same as without the interruption.  It is used up: its tensors and
        its history are those of the training that goes on.
    processes : Processes
        The processes that share the data (`paperlib.system.distributed`); `x` is then this one's share, and
        so are the posteriors of state and result.
    **settings
        Fields of `EMSettings`, such as ``n_epochs=10`` or ``annealing="prior"``.  Full posteriors come in for
        the last fifth of the epochs, after a polish with diagonal ones: they are twenty times the work.

    Returns
    -------
    FitResult
        Its posterior has the marginals ν and τ of every data point also for full covariances, which do not
        fit into memory; `infer_full` gives them for any part of the data.
        History rows: `step` (passes over the data), `seconds`, `phase`, `elbo` and the entropies of the
        statistics gathered during the pass, `prior_weight`, `likelihood_weight`, `dead_fields`.

    Raises
    ------
    InputError
        If data are not a finite matrix, the family is unknown or a number is not positive.
    FloatingPointError
        If learning leaves the finite numbers.
    """
    chosen = EMSettings(**settings)
    check_counts(n_latents=n_latents)
    check_settings(chosen)
    first = 0 if state is None else state.epoch
    midway = state is not None and state.stage == "polish"  # its data are those of the epoch before it
    known = len(state.dictionary) if state is not None and state.seen else None
    of_epoch = first - 1 if midway or first >= chosen.n_epochs else first
    data = _data_of_epoch(x, of_epoch, processes, known)
    check_fit(chosen, len(data), data.shape[1], n_latents, data.element_size())
    state = initial_state(data, n_latents, generator, processes) if state is None else state
    generator.set_state(state.random_state)
    recorder = Recorder(
        "em", "epoch", chosen.n_epochs, rows=state.history, done=first, progress=progress
    )
    training = _Training(state, chosen, callable(x), processes, recorder, progress, checkpoint)
    if midway and first < chosen.n_epochs:
        training.polish(data, "diagonal")
        training.tell(callback)
    for epoch in range(first, chosen.n_epochs):
        if callable(x):
            new = midway or epoch > first
            data = _data_of_epoch(x, epoch, processes, data.shape[1]) if new else data
            state.forget_posteriors(len(data))
        training.run_epoch(data, epoch, generator)
        training.tell(callback)
    recorder.close()
    if state.stage != "final":
        training.polish(data, chosen.family)
    stats = training.final_e_step(data)
    return FitResult.from_posterior(state.dictionary, state.marginals, stats, state.history)


def check_settings(settings: EMSettings) -> None:
    """Refuse settings that cannot work.

    Raises
    ------
    InputError
        With the first thing that is wrong.
    """
    check_choice("posterior family", settings.family, TREATMENTS)
    check_counts(n_epochs=settings.n_epochs, batch_size=settings.batch_size,
                 n_steps=1 if settings.n_steps is None else settings.n_steps)  # fmt: skip
    check_positive(learning_rate=settings.learning_rate)
    if (settings.polish or 0) < 0:
        raise InputError(f"polish must be 0 or more, not {settings.polish}.")
    check_counts(polish=settings.polish or 1)
    check_memory(settings.n_epochs * 1000.0, f"The history of {settings.n_epochs:,} epochs")
    schedule(settings.annealing, settings.n_epochs)


def check_fit(
    settings: EMSettings, n_points: int, n_features: int, n_latents: int, element_size: int
) -> None:
    """Refuse a training by `settings` that does not fit into memory, of data of `n_features`.

    Counted is what it holds at least, in numbers of `element_size` bytes.

    Raises
    ------
    InputError
        With what it needs and what there is.
    """
    batch = min(settings.batch_size, n_points) * TREATMENTS[settings.family].size(n_latents)
    held = n_points * (n_features + 4.0 * n_latents) + batch + 40.0 * n_features * n_latents  # 40: of L-BFGS
    what = f"Training on {n_points:,} points of {n_features:,} features with {n_latents:,} latents"
    check_memory(held * element_size, what)


def _data_of_epoch(
    x: Data, epoch: int, processes: Processes, n_features: int | None = None
) -> Float[Tensor, "N D"]:
    """Checked data of an epoch; once there is something learned, of `n_features`, they may be blank."""
    data = x(epoch) if callable(x) else x
    with processes.together():
        check_data(data, n_features)
    if n_features is None:
        check_size(data, processes)
    return data


class _Training:
    """A training that goes on: its state, and what each of its stages does with the data."""

    def __init__(
        self,
        state: EMState,
        settings: EMSettings,
        cold: bool,
        processes: Processes,
        recorder: Recorder,
        progress: bool,
        checkpoint: Callback | None,
    ):
        self.checkpoint = checkpoint
        self.state, self.settings, self.cold, self.processes = state, settings, cold, processes
        self.recorder, self.progress = recorder, progress
        self.weights = schedule(settings.annealing, settings.n_epochs)
        self.n_diagonal = int(settings.n_epochs * (1 - TREATMENTS[settings.family].epochs))

    def e_step(self, family: str) -> EStep:
        """The E-step of a visit to each minibatch."""
        return TREATMENTS[family].e_step(self.settings.n_steps, self.cold)

    def run_epoch(self, x: Tensor, epoch: int, generator: torch.Generator) -> None:
        """Visits to all data, and what stands between this epoch and the next."""
        state, processes = self.state, self.processes
        family = self.settings.family if epoch >= self.n_diagonal else "diagonal"
        n_points = int(processes.add([torch.tensor(len(x))])[0])
        minibatches = draw_minibatches(n_points, self.settings, epoch, generator)
        n_elements = self.settings.batch_size * TREATMENTS[family].size(state.dictionary.shape[1])
        try:
            with one_thread(n_elements):
                stats = run_epoch(
                    state, x, minibatches, self.weights[epoch], self.e_step(family), TREATMENTS[family].share,
                    processes,
                )  # fmt: skip
        except (InputError, torch.linalg.LinAlgError) as error:  # input was checked before
            raise FloatingPointError(f"Learning diverged in epoch {epoch + 1}; lower its rate.") from error
        if self.settings.reseed and epoch < self.settings.n_epochs - 1:
            reseed_dead_fields(state, x, n_points, generator, processes)
        state.random_state = generator.get_state()
        self.record("em", stats, self.weights[epoch])
        if state.epoch == self.n_diagonal:
            self.polish(x, "diagonal")

    def polish(self, x: Tensor, family: str) -> None:
        """L-BFGS on the dictionary, over all data, with posteriors of this family."""
        iterations = TREATMENTS[family].polish if self.settings.polish is None else self.settings.polish
        if not iterations:
            return
        state = self.state
        if state.stage != "polish":
            state.kept = {}

        def after_evaluation(
            marginals: DiagonalGaussian, stats: PosteriorStatistics, improved: bool
        ) -> None:
            state.passes += 1
            if improved:
                self.record("polish", stats)
            state.mean, state.std, state.stage = marginals.mean, marginals.deviation, "polish"
            self.tell()

        state.dictionary, marginals, stats = polish_dictionary(
            x, state.dictionary, state.marginals, e_step=self.e_step(family), iterations=iterations,
            after_evaluation=after_evaluation, memory=state.kept, processes=self.processes,
            progress=self.progress,
        )  # fmt: skip
        state.iterate = state.dictionary
        state.mean, state.std = marginals.mean, marginals.deviation
        state.prior_scales, state.noise_variance = closed_form_scales(stats, x.dtype)
        state.stage, state.kept = "epochs", {"stats": state.kept["stats"]}

    def final_e_step(self, x: Tensor) -> PosteriorStatistics:
        """Posteriors, λ and σ² of all data for the final dictionary (`alternate`); the polish's if better."""
        state, infer = self.state, self.e_step(self.settings.family)
        if state.stage != "final" and state.kept:
            state.kept.update(mean=state.mean, std=state.std)
        known = iter([*state.log])

        def on_all_data(model: SparseCodingModel) -> PosteriorStatistics:
            if before := next(known, None):  # known from before an interruption
                return PosteriorStatistics(**before)
            marginals, visited = visit(infer, x, model, state.marginals, POINTS_AT_ONCE, self.processes)
            state.mean, state.std, state.stage = marginals.mean, marginals.deviation, "final"
            state.log.append(dict(vars(visited.stats)))
            self.tell()
            return visited.stats

        first = SparseCodingModel.unchecked(state.dictionary, state.prior_scales, state.noise_variance)
        stats = alternate(on_all_data, first, tolerance=FINAL_GAIN, max_rounds=FINAL_ROUNDS)
        if state.kept:
            polished = PosteriorStatistics(**state.kept["stats"])
            if entropies(polished).elbo > entropies(stats).elbo:
                stats, state.mean, state.std = polished, state.kept["mean"], state.kept["std"]
        state.prior_scales, state.noise_variance = closed_form_scales(stats, x.dtype)
        self.record("final", stats)
        return stats

    def tell(self, callback: Callback | None = None) -> None:
        """Call back, where something is to be seen, and hand out where training can go on from."""
        for each in (callback, self.checkpoint):
            self.recorder.tell(each, self.state.snapshot())

    def record(self, phase: str, stats: PosteriorStatistics, weights: EntropyWeights | None = None) -> None:
        """A row of the history."""
        dead = dead_fields(self.state.prior_scales, self.state.noise_variance).numel()
        self.recorder.record(self.state.passes, phase, entropies(stats), weights, dead_fields=dead)
