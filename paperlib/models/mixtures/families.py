"""A mixture of any exponential family, each dimension of the data with natural parameters of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.categorical import Categorical
from paperlib.models.exponential_families import Family
from paperlib.models.mixtures.mixture import Mixture, MixtureStatistics
from paperlib.system.validation import check_data, check_parameter


@dataclass(frozen=True)
class FamilyMixture(Mixture):
    """c ~ π, x_d | c ~ p(x; η_cd) of a `family`, with `logits` of π (C,) or None and `natural` η (C, D, K).

    Natural parameters that are no density's, and data outside of the support, are an InputError.
    """

    natural: Float[Tensor, "C D K"]
    family: Family

    def __post_init__(self) -> None:
        super().__post_init__()
        check_parameter("natural", self.natural, (self.n_classes, self.n_features, self.family.n_natural))
        self.family.check_natural(self.natural)

    @classmethod
    def from_classes(
        cls, x: Float[Tensor, "N D"], classes: Categorical, family: Family, learn_weights: bool = True
    ) -> FamilyMixture:
        """The mixture of a `family` that is the M-step at `classes`, responsibilities of data `x`.

        Without `learn_weights` they are 1/C, now and later.
        """
        check_data(x)
        family.check_data(x)
        n_classes = classes.probabilities.shape[1]
        alike = family.natural(family.sufficient(x).mean(0)).expand(n_classes, -1, -1)
        model = cls(torch.zeros_like(alike[:, 0, 0]) if learn_weights else None, alike, family)
        return model.fitted(model.statistics(x, classes))

    @property
    def n_classes(self) -> int:
        return self.natural.shape[0]

    @property
    def n_features(self) -> int:
        return self.natural.shape[1]

    @property
    def class_names(self) -> tuple[str, ...]:
        return ("natural",)

    def sufficient(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N D K"]:
        self.family.check_data(x)
        return self.family.sufficient(x)

    def log_base(self, x: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        return self.family.log_base(x).sum(1)

    def log_densities(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        along = torch.tensordot(self.sufficient(x), self.natural.permute(1, 2, 0), dims=2)
        normalizers = self.family.log_normalizer(self.natural).sum(1)
        return along + self.log_base(x).unsqueeze(1) - normalizers

    def mean_log_densities(self, means: Float[Tensor, "C D K"]) -> Float[Tensor, " C"]:
        return (self.natural * means).sum((1, 2)) - self.family.log_normalizer(self.natural).sum(1)

    def class_entropies(self) -> Float[Tensor, " C"]:
        return self.family.pseudo_entropy(self.natural).sum(1)

    def class_natural(self) -> Float[Tensor, "C D K"]:
        return self.natural

    def sample_classes(self, z: Float[Tensor, "N C"], generator: torch.Generator) -> Float[Tensor, "N D"]:
        return self.family.sample(self.natural[z.argmax(1)], generator)

    def fitted_classes(self, stats: MixtureStatistics) -> FamilyMixture:
        return self.replace(natural=self.family.natural(stats.means).to(self.natural))

    def temperature(self) -> dict[str, Tensor]:
        """All parameters, as all are natural ones: with base measure h, log p(x|c)/h(x) grows."""
        return self.parameters
