"""Every registered model fulfills the contract (paperlib.testing); what is special about each is below."""

from __future__ import annotations

from pkgutil import resolve_name

import numpy as np
import torch
from problems import random_dictionary, random_posterior

from paperlib.elbo.categorical import Categorical
from paperlib.models import MODELS
from paperlib.models.exponential_families import Gamma, Poisson
from paperlib.models.linear_gaussian import PPCA, FactorAnalysis
from paperlib.models.mixtures import (
    FamilyMixture,
    FullGaussianMixture,
    IsotropicGaussianMixture,
    SharedGaussianMixture,
    kmeans_classes,
)
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.testing import ModelContract

D, H, C = 5, 2, 3


def seeded(generator: torch.Generator) -> np.random.Generator:
    return np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))


def uniform(*shape: int, generator: torch.Generator) -> torch.Tensor:
    return 0.3 + torch.rand(shape, generator=generator, dtype=torch.float64)


class TestSparseCoding(ModelContract):
    def random_model(self, generator):
        dictionary = random_dictionary(seeded(generator), D, H)
        return SparseCodingModel(dictionary, uniform(H, generator=generator), uniform(generator=generator))

    def random_posterior(self, model, x, generator):
        return random_posterior(seeded(generator), "low-rank", len(x), H)

    def fit(self, x, generator):
        model = self.random_model(generator)
        posterior, stats = fit_posterior(x, model.dictionary, "full")
        return model.fitted(stats), posterior


class TestPPCA(ModelContract):
    def random_model(self, generator):
        loadings, mean = torch.randn(D, H + 1, generator=generator, dtype=torch.float64).split([H, 1], 1)
        return PPCA(loadings, mean[:, 0], uniform(H, generator=generator), uniform(generator=generator))

    def random_posterior(self, model, x, generator):
        return random_posterior(seeded(generator), "full", len(x), H)


class TestFactorAnalysis(TestPPCA):
    def random_model(self, generator):
        model = super().random_model(generator)
        return FactorAnalysis(*list(model.parameters.values())[:-1], uniform(D, generator=generator))


class TestFullGaussianMixture(ModelContract):
    kind, learn_weights = FullGaussianMixture, True

    def random_model(self, generator):
        numbers = torch.randn(C, D + 1, generator=generator, dtype=torch.float64)
        factors = torch.randn(C, D, 2 * D, generator=generator, dtype=torch.float64) / D**0.5
        covariance = self.kind.pooled(factors @ factors.mT, torch.full((C,), 1 / C).double())
        return self.kind(numbers[:, 0] if self.learn_weights else None, 2 * numbers[:, 1:], covariance)

    def random_posterior(self, model, x, generator):
        return Categorical(torch.randn(len(x), C, generator=generator, dtype=torch.float64).softmax(1))

    def fit(self, x, generator):
        classes = kmeans_classes(x, C)
        return self.kind.from_classes(x, classes, self.learn_weights).fit(x, tolerance=1e-3)


class TestSharedGaussianMixture(TestFullGaussianMixture):
    kind = SharedGaussianMixture


class TestIsotropicGaussianMixtureOfEqualWeights(TestFullGaussianMixture):
    kind, learn_weights = IsotropicGaussianMixture, False


class TestGammaMixture(TestFullGaussianMixture):
    family, directions = Gamma(), (0.5, -1.5)

    def random_model(self, generator):
        factors = uniform(C, D, len(self.directions), generator=generator)
        natural = factors * torch.tensor(self.directions, dtype=torch.float64)
        return FamilyMixture(uniform(C, generator=generator), natural, self.family)

    def fit(self, x, generator):
        return FamilyMixture.from_classes(x, kmeans_classes(x, C), self.family).fit(x, tolerance=1e-3)


class TestPoissonMixture(TestGammaMixture):
    family, directions = Poisson(), (1.5,)


def contracts(base: type) -> list[type]:
    return [each for one in base.__subclasses__() for each in (one, *contracts(one))]


def test_every_registered_model_is_held_to_the_contract():
    tested = {type(each().random_model(torch.Generator())) for each in contracts(ModelContract)}
    assert {resolve_name(place) for place in MODELS.values()} <= tested
