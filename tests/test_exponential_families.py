"""Exponential families against scipy: densities, entropies, samples and maximum likelihood."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from paperlib.models.exponential_families import (
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Exponential,
    Gamma,
    GammaShape,
    Geometric,
    Laplace,
    LogNormal,
    LogNormalLocation,
    NegativeBinomial,
    Normal,
    Poisson,
    Rayleigh,
)
from paperlib.system.errors import InputError

# Family, natural parameters, and the same density of scipy.
CASES = [
    (Bernoulli(), [np.log(0.3 / 0.7)], stats.bernoulli(0.3)),
    (Categorical(3), np.log([0.2, 0.5, 0.3]) + 1, stats.rv_discrete(values=([0, 1, 2], [0.2, 0.5, 0.3]))),
    (Geometric(), [np.log(0.8)], stats.geom(0.2, loc=-1)),
    (Poisson(), [np.log(3.5)], stats.poisson(3.5)),
    (Binomial(16), [np.log(0.3 / 0.7)], stats.binom(16, 0.3)),
    (NegativeBinomial(2.5), [np.log(0.6)], stats.nbinom(2.5, 0.4)),
    (Exponential(), [-1 / 1.7], stats.expon(scale=1.7)),
    (Gamma(), [1.6, -1 / 0.4], stats.gamma(2.6, scale=0.4)),
    (Gamma(), [-0.3, -1 / 4.0], stats.gamma(0.7, scale=4.0)),
    (GammaShape(2.5), [-1 / 0.4], stats.gamma(2.5, scale=0.4)),
    (Beta(), [1.3, -0.4], stats.beta(2.3, 0.6)),
    (LogNormal(), [0.4 / 0.49 - 1, -1 / 0.98], stats.lognorm(0.7, scale=np.exp(0.4))),
    (LogNormalLocation(0.4), [-1 / 0.98], stats.lognorm(0.7, scale=np.exp(0.4))),
    (Laplace(0.5), [-1 / 1.7], stats.laplace(0.5, 1.7)),
    (Rayleigh(), [-1 / (2 * 1.7**2)], stats.rayleigh(scale=1.7)),
    (Normal(), [0.4 / 0.49, -1 / 0.98], stats.norm(0.4, 0.7)),
]
cases = pytest.mark.parametrize(("family", "natural", "other"), CASES, ids=[str(case[0]) for case in CASES])
NO_CONSTANT_BASE = {Poisson, Binomial, NegativeBinomial, GammaShape, LogNormalLocation, Rayleigh}


def tensor(values) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float64)


@cases
def test_densities_are_those_of_scipy(family, natural, other):
    x = tensor(other.rvs(size=50, random_state=0))
    expected = other.logpdf(x) if "continuous" in str(type(other)) else other.logpmf(x)
    np.testing.assert_allclose(family.log_density(x, tensor(natural)), expected, rtol=1e-12, atol=1e-13)


@cases
def test_entropies_are_those_of_scipy(family, natural, other):
    natural = tensor(natural)
    assert float(family.entropy(natural)) == pytest.approx(float(other.entropy()), rel=1e-8)
    base = other.expect(lambda x: family.log_base(tensor(x)).numpy())
    assert float(family.mean_log_base(natural)) == pytest.approx(base, rel=1e-7, abs=1e-9)
    difference = float(family.pseudo_entropy(natural) - family.entropy(natural))
    assert difference == pytest.approx(base, rel=1e-7, abs=1e-9)
    assert family.constant_base == (type(family) not in NO_CONSTANT_BASE) == (abs(base) < 1e-12)


@cases
def test_samples_have_the_mean_statistics(family, natural, other):
    natural = tensor(natural)
    x = family.sample(natural.expand(20_000, -1), torch.Generator().manual_seed(0))
    assert family.in_support(x).all()
    values = family.sufficient(x)
    error = values.std(0) / len(x) ** 0.5
    assert ((values.mean(0) - family.means(natural)).abs() < 4 * error).all()


@cases
def test_maximum_likelihood_has_the_mean_statistics_of_the_data(family, natural, other):
    x = tensor(other.rvs(size=(40, 2), random_state=1))
    means = family.sufficient(x).mean(0)
    found = family.natural(means)
    assert found.shape == (2, family.n_natural)
    torch.testing.assert_close(family.means(found), means, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0, 1e3, 1e6])
def test_newton_solves_small_and_large_shapes(scale):
    for family, other in [(Gamma(), [1.5, 2.0]), (Beta(), [1.5, 0.7])]:
        natural = tensor(other) * tensor([scale, 1.0 if family == Gamma() else scale])
        natural = natural - 1 if family == Beta() else natural * tensor([1, -1]) - tensor([1, 0])
        means = family.means(natural)
        torch.testing.assert_close(family.means(family.natural(means)), means, rtol=1e-12, atol=1e-13)


ONE_VALUE = [
    (Normal(), 0.3), (LogNormal(), 2.7), (Gamma(), 2.7), (Beta(), 0.3), (Exponential(), 0.0),
    (Poisson(), 0.0), (Geometric(), 0.0), (Bernoulli(), 1.0), (Binomial(3), 3.0), (Categorical(2), 1.0),
]  # fmt: skip
OUTSIDE = [
    (Bernoulli(), 0.5), (Categorical(3), 3.0), (Geometric(), -1.0), (Poisson(), 1.5), (Binomial(16), 17.0),
    (NegativeBinomial(2.5), -1.0), (Exponential(), -0.1), (Gamma(), 0.0), (GammaShape(2.5), 0.0),
    (Beta(), 1.0), (LogNormal(), 0.0), (LogNormalLocation(), -1.0), (Laplace(), torch.inf), (Rayleigh(), 0.0),
    (Normal(), torch.nan),
]  # fmt: skip


@pytest.mark.parametrize(("family", "value"), ONE_VALUE)
def test_data_of_one_value_have_no_maximum(family, value):
    means = family.sufficient(torch.full((7,), value, dtype=torch.float64)).mean(0)
    with pytest.raises(InputError, match="all are one value"):
        family.natural(means)


@pytest.mark.parametrize(("family", "value"), OUTSIDE)
def test_data_outside_of_the_support_are_refused(family, value):
    with pytest.raises(InputError, match=f"must be {family.support}"):
        family.check_data(tensor([value]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Binomial(0),
        lambda: Categorical(0),
        lambda: NegativeBinomial(-1.0),
        lambda: GammaShape(0.0),
    ],
)
def test_what_is_no_family_is_refused(make):
    with pytest.raises(InputError, match="must be positive"):
        make()
