"""Hidden Markov models with emissions of any exponential family: exact EM in log space, and mean field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.categorical import Categorical
from paperlib.elbo.chains import IndependentStates, MarkovChain, StatePosterior
from paperlib.elbo.statistics import Statistics
from paperlib.elbo.terms import EntropyTerms
from paperlib.models.contract import ExactModel, variational_em
from paperlib.models.exponential_families import Family
from paperlib.models.mixtures import FamilyMixture
from paperlib.models.mixtures.mixture import MixtureStatistics
from paperlib.system.errors import InputError
from paperlib.system.validation import check_counts, check_data, check_parameter

SWEEPS_A_ROUND = 3  # of mean field in EM
SMALL_CHANGE = 1e-12  # of probabilities, where mean field ends


@dataclass(frozen=True)
class ChainStatistics(Statistics):
    """Sums over N sequences: `starts` Σ q(z₁) (K,), `steps` Σ q(z_t, z_t₊₁) (K, K), and of `emissions`.

    The latter are those of a mixture over all times, but for their entropy, which is Σ H[q].
    """

    starts: Float[Tensor, " K"]
    steps: Float[Tensor, "K K"]
    emissions: MixtureStatistics

    @property
    def count(self) -> Float[Tensor, ""]:
        """N, the number of sequences."""
        return self.starts.sum()


@dataclass(frozen=True)
class HiddenMarkovModel(ExactModel[ChainStatistics, StatePosterior]):
    """z₁ ~ π, z_t₊₁ | z_t ~ A, and x_td | z_t of a `family`, for sequences x (N, T, D) as data points.

    Parameters are logits `starts` of π (K,) and `steps` of the rows of A (K, K), and `natural` parameters η
    (K, D, L) of the emissions.  Samples have `n_steps` T; data may have any, and statistics of sequences of
    different lengths add.  Shapes that disagree and values that are not finite, or no density's, are an
    InputError.
    """

    fitted_names: ClassVar[tuple[str, ...]] = ("starts", "steps", "natural")

    starts: Float[Tensor, "*shape"]  # (K,), checked below, as is the next
    steps: Float[Tensor, "_ _"]
    natural: Float[Tensor, "K D L"]
    family: Family
    n_steps: int

    def __post_init__(self) -> None:
        n_states = len(self.natural)
        check_parameter("starts", self.starts, (n_states,))
        check_parameter("steps", self.steps, (n_states, n_states))
        check_counts(n_steps=self.n_steps)
        _ = self.emissions  # checks the natural parameters

    @classmethod
    def random(
        cls, x: Float[Tensor, "N T D"], n_states: int, family: Family, generator: torch.Generator
    ) -> HiddenMarkovModel:
        """Model to start from, the M-step where each state prefers data `x` in a random direction of T(x)."""
        family.check_data(x)
        seen = family.sufficient(x).flatten(2)
        seen = (seen - seen.mean((0, 1))) / seen.std((0, 1)).clamp(min=torch.finfo(x.dtype).tiny)
        directions = torch.randn(seen.shape[2], n_states, generator=generator, dtype=x.dtype)
        posterior = IndependentStates((seen @ directions).clamp(-3, 3).softmax(2))  # none is excluded
        zeros, classes = x.new_zeros(n_states, n_states), Categorical(posterior.probabilities.flatten(0, 1))
        emissions = FamilyMixture.from_classes(x.flatten(0, 1), classes, family)
        model = cls(zeros[0], zeros, emissions.natural, family, x.shape[1])
        return model.fitted(model.statistics(x, posterior))

    @property
    def emissions(self) -> FamilyMixture:
        """The emissions of all states, as a mixture's classes."""
        return FamilyMixture(None, self.natural, self.family)

    def sample(
        self, n_points: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "N T D"], Float[Tensor, "N T K"]]:
        steps = self.steps.softmax(1).expand(n_points, self.n_steps - 1, -1, -1)
        prior = MarkovChain(self.starts.softmax(0).expand(n_points, -1), steps)
        z = prior.sample(1, generator)[0]
        return self.emissions.sample_classes(z.flatten(0, 1), generator).unflatten(0, z.shape[:2]), z

    def log_emissions(self, x: Float[Tensor, "N T D"]) -> Float[Tensor, "N T K"]:
        """Log p(x_t | z_t) of data `x` for every state."""
        return self.emissions.log_densities(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def log_joint(
        self, x: Float[Tensor, "N T D"], z: Float[Tensor, "*samples N T K"]
    ) -> Float[Tensor, "*samples N"]:
        first = z[..., 0, :] @ self.starts.log_softmax(0)
        steps = (z[..., :-1, :] @ self.steps.log_softmax(1) * z[..., 1:, :]).sum((-1, -2))
        return first + steps + (z * self.log_emissions(x)).sum((-1, -2))

    def posterior(self, x: Float[Tensor, "N T D"]) -> MarkovChain:
        """The exact posteriors of sequences `x`, by one pass from the last time to the first."""
        self.check_points(x)
        log_steps, emissions = self.steps.log_softmax(1), self.log_emissions(x)
        steps = log_steps.repeat(len(x), x.shape[1] - 1, 1, 1)
        later = torch.zeros_like(emissions[:, 0])  # log p(all that follows | a state)
        for t in reversed(range(steps.shape[1])):
            onward = log_steps + (emissions[:, t + 1] + later).unsqueeze(1)
            steps[:, t] = onward.softmax(2)
            later = onward.logsumexp(2)
        return MarkovChain((self.starts.log_softmax(0) + emissions[:, 0] + later).softmax(1), steps)

    def mean_field(
        self, x: Float[Tensor, "N T D"], start: IndependentStates | None = None, max_sweeps: int = 500
    ) -> IndependentStates:
        """States independent of each other, by coordinate ascent of the ELBO from time to time.

        It goes from `start` on, or from the emissions alone, and ends with a sweep that changes no
        probability by more than 10⁻¹², or after `max_sweeps`.
        """
        self.check_points(x)
        check_counts(max_sweeps=max_sweeps)
        log_steps, evidence = self.steps.log_softmax(1), self.log_emissions(x)
        evidence[:, 0] += self.starts.log_softmax(0)
        q = evidence.softmax(2) if start is None else start.probabilities.clone()
        last = q.shape[1] - 1
        for _ in range(max_sweeps):
            before = q.clone()
            for t in range(last + 1):
                from_past = q[:, t - 1] @ log_steps if t > 0 else 0.0
                from_future = q[:, t + 1] @ log_steps.T if t < last else 0.0
                q[:, t] = (evidence[:, t] + from_past + from_future).softmax(1)
            if (q - before).abs().max() < SMALL_CHANGE:
                break
        return IndependentStates(q)

    def fit_mean_field(
        self, x: Float[Tensor, "N T D"], tolerance: float = 1e-10, max_rounds: int = 10_000
    ) -> tuple[HiddenMarkovModel, IndependentStates]:
        """`fit` with independent states in place of exact chains; `tolerance`, `max_rounds` as there."""

        def infer(model: HiddenMarkovModel, before: IndependentStates | None) -> IndependentStates:
            return model.mean_field(x, before, SWEEPS_A_ROUND)

        return variational_em(self, x, infer, tolerance, max_rounds)

    def statistics(self, x: Float[Tensor, "N T D"], posterior: StatePosterior) -> ChainStatistics:
        self.check_points(x)
        states = posterior.states().double()
        if states.shape != (*x.shape[:2], len(self.starts)):
            raise InputError(
                f"Posteriors have shape {tuple(states.shape)}; {len(x)} sequences of {x.shape[1]} steps and "
                f"{len(self.starts)} states need one for each."
            )
        emissions = self.emissions.statistics(x.flatten(0, 1), Categorical(states.flatten(0, 1)))
        entropy = posterior.entropy().double().sum()
        pairs = posterior.pairs().double().sum((0, 1))
        return ChainStatistics(states[:, 0].sum(0), pairs, replace(emissions, entropy=entropy))

    def elbo(self, stats: ChainStatistics) -> Float[Tensor, ""]:
        prior = stats.starts @ self.starts.log_softmax(0) + (stats.steps * self.steps.log_softmax(1)).sum()
        sums = stats.emissions
        emitted = sums.counts @ self.emissions.mean_log_densities(sums.means)
        return (prior + emitted + sums.base + sums.entropy) / stats.count

    def entropies(self, stats: ChainStatistics) -> EntropyTerms:
        """The entropies; the prior's is H[π] and that of every step, as often as q is in its state."""
        sums = stats.emissions
        first = torch.special.entr(self.starts.softmax(0)).sum()
        of_steps = torch.special.entr(self.steps.softmax(1)).sum(1)
        return EntropyTerms(
            posterior=sums.entropy / stats.count,
            prior=first + stats.steps.sum(1) @ of_steps / stats.count,
            likelihood=sums.counts @ self.emissions.class_entropies() / stats.count,
            base=sums.base / stats.count,
        )

    def chain_entropy(self) -> Float[Tensor, ""]:
        """H[p(z)] of the chain itself over `n_steps`, in nats."""
        steps = self.steps.softmax(1).expand(1, self.n_steps - 1, -1, -1)
        return MarkovChain(self.starts.softmax(0).unsqueeze(0), steps).entropy()[0]

    def fitted(self, stats: ChainStatistics) -> HiddenMarkovModel:
        emissions = self.emissions.fitted_classes(stats.emissions)
        steps = stats.steps / stats.steps.sum(1, keepdim=True)
        starts = (stats.starts / stats.count).log().to(self.starts)
        return self.replace(starts=starts, steps=steps.log().to(self.steps), natural=emissions.natural)

    def natural_parameters(self, z: Float[Tensor, "S T K"]) -> Float[Tensor, " L"]:
        return torch.cat([tensor.flatten() for tensor in self.parameters.values()])

    def temperature(self) -> dict[str, Tensor]:
        return self.parameters

    def check_points(self, x: Tensor) -> None:
        """InputError for data `x` that are no sequences (N, T, D) of such emissions."""
        if x.ndim != 3 or x.shape[1] == 0:
            raise InputError(f"Data of shape {tuple(x.shape)} are no sequences; expected (N, T, D), T ≥ 1.")
        check_data(x.flatten(0, 1), self.natural.shape[1])
        self.family.check_data(x)
