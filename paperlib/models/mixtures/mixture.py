"""What all mixtures share: classes with weights π, their responsibilities, EM."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.categorical import Categorical
from paperlib.elbo.statistics import Statistics
from paperlib.elbo.terms import EntropyTerms
from paperlib.models.contract import ExactModel
from paperlib.system.errors import InputError
from paperlib.system.validation import check_data, check_parameter

M = TypeVar("M", bound="Mixture")


@dataclass(frozen=True)
class MixtureStatistics(Statistics):
    """Sums over data points, for each of C classes weighted by its responsibilities q(c).

    `counts` Σ q(c) (C,), `totals` Σ q(c) T(x) (C, …) of the sufficient statistics T, `base` Σ log h(x) () of
    the base measure h, and `entropy` Σ H[q] ().
    """

    counts: Float[Tensor, " C"]
    totals: Float[Tensor, " C *shape"]
    base: Float[Tensor, ""]
    entropy: Float[Tensor, ""]

    @property
    def count(self) -> Float[Tensor, ""]:
        """N, the number of data points."""
        return self.counts.sum()

    @property
    def means(self) -> Float[Tensor, " C *shape"]:
        """Mean T(x) of each class."""
        return self.totals / self.counts.reshape(-1, *[1] * (self.totals.ndim - 1))


@dataclass(frozen=True)
class Mixture(ExactModel[MixtureStatistics, Categorical]):
    """c ~ π, x | c ~ p(x|c) = h(x) exp(η_c·T(x) − A_c); as latents z, classes are one-hot.

    π is softmax(`logits`), learned, or 1/C and not learned where `logits` are None.
    """

    logits: Float[Tensor, "*logits"] | None  # (C,), checked below

    def __post_init__(self) -> None:
        if self.logits is not None:
            check_parameter("logits", self.logits, (self.n_classes,))

    @property
    @abstractmethod
    def n_classes(self) -> int:
        """C."""

    @property
    @abstractmethod
    def n_features(self) -> int:
        """D."""

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Names of the parameters of p(x|c)."""

    @abstractmethod
    def sufficient(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N *shape"]:
        """T(x) of data `x`."""

    @abstractmethod
    def log_base(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """Log h(x) of data `x`."""

    @abstractmethod
    def log_densities(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """Log p(x|c) of data `x` in every class."""

    @abstractmethod
    def mean_log_densities(self, means: Float[Tensor, " C *shape"]) -> Float[Tensor, " C"]:
        """Mean of log p(x|c)/h(x) over data of each class, whose mean T(x) is `means`."""

    @abstractmethod
    def class_entropies(self) -> Float[Tensor, " C"]:
        """H̃[p(x|c)] = −E log p(x|c)/h(x), the entropy of each class where h is 1."""

    @abstractmethod
    def class_natural(self) -> Float[Tensor, " C *shape"]:
        """η_c of every class."""

    @abstractmethod
    def sample_classes(self, z: Float[Tensor, "N C"], generator: torch.Generator) -> Float[Tensor, "N D"]:
        """Draw a data point of each class in `z`, one-hot."""

    @abstractmethod
    def fitted_classes(self: M, stats: MixtureStatistics) -> M:
        """`fitted`, but for the weights."""

    @property
    def fitted_names(self) -> tuple[str, ...]:
        """The logits, if they are learned, and the parameters of p(x|c)."""
        return (*(() if self.logits is None else ("logits",)), *self.class_names)

    @property
    def log_weights(self) -> Float[Tensor, " C"]:
        """Log π."""
        if self.logits is not None:
            return self.logits.log_softmax(0)
        return torch.full_like(self.parameters[self.class_names[0]][..., 0], -math.log(self.n_classes))

    def sample(
        self, n_points: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N C"]]:
        prior = Categorical(self.log_weights.exp().expand(n_points, -1))
        z = prior.sample(1, generator)[0]
        return self.sample_classes(z, generator), z

    def log_joint(
        self, x: Float[Tensor, "N D"], z: Float[Tensor, "*samples N C"]
    ) -> Float[Tensor, "*samples N"]:
        return (z * (self.log_weights + self.log_densities(x))).sum(-1)

    def posterior(self, x: Float[Tensor, "N D"]) -> Categorical:
        """The responsibilities p(c|x) of data `x`."""
        check_data(x, self.n_features)
        return Categorical((self.log_weights + self.log_densities(x)).softmax(1))

    def statistics(self, x: Float[Tensor, "N D"], posterior: Categorical) -> MixtureStatistics:
        check_data(x, self.n_features)
        q = posterior.probabilities.double()
        if q.shape != (len(x), self.n_classes):
            raise InputError(
                f"Responsibilities have shape {tuple(q.shape)}; {len(x)} data points and {self.n_classes} "
                "classes need one for each."
            )
        x = x.double()
        totals = torch.tensordot(q.T, self.sufficient(x), dims=1)
        return MixtureStatistics(q.sum(0), totals, self.log_base(x).sum(), posterior.entropy().double().sum())

    def elbo(self, stats: MixtureStatistics) -> Float[Tensor, ""]:
        prior = stats.counts @ self.log_weights
        each = self.mean_log_densities(stats.means)
        return (prior + stats.counts @ each + stats.base + stats.entropy) / stats.count

    def entropies(self, stats: MixtureStatistics) -> EntropyTerms:
        return EntropyTerms(
            posterior=stats.entropy / stats.count,
            prior=torch.special.entr(self.log_weights.exp()).sum(),
            likelihood=stats.counts @ self.class_entropies() / stats.count,
            base=stats.base / stats.count,
        )

    def fitted(self: M, stats: MixtureStatistics) -> M:
        empty = (stats.counts == 0).nonzero().flatten().tolist()
        if empty:
            raise InputError(f"No data are left in class {empty[0]}; start elsewhere or take fewer classes.")
        model = self.fitted_classes(stats)
        if self.logits is None:
            return model
        return model.replace(logits=(stats.counts / stats.count).log().to(self.logits))

    def natural_parameters(self, z: Float[Tensor, "K C"]) -> Float[Tensor, " L"]:
        """The logits, if they are learned, and η of all classes, whichever are in `z`."""
        prior = [] if self.logits is None else [self.logits]
        return torch.cat([*prior, self.class_natural().flatten()])
