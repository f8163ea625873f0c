"""PPCA and factor analysis against scikit-learn, scipy and the eigenvalues of the data's covariance."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.decomposition import FactorAnalysis as OtherFactorAnalysis

from paperlib.models.contract import elbo_of_points
from paperlib.models.gap import gap
from paperlib.models.linear_gaussian import PPCA, FactorAnalysis
from paperlib.system.errors import InputError

D, H = 13, 3


def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def wine():
    data = load_wine().data
    return torch.from_numpy((data - data.mean(0)) / data.std(0))


@pytest.fixture(params=[PPCA, FactorAnalysis])
def model(request, wine):
    """At no stationary point, v not 1."""
    start = request.param.random(wine, H, generator())
    return start.replace(prior_variances=torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64))


def test_the_log_likelihood_is_that_of_the_marginal_gaussian(wine, model):
    marginal = stats.multivariate_normal(model.mean.numpy(), model.covariance().numpy())
    expected = marginal.logpdf(wine.numpy())
    np.testing.assert_allclose(elbo_of_points(model, wine, model.posterior(wine)), expected, rtol=1e-10)
    assert float(model.log_likelihood(wine)) == pytest.approx(expected.mean(), rel=1e-12)
    assert float(model.marginal_entropy()) == pytest.approx(marginal.entropy(), rel=1e-12)


def test_posteriors_are_the_joint_gaussian_conditioned_on_the_data(wine, model):
    prior, weights = np.diag(model.prior_variances.numpy()), model.loadings.numpy()
    gain = prior @ weights.T @ np.linalg.inv(model.covariance().numpy())
    posterior = model.posterior(wine)
    np.testing.assert_allclose(posterior.mean, (wine - model.mean).numpy() @ gain.T, atol=1e-12)
    expected = np.broadcast_to(prior - gain @ weights @ prior, (len(wine), H, H))
    np.testing.assert_allclose(posterior.covariance(), expected, atol=1e-12)


def test_the_standard_form_is_the_same_density_of_x(wine, model):
    standard = type(model).from_standard(model.to_standard(), model.mean, model.noise)
    assert torch.equal(standard.prior_variances, torch.ones(H).double())
    torch.testing.assert_close(standard.log_likelihood(wine), model.log_likelihood(wine))


def test_ppca_of_wine_is_that_of_scikit_learn(wine):
    # which divides the covariance by N − 1
    pca, ratio = PCA(H).fit(wine.numpy()), len(wine) / (len(wine) - 1)
    model = PPCA.stationary(wine, H)
    other = PPCA.from_standard(model.loadings * ratio**0.5, model.mean, model.noise * ratio)
    assert float(other.log_likelihood(wine)) == pytest.approx(pca.score(wine.numpy()), rel=1e-10)
    assert float(model.log_likelihood(wine)) == pytest.approx(-15.70179197, abs=1e-8)


@pytest.mark.parametrize(
    ("kind", "n_latents", "expected"), [(PPCA, 3, -15.70179197), (FactorAnalysis, 2, -15.43365760)]
)
def test_em_finds_the_maximum(wine, kind, n_latents, expected):
    model, posterior = kind.random(wine, n_latents, generator()).fit(wine)
    assert float(gap(model, wine, posterior).terms.elbo) == pytest.approx(expected, abs=1e-8)
    assert float(-model.marginal_entropy()) == pytest.approx(expected, abs=1e-5)


def test_factor_analysis_of_wine_is_that_of_scikit_learn(wine):
    other = OtherFactorAnalysis(2, tol=1e-12, max_iter=10_000, svd_method="lapack").fit(wine.numpy())
    model, _ = FactorAnalysis.random(wine, 2, generator()).fit(wine)
    assert float(model.log_likelihood(wine)) == pytest.approx(other.score(wine.numpy()), abs=1e-8)


ADMISSIBLE = [
    kept
    for size in range(H + 1)
    for kept in combinations(range(4), size)
    if kept not in {(3,), (1, 3), (2, 3), (1, 2, 3), (0, 2, 3)}
]


@pytest.mark.parametrize("kept", ADMISSIBLE)
def test_ppca_is_stationary_whichever_eigenvalues_it_retains(wine, kept):
    model = PPCA.stationary(wine, H, kept)
    leaves = {name: value.requires_grad_() for name, value in model.parameters.items()}
    moving = model.replace(**leaves)
    log_likelihood = moving.log_likelihood(wine)
    for slope in torch.autograd.grad(log_likelihood, list(leaves.values())):
        assert slope.abs().max() < 1e-10
    values = np.linalg.eigvalsh(np.cov(wine.numpy().T, bias=True))[::-1]
    rest = np.delete(values, kept)
    expected = D * np.log(2 * np.pi * np.e) + len(rest) * np.log(rest.mean())
    expected += np.log(values[list(kept)]).sum()
    assert float(log_likelihood.detach()) == pytest.approx(-expected / 2, rel=1e-12)
    assert float(-model.marginal_entropy().detach()) == pytest.approx(-expected / 2, rel=1e-12)


def test_without_loadings_wine_is_a_ball(wine):
    assert float(PPCA.stationary(wine, H, ()).log_likelihood(wine)) == pytest.approx(-18.446201, abs=1e-6)


@pytest.mark.parametrize(
    ("n_latents", "retained", "message"),
    [
        (D, None, "cannot be retained"),
        (2, (0, 1, 2), "cannot be retained"),
        (2, (0, D), "cannot be retained"),
        (2, (11, 12), "no stationary point"),
        (0, None, "must be positive"),
    ],
)
def test_eigenvalues_that_cannot_be_retained_are_refused(wine, n_latents, retained, message):
    with pytest.raises(InputError, match=message):
        PPCA.stationary(wine, n_latents, retained)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": torch.ones(D + 1).double()}, r"mean has shape \(14,\); expected \(13,\)"),
        ({"prior_variances": torch.zeros(H).double()}, "prior_variances must be positive and finite"),
        ({"noise": -torch.ones(()).double()}, "noise"),
    ],
)
def test_what_is_no_model_is_refused(model, changes, message):
    with pytest.raises(InputError, match=message):
        model.replace(**changes)


def test_data_of_another_size_are_refused(wine, model):
    with pytest.raises(InputError, match="12 features, but the model has 13"):
        model.posterior(wine[:, 1:])
