"""The three Gaussian families against dense linear algebra and torch's and scipy's distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from problems import RANK, random_posterior, random_problem
from scipy import stats

from paperlib.elbo.posteriors import FAMILIES, LowRankGaussian, concatenate

SIZES = {"n_points": 6, "n_latents": 5}


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def posterior(family):
    return random_posterior(np.random.default_rng(1), family, **SIZES)


def dense_covariance(posterior) -> np.ndarray:
    """T of each data point from the parameters, by loops over the definition."""
    matrices = []
    for i in range(len(posterior)):
        if hasattr(posterior, "scale_tril"):
            factor = posterior.scale_tril[i].numpy()
            matrices.append(factor @ factor.T)
        else:
            matrix = np.diag(posterior.deviation[i].numpy() ** 2)
            if isinstance(posterior, LowRankGaussian):
                matrix = matrix + sum(np.outer(v, v) for v in posterior.factor[i].numpy().T)
            matrices.append(matrix)
    return np.stack(matrices)


def test_covariance_and_its_diagonal(posterior):
    dense = dense_covariance(posterior)
    np.testing.assert_allclose(posterior.covariance(), dense, atol=1e-13)
    np.testing.assert_allclose(posterior.variance, np.diagonal(dense, axis1=1, axis2=2), rtol=1e-13)
    np.testing.assert_allclose(posterior.std, np.sqrt(np.diagonal(dense, axis1=1, axis2=2)), rtol=1e-13)


def test_log_determinant_and_entropy(posterior):
    dense = dense_covariance(posterior)
    np.testing.assert_allclose(posterior.log_det(), np.linalg.slogdet(dense)[1], rtol=1e-12, atol=1e-12)
    expected = [stats.multivariate_normal(cov=matrix).entropy() for matrix in dense]
    np.testing.assert_allclose(posterior.entropy(), expected, rtol=1e-9)


def test_sum_of_covariances(posterior):
    expected = dense_covariance(posterior).sum(0)
    np.testing.assert_allclose(posterior.covariance_sum, expected, rtol=1e-12, atol=1e-12)


def test_spread(posterior):
    dictionary = torch.from_numpy(np.random.default_rng(0).normal(size=(3, posterior.mean.shape[1])))
    expected = dictionary.numpy() @ dense_covariance(posterior).sum(0)
    np.testing.assert_allclose(posterior.spread(dictionary), expected, rtol=1e-12, atol=1e-12)


def test_samples_have_the_moments(posterior):
    n_samples = 20_000
    samples = posterior.sample(n_samples, torch.Generator().manual_seed(0)).numpy()
    assert samples.shape == (n_samples, *posterior.mean.shape)
    dense = dense_covariance(posterior)
    deviation = np.sqrt(np.diagonal(dense, axis1=1, axis2=2))
    scores = (samples.mean(0) - posterior.mean.numpy()) / (deviation / math.sqrt(n_samples))
    assert np.abs(scores).max() < 4.5
    for i, matrix in enumerate(dense):
        # the standard error of a sample covariance is √((T_ii T_jj + T_ij²)/S)
        error = np.sqrt((np.outer(deviation[i] ** 2, deviation[i] ** 2) + matrix**2) / n_samples)
        assert (np.abs(np.cov(samples[:, i].T) - matrix) / error).max() < 5


def test_samples_come_from_the_generator_alone(posterior):
    first = posterior.sample(3, torch.Generator().manual_seed(5))
    torch.randn(1)
    assert torch.equal(first, posterior.sample(3, torch.Generator().manual_seed(5)))
    assert not torch.equal(first, posterior.sample(3, torch.Generator().manual_seed(6)))


def test_selecting_and_joining_points(posterior, family):
    assert len(posterior[2:5]) == 3
    again = concatenate([posterior[:1], posterior[1:4], posterior[4:]])
    assert type(again) is FAMILIES[family]
    torch.testing.assert_close(again.covariance(), posterior.covariance(), rtol=0, atol=0)
    order = torch.tensor([3, 0])
    torch.testing.assert_close(posterior[order].entropy(), posterior.entropy()[order], rtol=0, atol=0)
    mask = torch.arange(len(posterior)) > 2
    assert torch.equal(posterior[mask].mean, posterior.mean[3:])


def test_dtype_and_graph(posterior):
    assert posterior.to(torch.float32).entropy().dtype == torch.float32
    posterior.mean.requires_grad_()
    generator = torch.Generator().manual_seed(0)
    assert posterior.sample(1, generator).requires_grad
    assert not posterior.detach().sample(1, generator).requires_grad


def test_statistics_know_the_family_only_through_its_methods(family):
    # a family with covariance restricted to the diagonal is the diagonal family
    _, posterior, _ = random_problem(family, 3)
    diagonal = FAMILIES["diagonal"](posterior.mean, posterior.std)
    torch.testing.assert_close(diagonal.covariance_sum.diagonal(), posterior.covariance_sum.diagonal())
    assert (diagonal.entropy() >= posterior.entropy() - 1e-12).all()  # Hadamard's inequality


def test_low_rank_posteriors_form_no_matrix_of_the_latents():
    n_latents = 3000  # one dense covariance would be 72 MB a data point, twenty of them 1.4 GB
    posterior = random_posterior(np.random.default_rng(0), "low-rank", 20, n_latents)
    small = torch.eye(RANK) + torch.einsum(
        "nhr,nh,nhs->nrs", posterior.factor, posterior.deviation**-2, posterior.factor
    )
    expected = torch.linalg.slogdet(small)[1] + 2 * posterior.deviation.log().sum(1)
    torch.testing.assert_close(posterior.log_det(), expected)
    assert posterior.sample(2, torch.Generator().manual_seed(0)).shape == (2, 20, n_latents)
