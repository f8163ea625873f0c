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

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import add

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from tqdm import tqdm

from paperlib.elbo import annealing as annealing_schedules
from paperlib.elbo.posteriors import DiagonalGaussian, GaussianPosterior
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import (
    alternate,
    closed_form_scales,
    infer_diagonal,
    infer_full,
    initial_scales,
)
from paperlib.models.sparse_coding.inference.diagonal import cold_start
from paperlib.models.sparse_coding.metrics import dead_fields
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import entropies, least_prior_scale
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.polish import BATCH_SIZE, polish_dictionary
from paperlib.models.sparse_coding.trainers.result import FitResult, history_row
from paperlib.models.sparse_coding.trainers.running import newest_share, running_scales
from paperlib.models.sparse_coding.trainers.visit import Visit, visit
from paperlib.system.distributed import ALONE, Processes
from paperlib.system.errors import InputError
from paperlib.system.parallel import one_thread
from paperlib.system.validation import check_choice, check_positive, check_training_data

MOMENTUM = 0.8
AVERAGING = 6  # of t dictionaries passed, about the last t / AVERAGING count
FINAL_ROUNDS = 100  # at most, of E-step and scales on all data; where posteriors are warm, few are needed
FINAL_GAIN = 5e-3  # nats a data point that another round must gain
FLOOR = 0.01  # of λ/σ, which guards float32


@dataclass(frozen=True)
class Family:
    """How EM treats one family of posteriors."""

    infer: Callable[..., GaussianPosterior]
    size: Callable[[int], int]  # numbers a data point that its E-step works on
    epochs: float  # share of the epochs, the last ones, that have it instead of diagonal posteriors
    share: int  # data points of a minibatch that a thread takes
    n_steps: int  # of the E-step at a visit
    cold_steps: int  # the same where every visit is the first
    polish: int


FAMILIES = {
    "diagonal": Family(
        infer_diagonal, lambda h: h, epochs=1, share=2**20, n_steps=4, cold_steps=8, polish=20
    ),
    "full": Family(infer_full, lambda h: h**2, epochs=0.2, share=128, n_steps=1, cold_steps=3, polish=5),
}


