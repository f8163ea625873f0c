"""A step of amortized learning: gradients for the encoder and for the dictionary (E.3).

Semi-amortized learning lets a few iterations of the E-step finish what the encoder begins.  The dictionary
climbs the ELBO of the refined posteriors, held fixed as in EM (at optimal posteriors that is the whole
gradient, by the envelope theorem), and the encoder climbs the ELBO of its own output.  No iteration is
differentiated through.  Without refinement these two gradients are the two parts of the amortized one.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from paperlib.elbo.encoders import Encoder
from paperlib.elbo.history import Snapshot
from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import STEPWISE, initial_scales
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.models.sparse_coding.objectives import annealed_elbo, least_prior_scale
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers.running import newest_share, running_scales

DICTIONARY_RATE = 10  # in units of the encoder's; with 1, image patches take several times as many epochs
FORGETTING = 1_000  # data points after which the refinement's λ and σ² have forgotten a share 1 − 1/e
DIVERGED = "Learning left the finite numbers; lower the learning rate, clip gradients or use float64."


@dataclass
class AmortizedState:
    """Everything training needs to go on.

    `encoder` and `optimizer` are what their `state_dict` gives, `random_state` is the generator's; `passes`
    and `seen` count epochs and data points so far.

    The tensors are those in use, which the next step changes: callbacks copy or save what they keep.
    """

    encoder: dict
    dictionary: Float[Tensor, "D H"]
    prior_scales: Float[Tensor, " H"]
    noise_variance: Float[Tensor, ""]
    optimizer: dict
    random_state: UInt8[Tensor, " bytes"]
    passes: int = 0
    seen: int = 0
    history: list[dict] = field(default_factory=list)

    def to_dict(self) -> dict:
        """Plain tensors, numbers, lists and dicts, as `torch.load(weights_only=True)` accepts them."""
        return dict(vars(self))


class AmortizedLearner:
    """Encoder, dictionary and their optimizer: what a step changes.

    Parameters are as of `fit_amortized` (`family`, `refinement_steps`, `clip`); the size, dtype and device of
    the data `x` decide those of what is learned.
    """

    def __init__(
        self, x: Tensor, n_latents: int, family: str, refinement_steps: int, clip: float | None,
        generator: torch.Generator,
    ):  # fmt: skip
        unit = x.square().mean().sqrt()
        self.encoder = Encoder(x.shape[1], n_latents, family, unit=unit, generator=generator)
        dictionary = torch.randn(x.shape[1], n_latents, generator=generator).to(x)
        self.dictionary = normalize_columns(dictionary).requires_grad_()
        self.parameters = [*self.encoder.parameters(), self.dictionary]
        self.optimizer = torch.optim.Adam(
            [{"params": self.parameters[:-1]}, {"params": self.parameters[-1:]}], lr=0.0, fused=True
        )
        self.prior_scales, self.noise_variance = initial_scales(x, n_latents)
        self.seen = 0
        self.refinement_steps = refinement_steps
        self.longest = math.inf if clip is None else clip

    def to_dict(self) -> dict:
        """What an `AmortizedState` holds of it."""
        return {
            "encoder": dict(self.encoder.state_dict()),
            "dictionary": self.dictionary.detach(),
            "prior_scales": self.prior_scales,
            "noise_variance": self.noise_variance,
            "optimizer": self.optimizer.state_dict(),
            "seen": self.seen,
        }

    def load(self, state: AmortizedState) -> None:
        """Go on from a `state`."""
        self.encoder.load_state_dict(state.encoder)
        self.dictionary.data.copy_(state.dictionary)
        self.prior_scales, self.noise_variance = state.prior_scales, state.noise_variance
        self.seen = state.seen
        self.optimizer.load_state_dict(copy.deepcopy(state.optimizer))

    def snapshot(self, state: AmortizedState) -> Snapshot:
        """For callbacks, with the `state` that it is of."""
        return Snapshot(
            state.passes, state.dictionary, state.history, state.prior_scales, state.noise_variance,
            encoder=self.encoder, state=state,
        )  # fmt: skip

    def set_rate(self, rate: float) -> None:
        """Let steps of the encoder have this `rate`, and those of the dictionary theirs."""
        encoder, dictionary = self.optimizer.param_groups
        encoder["lr"], dictionary["lr"] = rate, DICTIONARY_RATE * rate

    def step(self, batch: Tensor, weights: EntropyWeights) -> PosteriorStatistics:
        """One step of Adam on a `batch` with `weights`; returns what the dictionary learned from."""
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
        """Gradients of −𝓛ᴴ of a `batch` with `weights` (Eq. 17).

        The encoder's is at its own output, the dictionary's at the refined posteriors.
        """
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
        """A few iterations of the E-step for a `batch` with `weights`, λ as in `annealed_elbo`."""
        least = least_prior_scale(self.noise_variance, weights, *self.dictionary.shape)
        prior_scales = torch.maximum(self.prior_scales, least)
        model = SparseCodingModel.unchecked(self.dictionary.detach(), prior_scales, self.noise_variance)
        return STEPWISE[self.encoder.family](
            batch, model.annealed(weights), start=posterior, n_steps=self.refinement_steps
        )

    def update_scales(self, stats: PosteriorStatistics) -> None:
        """Closed-form λ and σ² (Theorem 2) of the minibatch, mixed into the running ones."""
        share = newest_share(stats.count, self.seen, FORGETTING)
        self.prior_scales, self.noise_variance = running_scales(
            self.prior_scales, self.noise_variance, stats, share
        )
