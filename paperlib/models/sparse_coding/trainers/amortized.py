"""Amortized learning: an encoder infers all posteriors; Adam learns it and the dictionary (E.3).

The objective is the entropy ELBO of a minibatch, with that minibatch's closed-form λ and σ² (Eqs. 13-15).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import repeat
from operator import add

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.annealing import schedule
from paperlib.elbo.encoders import Encoder
from paperlib.elbo.history import Callback, Recorder
from paperlib.elbo.posteriors import GaussianPosterior, concatenate
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import STEPWISE
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import entropies
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.amortized_step import AmortizedLearner, AmortizedState
from paperlib.models.sparse_coding.trainers.result import FitResult
from paperlib.system.errors import InputError
from paperlib.system.validation import check_data, check_positive, check_training_data

POINTS_AT_ONCE = 2_048  # of the final judgement; bounds its working memory, results do not depend on it


@dataclass(frozen=True)
class AmortizedResult(FitResult):
    """A trained model with the `encoder` that infers its posteriors.

    These, refined by `refinement_steps` iterations (0: not at all), are what the model is judged with; for
    other data `infer_amortized` gives them.
    """

    encoder: Encoder = field(kw_only=True)
    refinement_steps: int = field(kw_only=True)


def fit_amortized(
    x: Float[Tensor, "N D"],
    n_latents: int,
    *,
    family: str = "diagonal",
    n_epochs: int = 100,
    annealing: str | Sequence[EntropyWeights] = "none",
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    clip: float | None = None,
    refinement_steps: int = 0,
    generator: torch.Generator,
    callback: Callback | None = None,
    state: AmortizedState | None = None,
    progress: bool = True,
) -> AmortizedResult:
    """Learn a dictionary and an encoder by Adam on minibatches.

    Parameters
    ----------
    x : tensor (N, D)
        Data; its dtype and device are used throughout.
    n_latents : int
        H.
    family : {"diagonal", "low-rank", "full"}
        Covariance of the posteriors.
    n_epochs : int
        Passes over the data.
    annealing : {"none", "prior", "likelihood", "energy"} or sequence of EntropyWeights
        Schedule of the entropies' weights (Eq. 17); see `paperlib.elbo.annealing.schedule`.
    batch_size, learning_rate : int, float
        Minibatch and Adam's first rate, which falls linearly to 0.
    clip : float, optional
        Largest norm of a gradient; longer ones are shortened to it.
    refinement_steps : int
        Iterations of the E-step that refine the encoder's posteriors (diagonal and full ones); 0 for none.
    generator : torch.Generator
        CPU generator of the first dictionary and encoder, and of the order of visits.
    callback : callable, optional
        Called with a `Snapshot` after every epoch, for checkpoints and evaluation.
    state : AmortizedState, optional
        Continue from here, with the same arguments; numbers are the same as without the interruption.

    Returns
    -------
    AmortizedResult
        History rows: `step` (passes over the data), `seconds`, `phase`, `elbo` and the entropies of the
        statistics gathered during the pass, `prior_weight` and `likelihood_weight`.

    Raises
    ------
    InputError
        If data are not a finite matrix, family or annealing are unknown, a number is out of its range or the
        family has no E-step for a few iterations.
    FloatingPointError
        If a gradient or the ELBO is not finite.
    """
    check_training_data(x)
    check_positive(n_latents=n_latents, n_epochs=n_epochs, batch_size=batch_size, learning_rate=learning_rate)
    if clip is not None:
        check_positive(clip=clip)
    _check_refinement(family, refinement_steps)
    weights = schedule(annealing, n_epochs)
    learner = AmortizedLearner(x, n_latents, family, refinement_steps, clip, generator)
    if state is None:
        state = AmortizedState(**learner.to_dict(), random_state=generator.get_state())
    else:
        learner.load(state)
        generator.set_state(state.random_state)
    recorder = Recorder(
        "amortized", "epoch", n_epochs, rows=state.history, done=state.passes, progress=progress
    )
    for epoch in range(state.passes, n_epochs):
        learner.set_rate(learning_rate * (1 - epoch / n_epochs))
        order = torch.randperm(len(x), generator=generator).to(x.device)
        stats = reduce(add, (learner.step(x[index], weights[epoch]) for index in order.split(batch_size)))
        state = replace(state, **learner.to_dict(), random_state=generator.get_state(), passes=epoch + 1)
        recorder.record(state.passes, "amortized", entropies(stats), weights[epoch])
        recorder.tell(callback, learner.snapshot(state))
    recorder.close()
    model = SparseCodingModel(state.dictionary, state.prior_scales, state.noise_variance)
    posterior, stats = infer_amortized(x, learner.encoder, model, refinement_steps=refinement_steps)
    recorder.record(state.passes, "final", entropies(stats))
    result = FitResult.from_posterior(state.dictionary, posterior, stats, state.history)
    return AmortizedResult(**vars(result), encoder=learner.encoder, refinement_steps=refinement_steps)


@torch.no_grad()
def infer_amortized(
    x: Float[Tensor, "N D"],
    encoder: Encoder,
    model: SparseCodingModel,
    *,
    refinement_steps: int = 0,
) -> tuple[GaussianPosterior, PosteriorStatistics]:
    """Infer posteriors of any data by an encoder and `refinement_steps` iterations of the E-step.

    `encoder` and `model` are as `fit_amortized` returns them; the E-step is for the model's λ and σ².

    Returns
    -------
    posterior, statistics
        As from `.fit_posterior`, whose optimal posteriors these approximate.

    Raises
    ------
    InputError
        If data are not finite, shapes disagree or the family has no E-step of a few iterations.
    """
    check_data(x, n_features=model.n_features)
    _check_refinement(encoder.family, refinement_steps)
    batches = x.split(POINTS_AT_ONCE)
    posteriors = [encoder(batch) for batch in batches]
    if refinement_steps:
        posteriors = [
            STEPWISE[encoder.family](batch, model, start=posterior, n_steps=refinement_steps)
            for batch, posterior in zip(batches, posteriors, strict=True)
        ]
    stats = reduce(add, map(PosteriorStatistics.from_batch, batches, posteriors, repeat(model.dictionary)))
    return concatenate(posteriors), stats


def _check_refinement(family: str, refinement_steps: int) -> None:
    if refinement_steps < 0:
        raise InputError(f"refinement_steps must be 0 or more, not {refinement_steps}.")
    if refinement_steps and family not in STEPWISE:
        raise InputError(
            f"Posteriors of the family {family!r} cannot be refined; choose one of {', '.join(STEPWISE)}."
        )