@dataclass
class EMState:
    """Everything training needs to go on: tensors, counters and the random state.

    Parameters
    ----------
    dictionary : tensor (D, H)
        W̃: the average of the iterates.
    iterate, velocity : tensors (D, H)
        What the steps move, the dictionary that posteriors and scales are of, and its momentum.
    usage : tensor (H,)
        Running diagonal of Σ(ννᵀ + T) / N, which preconditions the dictionary's step.
    mean, std : tensors (N, H)
        Marginals of all posteriors.
    noise_variance, prior_scales : tensors () and (H,)
        Running σ² and λ.
    random_state : tensor
        Of the generator.
    epoch, passes, seen, seconds : numbers
        Epochs done, passes over the data, data points seen, time taken so far.
    history : list of dict
        A row for each epoch, and for what follows the epochs.
    """

    dictionary: Float[Tensor, "D H"]
    iterate: Float[Tensor, "D H"]
    velocity: Float[Tensor, "D H"]
    usage: Float[Tensor, " H"]
    mean: Float[Tensor, "N H"]
    std: Float[Tensor, "N H"]
    noise_variance: Float[Tensor, ""]
    prior_scales: Float[Tensor, " H"]
    random_state: UInt8[Tensor, " bytes"]
    epoch: int = 0
    passes: int = 0
    seen: int = 0
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)

    @property
    def marginals(self) -> DiagonalGaussian:
        """ν and τ of all posteriors."""
        return DiagonalGaussian(self.mean, self.std)

    def forget_posteriors(self, n_points: int) -> None:
        """Make room for other data: posteriors of no data, at the present λ and σ²."""
        posterior = cold_start(n_points, self.prior_scales, self.noise_variance)
        self.mean, self.std = posterior.mean, posterior.deviation

    def to_dict(self) -> dict:
        """Plain tensors, numbers and lists, as `torch.load(weights_only=True)` accepts them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def fit_em(
    x: Float[Tensor, "N D"] | Callable[[int], Float[Tensor, "N D"]],
    n_latents: int,
    *,
    family: str = "diagonal",
    n_epochs: int = 10,
    annealing: str | Sequence[EntropyWeights] = "none",
    batch_size: int = 256,
    learning_rate: float = 0.2,
    n_steps: int | None = None,
    polish: int | None = None,
    reseed: bool = False,
    generator: torch.Generator,
    callback: Callable[[EMState], None] | None = None,
    state: EMState | None = None,
    processes: Processes = ALONE,
    progress: bool = True,
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
    family : {"diagonal", "full"}
        Covariance of the posteriors.  Full ones come in for the last fifth of the epochs, after a polish with
        diagonal ones: they are twenty times the work.
    n_epochs : int
        Passes over the data.
    annealing : {"none", "prior", "likelihood", "energy"} or sequence of EntropyWeights
        Schedule of the entropies' weights (Eq. 17); see `paperlib.elbo.annealing.schedule`.
    batch_size, learning_rate : int, float
        Minibatch and first dictionary rate, which falls linearly to 0.
    n_steps : int, optional
        E-step iterations a visit.  If not given, 4 for diagonal posteriors and one Newton step for full ones,
        8 and 3 where every epoch has data of its own.
    polish : int, optional
        Iterations of L-BFGS on the dictionary over all data after the epochs, 0 for none: 20 with diagonal
        posteriors, 5 with full ones if not given.  Before full ones come in, as many as with diagonal ones.
    reseed : bool
        Between epochs, give fields that explain nothing (`.dead_fields`) the direction of what is left
        unexplained of a random data point.
    generator : torch.Generator
        CPU generator of the first dictionary and of the order of visits.
    callback : callable, optional
        Called with the state after every epoch, for checkpoints and evaluation; its time is not counted.
        Training goes on with this very state: keep copies.
    state : EMState, optional
        Continue from here; numbers are the same as without the interruption.  It is used up: its tensors and
        its history are those of the training that goes on.
    processes : Processes
        The processes that share the data (`paperlib.system.distributed`); `x` is then this one's share, and
        so are the posteriors of state and result.

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
    check_choice("posterior family", family, FAMILIES)
    check_positive(n_latents=n_latents, n_epochs=n_epochs, batch_size=batch_size,
                   learning_rate=learning_rate, n_steps=1 if n_steps is None else n_steps)  # fmt: skip
    first_polish = FAMILIES["diagonal"].polish if polish is None else polish
    polish = FAMILIES[family].polish if polish is None else polish
    if polish < 0:
        raise InputError(f"polish must be 0 or more, not {polish}.")
    weights = annealing_schedules.schedule(annealing, n_epochs)
    first = 0 if state is None else state.epoch
    data = _data_of_epoch(x, min(first, n_epochs - 1))
    state = initial_state(data, n_latents, generator, processes) if state is None else state
    generator.set_state(state.random_state)

    def e_step(family: str) -> Callable[..., GaussianPosterior]:
        usual = FAMILIES[family].cold_steps if callable(x) else FAMILIES[family].n_steps
        return partial(FAMILIES[family].infer, n_steps=usual if n_steps is None else n_steps)

    n_diagonal = int(n_epochs * (1 - FAMILIES[family].epochs))
    bar = tqdm(total=n_epochs, initial=first, desc="EM", unit="epoch", disable=not progress)
    for epoch in range(first, n_epochs):
        started = time.perf_counter()
        if callable(x):
            data = data if epoch == first else _data_of_epoch(x, epoch, n_features=data.shape[1])
            state.forget_posteriors(len(data))
        present = family if epoch >= n_diagonal else "diagonal"
        n_points = int(processes.add([torch.tensor(len(data))])[0])
        rates = _falling_rates(learning_rate, epoch, n_epochs, -(-n_points // batch_size))
        with one_thread(elements=batch_size * FAMILIES[present].size(n_latents)):
            order = torch.randperm(n_points, generator=generator).split(batch_size)
            stats = _epoch(
                state, data, weights[epoch], order, rates, e_step(present), FAMILIES[present].share, processes
            )
        if reseed and epoch < n_epochs - 1:
            _reseed(state, data, n_points, generator, processes)
        state.random_state = generator.get_state()
        _record(state, stats, started, "em", weights[epoch])
        bar.update()
        bar.set_postfix(elbo=f"{state.history[-1]['elbo']:.2f}")
        if polish and state.epoch == n_diagonal:
            _polish(state, data, first_polish, e_step("diagonal"), processes, progress)
        if callback is not None:
            callback(state)
    bar.close()
    if polish:
        _polish(state, data, polish, e_step(family), processes, progress)
    started = time.perf_counter()
    stats = _final_e_step(state, data, e_step(family), processes)
    _record(state, stats, started, "final", EntropyWeights())
    return FitResult.from_posterior(state.dictionary, state.marginals, stats, state.history)


def _data_of_epoch(
    x: Tensor | Callable[[int], Tensor], epoch: int, n_features: int | None = None
) -> Float[Tensor, "N D"]:
    data = x(epoch) if callable(x) else x
    check_training_data(data, n_features)
    return data


def initial_state(
    x: Float[Tensor, "N D"], n_latents: int, generator: torch.Generator, processes: Processes = ALONE
) -> EMState:
    """Random unit columns, posteriors of no data, and scales guessed from the data's variance."""
    guess = processes.add([*initial_scales(x, n_latents)])
    noise_variance, prior_scales = (scale / processes.count for scale in guess)
    dictionary = normalize_columns(torch.randn(x.shape[1], n_latents, generator=generator).to(x))
    posterior = cold_start(len(x), prior_scales, noise_variance)
    return EMState(
        dictionary=dictionary,
        iterate=dictionary,
        velocity=torch.zeros_like(dictionary),
        usage=x.new_zeros(n_latents),
        mean=posterior.mean,
        std=posterior.deviation,
        noise_variance=noise_variance,
        prior_scales=prior_scales,
        random_state=generator.get_state(),
    )


