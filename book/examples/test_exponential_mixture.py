"""A mixture of exponentials: c ~ π, x_d | c ~ Exp with mean s_cd.  Run it with pytest."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from paperlib.elbo.categorical import Categorical
from paperlib.elbo.statistics import Statistics
from paperlib.elbo.terms import EntropyTerms
from paperlib.models.contract import ExactModel
from paperlib.system.errors import InputError
from paperlib.system.validation import check_parameter
from paperlib.testing import ModelContract


@dataclass(frozen=True)
class MixtureStatistics(Statistics):
    counts: Tensor  # (C,) Σ q(c)
    totals: Tensor  # (C, D) Σ q(c) x
    entropy: Tensor  # () Σ H[q]


@dataclass(frozen=True)
class ExponentialMixture(ExactModel[MixtureStatistics, Categorical]):
    fitted_names: ClassVar[tuple[str, ...]] = ("logits", "means")
    logits: Tensor  # (C,), π = softmax(logits)
    means: Tensor  # (C, D)

    def __post_init__(self):
        check_parameter("logits", self.logits, self.means.shape[:1])
        check_parameter("means", self.means, self.means.shape, positive=True)

    def sample(self, n_points, generator):
        prior = Categorical(self.logits.softmax(0).expand(n_points, -1))
        z = prior.sample(1, generator)[0]
        means = z @ self.means
        return means * torch.empty_like(means).exponential_(generator=generator), z

    def log_densities(self, x):  # log p(x, c) of each class, (N, C)
        return self.logits.log_softmax(0) - x @ (1 / self.means).T - self.means.log().sum(1)

    def log_joint(self, x, z):
        return (z * self.log_densities(x)).sum(-1)

    def posterior(self, x):
        return Categorical(self.log_densities(x).softmax(1))

    def statistics(self, x, posterior):
        if x.shape != (len(posterior), self.means.shape[1]):
            raise InputError(f"Data have shape {tuple(x.shape)}, which fits neither posteriors nor means.")
        q = posterior.probabilities.double()
        return MixtureStatistics(q.sum(0), q.T @ x.double(), posterior.entropy().sum())

    def elbo(self, stats):
        each = (self.means.log() * stats.counts[:, None] + stats.totals / self.means).sum()
        return (stats.counts @ self.logits.log_softmax(0) - each + stats.entropy) / stats.counts.sum()

    def entropies(self, stats):
        return EntropyTerms(
            posterior=stats.entropy / stats.counts.sum(),
            prior=torch.special.entr(self.logits.softmax(0)).sum(),
            likelihood=stats.counts @ (1 + self.means.log()).sum(1) / stats.counts.sum(),
        )

    def fitted(self, stats):
        return self.replace(logits=stats.counts.log(), means=stats.totals / stats.counts[:, None])

    def temperature(self):
        return {"logits": self.logits, "means": -self.means}


class TestExponentialMixture(ModelContract):
    def random_model(self, generator):
        numbers = torch.rand(3, 5, generator=generator, dtype=torch.float64)
        return ExponentialMixture(3 * numbers[:, 0], 0.3 + numbers[:, 1:])

    def random_posterior(self, model, x, generator):
        return Categorical(torch.randn(len(x), 3, generator=generator, dtype=torch.float64).softmax(1))
