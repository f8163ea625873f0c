"""Amortized learning: an encoder infers all posteriors; Adam learns it and the dictionary (E.3).

The objective is the entropy ELBO of a minibatch, with that minibatch's closed-form λ and σ² (Eqs. 13-15).

Semi-amortized learning lets a few iterations of the E-step finish what the encoder begins.  The dictionary
climbs the ELBO of the refined posteriors, held fixed as in EM (at optimal posteriors that is the whole
gradient, by the envelope theorem), and the encoder climbs the ELBO of its own output.  No iteration is
differentiated through.  Without refinement these two gradients are the two parts of the amortized one.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import repeat
from operator import add

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from tqdm import tqdm

from paperlib.elbo import annealing as annealing_schedules
from paperlib.elbo.posteriors import GaussianPosterior, concatenate
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.encoders import Encoder
from paperlib.models.sparse_coding.inference import infer_diagonal, infer_full, initial_scales
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.models.sparse_coding.objectives import annealed_elbo, entropies, least_prior_scale
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.result import FitResult, history_row
from paperlib.models.sparse_coding.trainers.running import newest_share, running_scales
from paperlib.system.errors import InputError
from paperlib.system.validation import check_data, check_positive, check_training_data

E_STEPS: dict[str, Callable[..., GaussianPosterior]] = {  # those of which a few iterations are enough
    "diagonal": infer_diagonal, "full": infer_full,
}  # fmt: skip
DICTIONARY_RATE = 10  # in units of the encoder's; with 1, image patches take several times as many epochs
MEMORY = 1_000  # data points after which the refinement's λ and σ² have forgotten a share 1 − 1/e
BATCH_SIZE = 2_048  # of the final judgement; bounds its working memory, results do not depend on it
DIVERGED = "Learning left the finite numbers; lower the learning rate, clip gradients or use float64."


@dataclass(frozen=True)
class AmortizedResult(FitResult):
    """A trained model with the encoder that infers its posteriors.

    Parameters
    ----------
    encoder : Encoder
        Its posteriors, refined by `refinement_steps` iterations, are what the model is judged with; for other
        data `infer_amortized` gives them.
    refinement_steps : int
        0 if the encoder's own posteriors are the result.
    """

    encoder: Encoder = field(kw_only=True)
    refinement_steps: int = field(kw_only=True)


@dataclass
class AmortizedState:
    """Everything training needs to go on.

    `encoder` and `optimizer` are what their `state_dict` gives, `random_state` is the generator's; `passes`,
    `seen` and `seconds` count epochs, data points and time so far.

    The tensors are those in use, which the next step changes: callbacks copy or save what they keep.
    """

    encoder: dict
    dictionary: Float[Tensor, "D H"]
    noise_variance: Float[Tensor, ""]
    prior_scales: Float[Tensor, " H"]
    optimizer: dict
    random_state: UInt8[Tensor, " bytes"]
    passes: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)

    def to_dict(self) -> dict:
        """Plain tensors, numbers, lists and dicts, as `torch.load(weights_only=True)` accepts them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


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
    callback: Callable[[AmortizedState], None] | None = None,
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
        Called with the state after every epoch, for checkpoints and evaluation; its time is not counted.
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
    check_positive(n_latents=n_latents, n_epochs=n_epochs, batch_size=batch_size,
                   learning_rate=learning_rate, clip=math.inf if clip is None else clip)  # fmt: skip
    _check_refinement(family, refinement_steps)
    schedule = annealing_schedules.schedule(annealing, n_epochs)
    learner = _Learner(x, n_latents, family, refinement_steps, clip, generator)
    if state is None:
        state = AmortizedState(**learner.to_dict(), random_state=generator.get_state())
    else:
        learner.load(state)
        generator.set_state(state.random_state)
    bar = tqdm(total=n_epochs, initial=state.passes, desc="Adam", unit="epoch", disable=not progress)
    while state.passes < n_epochs:
        started = time.perf_counter()
        weights = schedule[state.passes]
        learner.set_rate(learning_rate * (1 - state.passes / n_epochs))
        order = torch.randperm(len(x), generator=generator).to(x.device)
        stats = reduce(add, (learner.step(x[index], weights) for index in order.split(batch_size)))
        state = replace(
            state, **learner.to_dict(), random_state=generator.get_state(), passes=state.passes + 1
        )
        _record(state, stats, started, "amortized", weights)
        bar.update()
        bar.set_postfix(elbo=f"{state.history[-1]['elbo']:.2f}")
        if callback is not None:
            callback(state)
    bar.close()
    started = time.perf_counter()
    model = SparseCodingModel(state.dictionary, state.prior_scales, state.noise_variance)
    posterior, stats = infer_amortized(x, learner.encoder, model, refinement_steps=refinement_steps)
    _record(state, stats, started, "final", EntropyWeights())
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
    """Infer posteriors of any data by an encoder and, if wanted, a few iterations of the E-step.

    Parameters
    ----------
    x : tensor (N, D)
        Data.
    encoder, model
        As `fit_amortized` returns them; the E-step is for the model's λ and σ².
    refinement_steps : int
        Iterations of the E-step; 0 for none.

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
    batches = x.split(BATCH_SIZE)
    posteriors = [encoder(batch) for batch in batches]
    if refinement_steps:
        posteriors = [
            E_STEPS[encoder.family](
                batch, model.dictionary, model.prior_scales, model.noise_variance, start=posterior,
                n_steps=refinement_steps,
            )
            for batch, posterior in zip(batches, posteriors, strict=True)
        ]  # fmt: skip
    stats = reduce(add, map(PosteriorStatistics.from_batch, batches, posteriors, repeat(model.dictionary)))
    return concatenate(posteriors), stats


class _Learner:
    """Encoder, dictionary and their optimizer: what a step changes."""

    def __init__(
        self,
        x: Tensor,
        n_latents: int,
        family: str,
        refinement_steps: int,
        clip: float | None,
        generator: torch.Generator,
    ):
        unit = x.square().mean().sqrt()
        self.encoder = Encoder(x.shape[1], n_latents, family, unit=unit, generator=generator)
        dictionary = torch.randn(x.shape[1], n_latents, generator=generator).to(x)
        self.dictionary = normalize_columns(dictionary).requires_grad_()
        self.parameters = [*self.encoder.parameters(), self.dictionary]
        self.optimizer = torch.optim.Adam(
            [{"params": self.parameters[:-1]}, {"params": self.parameters[-1:]}], lr=0.0, fused=True
        )
        self.noise_variance, self.prior_scales = initial_scales(x, n_latents)
        self.seen = 0
        self.refinement_steps = refinement_steps
        self.longest = math.inf if clip is None else clip

    def to_dict(self) -> dict:
        return {
            "encoder": dict(self.encoder.state_dict()),
            "dictionary": self.dictionary.detach(),
            "noise_variance": self.noise_variance,
            "prior_scales": self.prior_scales,
            "optimizer": self.optimizer.state_dict(),
            "seen": self.seen,
        }

    def load(self, state: AmortizedState) -> None:
        self.encoder.load_state_dict(state.encoder)
        self.dictionary.data.copy_(state.dictionary)
        self.noise_variance, self.prior_scales = state.noise_variance, state.prior_scales
        self.seen = state.seen
        self.optimizer.load_state_dict(copy.deepcopy(state.optimizer))

    def set_rate(self, rate: float) -> None:
        encoder, dictionary = self.optimizer.param_groups
        encoder["lr"], dictionary["lr"] = rate, DICTIONARY_RATE * rate

    def step(self, batch: Tensor, weights: EntropyWeights) -> PosteriorStatistics:
        """One step of Adam; returns the statistics that the dictionary learned from."""
        self.optimizer.zero_grad()
        try:
            stats = self.differentiate(batch, weights)
        except torch.linalg.LinAlgError as error:
            raise FloatingPointError(DIVERGED) from error
        if not torch.isfinite(torch.nn.utils.clip_grad_norm_(self.parameters, self.longest)):
            raise FloatingPointError(DIVERGED)
        self.optimizer.step()
        self.dictionary.data.copy_(normalize_columns(self.dictionary.data))
        self.seen += len(batch)
        self.update_scales(stats)
        return stats

    def differentiate(self, batch: Tensor, weights: EntropyWeights) -> PosteriorStatistics:
        """Gradients of −𝓛ᴴ: the encoder's at its own output, the dictionary's at the refined posteriors."""
        posterior = self.encoder(batch)
        stats = PosteriorStatistics.from_batch(batch, posterior, self.dictionary.detach())
        (-annealed_elbo(stats, weights)).backward()
        posterior = posterior.detach()
        if self.refinement_steps:
            posterior = self.refine(batch, posterior, weights)
        stats = PosteriorStatistics.from_batch(batch, posterior, normalize_columns(self.dictionary))
        (-annealed_elbo(stats, weights)).backward()
        # the graph, which only W̃ is in, has done its work
        return replace(stats, squared_residual=stats.squared_residual.detach(), trace=stats.trace.detach())

    def refine(
        self, batch: Tensor, posterior: GaussianPosterior, weights: EntropyWeights
    ) -> GaussianPosterior:
        """A few iterations of the E-step, with λ bounded below as in `annealed_elbo`."""
        least = least_prior_scale(self.noise_variance, weights, *self.dictionary.shape)
        prior_scales = torch.maximum(self.prior_scales, least)
        return E_STEPS[self.encoder.family](
            batch, self.dictionary.detach(), prior_scales, self.noise_variance,
            weights=weights, start=posterior, n_steps=self.refinement_steps,
        )  # fmt: skip

    def update_scales(self, stats: PosteriorStatistics) -> None:
        """Closed-form λ and σ² (Theorem 2) of the minibatch, mixed into the running ones."""
        share = newest_share(stats.count, self.seen, MEMORY)
        self.noise_variance, self.prior_scales = running_scales(
            self.noise_variance, self.prior_scales, stats, share
        )


def _check_refinement(family: str, refinement_steps: int) -> None:
    if refinement_steps < 0:
        raise InputError(f"refinement_steps must be 0 or more, not {refinement_steps}.")
    if refinement_steps and family not in E_STEPS:
        raise InputError(
            f"Posteriors of the family {family!r} cannot be refined; choose one of {', '.join(E_STEPS)}."
        )


def _record(
    state: AmortizedState, stats: PosteriorStatistics, started: float, phase: str, weights: EntropyWeights
) -> None:
    state.seconds += time.perf_counter() - started
    terms = entropies(stats)
    if not torch.isfinite(terms.elbo):
        raise FloatingPointError(DIVERGED)
    state.history.append(history_row(state.passes, phase, state.seconds, terms, weights))