def _epoch(
    state: EMState,
    x: Tensor,
    weights: EntropyWeights,
    order: Sequence[Tensor],
    rates: np.ndarray,
    e_step: Callable[..., GaussianPosterior],
    share: int,
    processes: Processes,
) -> PosteriorStatistics:
    """One pass over the data; returns the statistics gathered at each point's visit."""

    def learn(points: Tensor, rate: float) -> PosteriorStatistics:
        index = processes.own(points).to(x.device)
        state.seen += len(points)
        visited = visit(
            partial(e_step, weights=weights), x[index], state.iterate, state.prior_scales,
            state.noise_variance, state.marginals[index], batch_size=share,
        ).total(processes)  # fmt: skip
        state.mean[index], state.std[index] = visited.marginals.mean, visited.marginals.deviation
        _update_scales(state, visited.stats, weights)
        _update_dictionary(state, visited, rate)
        return visited.stats

    stats = reduce(add, (learn(points, rate) for points, rate in zip(order, rates, strict=True)))
    state.epoch += 1
    state.passes += 1
    return stats


def _update_scales(state: EMState, stats: PosteriorStatistics, weights: EntropyWeights) -> None:
    """Closed-form λ and σ² (Theorem 2) of the minibatch, mixed in; λ as in `annealed_elbo`."""
    share = newest_share(stats.count, state.seen)
    state.noise_variance, scales = running_scales(state.noise_variance, state.prior_scales, stats, share)
    least = least_prior_scale(state.noise_variance, weights, *state.dictionary.shape)
    floor = FLOOR * state.noise_variance.sqrt()
    state.prior_scales = torch.maximum(scales, torch.maximum(least, floor))


def _update_dictionary(state: EMState, visited: Visit, rate: float) -> None:
    """One step along Σ (xνᵀ − W̃(ννᵀ + T)), scaled by the running second moments; then unit columns.

    The average weighs iterate t by about t^(AVERAGING − 1), so that the first ones are soon forgotten.
    """
    count = visited.stats.count
    state.usage = torch.lerp(state.usage, visited.usage / count, newest_share(count, state.seen))
    state.velocity = torch.addcdiv(state.velocity * MOMENTUM, visited.gradient, state.usage * count)
    state.iterate = normalize_columns(state.iterate + rate * state.velocity)
    share = min(1.0, AVERAGING * count / state.seen)
    state.dictionary = normalize_columns(torch.lerp(state.dictionary, state.iterate, share))


