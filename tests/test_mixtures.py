"""Mixtures against scikit-learn and by hand: likelihoods, k-means, truncation, singular classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.mixture import GaussianMixture

from paperlib.elbo.categorical import Categorical
from paperlib.models import exponential_families as families
from paperlib.models.gap import gap
from paperlib.models.mixtures import (
    FamilyMixture,
    FullGaussianMixture,
    IsotropicGaussianMixture,
    SharedGaussianMixture,
    fit_best,
    kmeans_classes,
)
from paperlib.system.errors import InputError

C = 3
FORMS = [(FullGaussianMixture, "full"), (SharedGaussianMixture, "tied")]


@pytest.fixture(scope="module")
def wine():
    data = load_wine().data[:, :5]
    return torch.from_numpy((data - data.mean(0)) / data.std(0))


def hard(posterior: Categorical) -> Categorical:
    return posterior.truncated(1)


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_log_likelihood_and_em_are_those_of_scikit_learn(wine, kind, form):
    other = GaussianMixture(C, covariance_type=form, reg_covar=0, tol=1e-11, max_iter=5000, random_state=0)
    other.fit(wine.numpy())
    parameters = (
        torch.from_numpy(value) for value in (np.log(other.weights_), other.means_, other.covariances_)
    )
    model = kind(*parameters)
    assert float(model.log_likelihood(wine)) == pytest.approx(other.score(wine.numpy()), rel=1e-12)
    np.testing.assert_allclose(
        model.posterior(wine).probabilities, other.predict_proba(wine.numpy()), atol=1e-10
    )
    again, _ = model.fit(wine)
    assert float(again.log_likelihood(wine)) == pytest.approx(other.lower_bound_, abs=1e-7)


def test_one_variance_is_the_textbook_likelihood(wine):
    model = IsotropicGaussianMixture.from_classes(wine, kmeans_classes(wine, C))
    squares = (wine.unsqueeze(1) - model.means).square().sum(2)
    log_densities = -squares / (2 * model.covariance) - 5 / 2 * torch.log(2 * torch.pi * model.covariance)
    expected = (model.log_weights + log_densities).logsumexp(1).mean()
    torch.testing.assert_close(model.log_likelihood(wine), expected)


def test_hard_classes_of_equal_weight_and_one_variance_are_kmeans(wine):
    other = KMeans(C, n_init=20, random_state=0, tol=0).fit(wine.numpy())
    labels = torch.nn.functional.one_hot(torch.from_numpy(other.labels_).long(), C).double()
    start = IsotropicGaussianMixture.from_classes(wine, Categorical(labels), learn_weights=False)
    model, posterior = start.fit(wine, restrict=hard)
    assert torch.equal(posterior.probabilities, labels)
    np.testing.assert_allclose(model.means, other.cluster_centers_, rtol=1e-12)
    error = other.inertia_ / len(wine)
    assert float(model.covariance) == pytest.approx(error / 5, rel=1e-12)
    expected = -math.log(C) - 5 / 2 * math.log(2 * math.pi * math.e * error / 5)
    found = gap(model, wine, posterior)
    assert float(found.elbo) == pytest.approx(expected, abs=1e-12)
    assert float(found.terms.elbo) == pytest.approx(expected, abs=1e-12)
    assert expected >= -6.90865556


# ELBOs that were computed for this project without it, at the local optima found then.
KNOWN = [
    (FullGaussianMixture, True, 3, -5.99986644),
    (FullGaussianMixture, True, 2, -6.00850082),
    (FullGaussianMixture, True, 1, -6.30243865),
    (FullGaussianMixture, False, 3, -6.03235713),
    (SharedGaussianMixture, True, 3, -6.42424398),
    (IsotropicGaussianMixture, True, 3, -6.78211068),
    (IsotropicGaussianMixture, False, 1, -6.90865556),
]


@pytest.mark.parametrize(("kind", "learn_weights", "n_kept", "known"), KNOWN)
def test_em_on_wine_is_at_least_as_good_as_before_and_ends_at_entropies(
    wine, kind, learn_weights, n_kept, known
):
    start = kind.from_classes(wine, kmeans_classes(wine, C), learn_weights)
    model, posterior = start.fit(wine, tolerance=1e-9, restrict=lambda q: q.truncated(n_kept))
    found = gap(model, wine, posterior)
    assert float(found.elbo) >= known - 1e-7
    assert abs(found.difference) < 1e-12


FAMILIES = [
    families.Bernoulli(), families.Categorical(3), families.Geometric(), families.Poisson(),
    families.Binomial(9), families.NegativeBinomial(2.5), families.Exponential(), families.Gamma(),
    families.GammaShape(2.5), families.Beta(), families.LogNormal(), families.LogNormalLocation(0.3),
    families.Laplace(0.3), families.Rayleigh(), families.Normal(),
]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_one_em_learns_every_family(family):
    """EM only climbs, and the gap is the derivative along the temperature before, and 0 after it."""
    data = torch.rand(60, 2, generator=torch.Generator().manual_seed(0)).double() * 0.9 + 0.05
    x = data if family.in_support(data).all() else (data * 2.9).floor().clamp(max=1 + (family != FAMILIES[0]))
    start = FamilyMixture.from_classes(x, kmeans_classes(x, 2), family)
    elbos = []
    for _ in range(4):
        posterior = start.posterior(x)
        found = gap(start, x, posterior)
        torch.testing.assert_close(found.difference, found.derivative, rtol=1e-8, atol=1e-12)
        elbos.append(float(found.elbo))
        start = start.fitted(start.statistics(x, posterior))
        assert abs(gap(start, x, posterior).difference) < 1e-12 * max(1, abs(elbos[-1]))
    assert sorted(elbos) == elbos


def test_truncated_responsibilities_are_the_best_on_so_many_classes(wine):
    model = FullGaussianMixture.from_classes(wine, kmeans_classes(wine, C))
    exact = model.posterior(wine)
    elbos = []
    for n_kept in (1, 2, 3):
        q = exact.truncated(n_kept)
        assert ((q.probabilities > 0).sum(1) <= n_kept).all()
        torch.testing.assert_close(q.probabilities.sum(1), torch.ones(len(wine)).double())
        elbos.append(float(model.elbo(model.statistics(wine, q))))
        kept = exact.probabilities.topk(n_kept, 1).values.sum(1).log().mean()
        assert elbos[-1] == pytest.approx(float(model.log_likelihood(wine) + kept), abs=1e-12)
    assert elbos == sorted(elbos)
    with pytest.raises(InputError, match="Of 3 classes at most as many can be kept, not 4"):
        exact.truncated(4)
    with pytest.raises(InputError, match="must be positive"):
        exact.truncated(0)


EYES = torch.eye(5).expand(2, 5, 5).double()


def classes_of(*labels: int) -> Categorical:
    return Categorical(torch.nn.functional.one_hot(torch.tensor(labels)).double())


def test_a_class_that_is_left_with_one_point_is_refused():
    x = torch.tensor([[0.0, 0.0], [1.0, 0.2], [0.3, 1.0], [5.0, 5.0]]).double()
    one_alone = classes_of(0, 0, 0, 1)
    with pytest.raises(InputError, match="Class 1 is left with data on one point"):
        FullGaussianMixture.from_classes(x, one_alone)
    SharedGaussianMixture.from_classes(x, one_alone)
    with pytest.raises(InputError, match="all are one value"):
        FamilyMixture.from_classes(x + 1, one_alone, families.Gamma())
    with pytest.raises(InputError, match="No data are left in class 2"):
        SharedGaussianMixture.from_classes(x, Categorical(torch.eye(3).double()[[0, 0, 1, 1]]))


def test_the_best_of_several_starts_is_taken():
    x = torch.cat([torch.randn(40, 2), torch.randn(40, 2) + 5]).double()
    good = SharedGaussianMixture.from_classes(x, classes_of(*[0] * 40, *[1] * 40))
    bad = good.replace(means=good.means[:1].expand(2, -1))  # a saddle point
    for starts in ([good, bad], [bad, good]):
        model, _ = fit_best(starts, x, tolerance=1e-6)
        assert float(model.log_likelihood(x)) == pytest.approx(float(good.log_likelihood(x)), abs=0.01)
    corners = torch.tensor([[0.0, 0.0], [50.0, 50.0]]).double()
    x[0] = corners[1]  # all that the second class is left with
    collapsing = FullGaussianMixture(None, corners, torch.eye(2).expand(2, 2, 2).double())
    with pytest.raises(InputError, match="Class"):
        fit_best([collapsing], x)
    with pytest.raises(InputError, match="no start"):
        fit_best([], x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: FullGaussianMixture(None, x[:2], -EYES), "positive definite"),
        (lambda x: FullGaussianMixture(torch.zeros(3).double(), x[:2], EYES), "logits"),
        (lambda x: SharedGaussianMixture(None, x[:2], torch.ones(5, 5).double().triu()), "symmetric"),
        (lambda x: IsotropicGaussianMixture(None, x[:2], torch.ones(5).double()), "covariance has shape"),
        (lambda x: FamilyMixture(None, torch.ones(2, 5, 1).double(), families.Geometric()), "No Geometric"),
        (lambda x: FamilyMixture(None, torch.ones(2, 5, 1).double(), families.Gamma()), "natural has shape"),
        (lambda x: kmeans_classes(x[:2], 3), "too few for 3 classes"),
        (lambda x: FamilyMixture.from_classes(x, kmeans_classes(x, 2), families.Gamma()), "must be positive"),
    ],
)  # fmt: skip
def test_what_is_no_mixture_is_refused(wine, make, message):
    with pytest.raises(InputError, match=message):
        make(wine)
