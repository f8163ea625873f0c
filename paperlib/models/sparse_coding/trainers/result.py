"""What every trainer returns."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Int
from torch import Tensor

from paperlib.elbo.history import Snapshot
from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.elbo.terms import EntropyTerms
from paperlib.models.sparse_coding.inference import closed_form_scales
from paperlib.models.sparse_coding.metrics import dead_fields
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import entropies
from paperlib.models.sparse_coding.statistics import PosteriorStatistics


@dataclass(frozen=True)
class FitResult:
    """A trained model, judged on its training data with ONE λ and ONE σ².

    The `model` has the optimal λ and σ² of the whole training set (Theorem 2), `posterior` the training
    data's N posteriors; entropies and scales follow from the `stats` of these.  `history` has one row an
    epoch (or L-BFGS call), with at least `step`, `seconds` and `elbo`.
    """

    model: SparseCodingModel
    posterior: GaussianPosterior
    stats: PosteriorStatistics
    history: list[dict] = field(default_factory=list)

    @classmethod
    def from_posterior(
        cls, dictionary: Tensor, posterior: GaussianPosterior, stats: PosteriorStatistics, history: list[dict]
    ) -> FitResult:
        """Result with λ, σ² and entropies in closed form from the whole data set's statistics."""
        model = SparseCodingModel(dictionary, *closed_form_scales(stats, dictionary.dtype))
        return cls(model, posterior, stats, history)

    def snapshot(self, step: int) -> Snapshot:
        """For callbacks, after `step` steps."""
        return Snapshot(
            step, self.model.dictionary, self.history, self.model.prior_scales, self.model.noise_variance,
            self.posterior,
        )  # fmt: skip

    @property
    def terms(self) -> EntropyTerms:
        """The three entropies in nats (scalars, float64)."""
        return entropies(self.stats)

    @property
    def elbo(self) -> float:
        """Entropy ELBO in nats a data point: the sum of the three entropies (Theorem 1)."""
        return float(self.terms.elbo)

    @property
    def dead_fields(self) -> Int[Tensor, " K"]:
        """Numbers of the fields that explain nothing (`.dead_fields`)."""
        return dead_fields(self.model.prior_scales, self.model.noise_variance)
