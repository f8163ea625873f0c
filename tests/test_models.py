"""Every registered model fulfills the contract (paperlib.testing); what is special about each is below."""

from __future__ import annotations

from pkgutil import resolve_name

import numpy as np
import pytest
import test_vae  # noqa: F401 its models are held to the contract there
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import random_dictionary, random_posterior

from paperlib.elbo.binary import BinaryTable, IndependentBinary
from paperlib.elbo.categorical import Categorical
from paperlib.elbo.chains import IndependentStates, MarkovChain
from paperlib.models import MODELS
from paperlib.models.belief_nets import BeliefNet, TwoLayerBeliefNet
from paperlib.models.contract import Model
from paperlib.models.exponential_families import Gamma, Poisson
from paperlib.models.gap import gap
from paperlib.models.hidden_markov import HiddenMarkovModel
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
from paperlib.system.errors import InputError
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


class TestBeliefNet(ModelContract):
    def random_model(self, generator):
        weights, biases = torch.randn(D, H + 1, generator=generator, dtype=torch.float64).split([H, 1], 1)
        return BeliefNet(uniform(H, generator=generator), weights, biases[:, 0])

    def random_posterior(self, model, x, generator):
        logits = torch.randn(len(x), model.n_latents, generator=generator, dtype=torch.float64)
        return IndependentBinary(logits)

    def fit(self, x, generator):
        model = self.random_model(generator)
        posterior = self.random_posterior(model, x, generator)
        return model.fitted(model.statistics(x, posterior)), posterior


class TestBeliefNetOfCounts(TestBeliefNet):
    def random_model(self, generator):
        return BeliefNet(**super().random_model(generator).parameters, family=Poisson())

    def random_posterior(self, model, x, generator):
        table = torch.rand(len(x), 2**model.n_latents, generator=generator, dtype=torch.float64)
        return BinaryTable(table / table.sum(1, keepdim=True))


class TestTwoLayerBeliefNet(TestBeliefNet):
    def random_model(self, generator):
        visible, top = (super(TestTwoLayerBeliefNet, self).random_model(generator) for _ in range(2))
        of_top = top.logits, top.weights[:3], top.biases[:3]
        weights = torch.cat([visible.weights, uniform(D, 1, generator=generator)], 1)
        return TwoLayerBeliefNet(*of_top, weights, visible.biases)


class TestHiddenMarkovModel(ModelContract):
    family, directions, n_steps = Gamma(), (0.5, -1.5), 4

    def random_model(self, generator):
        chain = torch.randn(C + 1, C, generator=generator, dtype=torch.float64)
        factors = uniform(C, 2, len(self.directions), generator=generator)
        natural = factors * torch.tensor(self.directions, dtype=torch.float64)
        return HiddenMarkovModel(chain[0], chain[1:], natural, self.family, self.n_steps)

    def random_posterior(self, model, x, generator):
        logits = torch.randn(len(x), model.n_steps, C, C, generator=generator, dtype=torch.float64)
        return MarkovChain(logits[:, 0, 0].softmax(1), logits[:, 1:].softmax(3))

    def fit(self, x, generator):
        return HiddenMarkovModel.random(x, C, self.family, generator).fit(x, tolerance=1e-3)


class TestHiddenMarkovModelOfCountsWithIndependentStates(TestHiddenMarkovModel):
    family, directions = Poisson(), (1.5,)

    def random_posterior(self, model, x, generator):
        logits = torch.randn(len(x), model.n_steps, C, generator=generator, dtype=torch.float64)
        return IndependentStates(logits.softmax(2))

    def fit(self, x, generator):
        return HiddenMarkovModel.random(x, C, self.family, generator).fit_mean_field(x, tolerance=1e-3)


def contracts(base: type) -> list[type]:
    return [each for one in base.__subclasses__() for each in (one, *contracts(one))]


def test_every_registered_model_is_held_to_the_contract():
    tested = {type(each().random_model(torch.Generator())) for each in contracts(ModelContract)}
    assert {resolve_name(place) for place in MODELS.values()} <= tested


TESTED = [kind for kind in contracts(ModelContract) if not kind.__abstractmethods__]
each_model = pytest.mark.parametrize("kind", TESTED, ids=lambda kind: kind.__name__)


@each_model
@settings(max_examples=10)
@given(st.integers(0, 2**63 - 1))
def test_the_gap_identity_holds_at_random_parameters(kind, seed):
    found = gap(*kind().problem(seed))
    scale = float(found.elbo.abs() + found.terms.elbo.abs())
    assert abs(float(found.difference - found.derivative)) <= 1e-10 * scale


class Searching(PPCA):
    """PPCA that does not write its temperature down."""

    temperature = Model.temperature


class Silent(Searching):
    """PPCA that says nothing."""

    natural_parameters = Model.natural_parameters


@each_model
def test_the_temperature_is_found_where_natural_parameters_are_given(kind):
    model = kind().problem(0)[0]
    if type(model).natural_parameters is Model.natural_parameters:
        return
    found, written = model.find_temperature(), model.temperature()
    assert found.exists
    z = model.sample(5, torch.Generator().manual_seed(1))[1]

    def eta(**moved):
        return model.replace(**moved).natural_parameters(z)

    names = list(model.parameters)
    zero = {name: torch.zeros_like(model.parameters[name]) for name in names}
    for along in (found.along, {**zero, **written}):
        value, slope = torch.func.jvp(
            lambda *t: eta(**dict(zip(names, t, strict=True))),
            tuple(model.parameters.values()),
            tuple(along[name] for name in names),
        )
        torch.testing.assert_close(slope, value, rtol=1e-8, atol=1e-10)


def test_a_model_whose_scales_are_fixed_has_no_temperature():
    model = TestPPCA().problem(0)[0]
    for fixed in ("noise", "prior_variances"):
        assert not model.find_temperature(set(model.parameters) - {fixed}).exists
    assert model.find_temperature(["noise", "prior_variances"]).exists


def test_a_temperature_that_is_not_written_down_is_found_or_said_to_be_missing():
    model, x, posterior = TestPPCA().problem(0)
    written = gap(model, x, posterior)
    found = gap(Searching(**model.parameters), x, posterior)
    torch.testing.assert_close(found.derivative, written.derivative, rtol=1e-10, atol=0)
    with pytest.raises(InputError, match="Silent says neither"):
        gap(Silent(**model.parameters), x, posterior)