def _reseed(
    state: EMState, x: Tensor, n_points: int, generator: torch.Generator, processes: Processes
) -> None:
    """Give each dead field the direction of a random data point's residual, and the others' mean scale."""
    dead = dead_fields(state.prior_scales, state.noise_variance)
    if len(dead) == 0:
        return
    points = torch.randint(n_points, (len(dead),), generator=generator)
    places = processes.own(points).to(x.device)
    residuals = x.new_zeros(len(dead), x.shape[1])
    mine = points % processes.count == processes.rank
    residuals[mine] = x[places] - state.mean[places] @ state.iterate.T
    (residuals,) = processes.add([residuals])
    noise = 1e-3 * torch.randn(residuals.shape, generator=generator).to(residuals)  # a residual can be zero
    living = state.prior_scales > state.prior_scales[dead].max()
    typical = state.prior_scales[living].mean() if living.any() else state.noise_variance.sqrt()
    state.dictionary[:, dead] = state.iterate[:, dead] = normalize_columns((residuals + noise).T)
    state.velocity[:, dead], state.usage[dead] = 0, state.usage.mean()
    state.prior_scales[dead] = typical
    state.mean[:, dead] = 0
    state.std[:, dead] = cold_start(1, state.prior_scales[dead], state.noise_variance).deviation


def _falling_rates(first: float, n_passes: int, n_epochs: int, n_batches: int) -> np.ndarray:
    """Learning rates of the next pass: linear from `first` at the very start to 0 at the very end."""
    return first * (1 - (n_passes * n_batches + np.arange(n_batches)) / (n_epochs * n_batches))


def _record(
    state: EMState, stats: PosteriorStatistics, started: float, phase: str, weights: EntropyWeights
) -> None:
    state.seconds += time.perf_counter() - started
    terms = entropies(stats)
    if not torch.isfinite(terms.elbo):
        raise FloatingPointError(
            f"The ELBO is not finite after {state.passes} passes; lower the learning rate or use float64."
        )
    row = history_row(state.passes, phase, state.seconds, terms, weights)
    row["dead_fields"] = dead_fields(state.prior_scales, state.noise_variance).numel()
    state.history.append(row)


def _polish(
    state: EMState,
    x: Tensor,
    iterations: int,
    e_step: Callable[..., GaussianPosterior],
    processes: Processes,
    progress: bool,
) -> None:
    started = time.perf_counter()

    def after_evaluation(stats: PosteriorStatistics, improved: bool) -> None:
        nonlocal started
        state.passes += 1
        if improved:
            _record(state, stats, started, "polish", EntropyWeights())
        else:
            state.seconds += time.perf_counter() - started
        started = time.perf_counter()

    state.dictionary, marginals, stats = polish_dictionary(
        x, state.dictionary, state.marginals, e_step=e_step, iterations=iterations,
        after_evaluation=after_evaluation, processes=processes, progress=progress,
    )  # fmt: skip
    state.iterate = state.dictionary
    state.mean, state.std = marginals.mean, marginals.deviation
    state.noise_variance, state.prior_scales = closed_form_scales(stats, x.dtype)


def _final_e_step(
    state: EMState, x: Tensor, e_step: Callable[..., GaussianPosterior], processes: Processes
) -> PosteriorStatistics:
    """Posteriors, λ and σ² of all data for the final dictionary (`alternate`)."""

    def on_all_data(noise_variance: Tensor, prior_scales: Tensor) -> PosteriorStatistics:
        visited = visit(
            e_step, x, state.dictionary, prior_scales, noise_variance, state.marginals, BATCH_SIZE
        ).total(processes)
        state.mean, state.std = visited.marginals.mean, visited.marginals.deviation
        return visited.stats

    stats = alternate(
        on_all_data, state.noise_variance, state.prior_scales, tolerance=FINAL_GAIN, max_rounds=FINAL_ROUNDS
    )
    state.noise_variance, state.prior_scales = closed_form_scales(stats, x.dtype)
    return stats
