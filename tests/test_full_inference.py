"""The exact E-step for full covariances: stationarity, an independent optimizer, and hard numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from problems import random_dictionary, random_posterior
from scipy import optimize, special, stats

from paperlib.data import PatchSampler, load_images
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.contract import elbo_of_points
from paperlib.models.sparse_coding.inference import (
    closed_form_scales,
    fit_posterior,
    full,
    infer_full,
    infer_lbfgs,
)
from paperlib.models.sparse_coding.inference.full import inverse_cholesky_
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.system.errors import InputError

SIZES = [(6, 4), (25, 10), (5, 9), (8, 1)]  # D, H: also more latents than dimensions, and a single one


def problem(seed, n_features, n_latents, n_points=20, dtype=torch.float64):
    """Data, and a model with uneven prior scales."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(2 * rng.normal(size=(n_points, n_features)))
    dictionary = random_dictionary(rng, n_features, n_latents)
    scales = torch.from_numpy(np.exp(rng.uniform(np.log(0.05), np.log(5), size=n_latents)))
    variance = torch.tensor(np.exp(rng.uniform(np.log(0.01), np.log(1))))
    x, *parameters = (tensor.to(dtype) for tensor in (x, dictionary, scales, variance))
    return x, SparseCodingModel(*parameters)


def curvature(mean, std, scales):
    """2 φ(ν/τ) / (λτ) by scipy."""
    return torch.from_numpy(2 * stats.norm.pdf((mean / std).numpy())) / (scales * std)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_result_is_stationary(seed, sizes):
    x, model = problem(seed, *sizes)
    posterior = infer_full(x, model, n_steps=100, tolerance=1e-9)
    dictionary, scales, variance = model.dictionary, model.prior_scales, model.noise_variance
    gram = dictionary.T @ dictionary
    precision = gram / variance + torch.diag_embed(curvature(posterior.mean, posterior.std, scales))
    identity = torch.eye(sizes[1], dtype=torch.float64).expand_as(precision)
    torch.testing.assert_close(precision @ posterior.covariance(), identity, atol=1e-6, rtol=0)
    slope = torch.from_numpy(special.erf((posterior.mean / posterior.std).numpy() / np.sqrt(2))) / scales
    gradient = (posterior.mean @ gram - x @ dictionary) / variance + slope
    torch.testing.assert_close(gradient * posterior.std, torch.zeros_like(gradient), atol=1e-7, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scipy_on_mean_and_cholesky_factor(seed):
    n_latents = 4
    x, model = problem(seed, 6, n_latents, n_points=1)
    w, scale, var = model.dictionary.numpy(), model.prior_scales.numpy(), float(model.noise_variance)
    point = x[0].numpy()
    rows, columns = np.tril_indices(n_latents)

    def unpack(parameters):
        factor = np.zeros((n_latents, n_latents))
        factor[rows, columns] = parameters[n_latents:]
        return parameters[:n_latents], factor

    def loss(parameters):
        mean, factor = unpack(parameters)
        std = np.sqrt((factor**2).sum(1))
        magnitude = std * np.sqrt(2 / np.pi) * np.exp(-((mean / std) ** 2) / 2)
        magnitude += mean * special.erf(mean / std / np.sqrt(2))
        error = ((point - w @ mean) ** 2).sum() + ((w @ factor) ** 2).sum()
        return error / (2 * var) + (magnitude / scale).sum() - np.log(np.abs(np.diag(factor))).sum()

    posterior = infer_full(x, model, tolerance=1e-9)
    start = np.concatenate([np.zeros(n_latents), 0.3 * np.eye(n_latents)[rows, columns]])
    found = optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-7, "maxiter": 2000})
    mean, factor = unpack(found.x)
    ours = np.concatenate([posterior.mean[0].numpy(), posterior.scale_tril[0].numpy()[rows, columns]])
    assert loss(ours) <= found.fun + 1e-9
    np.testing.assert_allclose(posterior.mean[0], mean, atol=1e-4)
    np.testing.assert_allclose(posterior.covariance()[0], factor @ factor.T, atol=1e-4)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_every_step_increases_the_elbo_of_every_point(seed, sizes):
    x, model = problem(seed, *sizes)
    x[0] *= 100  # an outlier
    model.prior_scales[0] = 1e-3
    values = torch.stack(
        [elbo_of_points(model, x, infer_full(x, model, n_steps=steps)) for steps in range(1, 9)]
    )
    assert (values.diff(dim=0) >= -1e-9 * values[:-1].abs()).all()


def test_a_few_steps_from_a_cold_start_suffice():
    dictionary = problem(0, 64, 30, dtype=torch.float32)[1].dictionary
    scales, variance = torch.linspace(0.1, 1, 30), torch.tensor(0.01)  # as on image patches
    model = SparseCodingModel(dictionary, scales, variance)
    x, _ = model.sample(1000, torch.Generator().manual_seed(0))
    posterior = infer_full(x, model, n_steps=8)
    slope = torch.erf(posterior.mean / posterior.std / 2**0.5) / scales
    target = x @ dictionary / variance
    gradient = posterior.mean @ (dictionary.T @ dictionary) / variance - target + slope
    relative = gradient.norm(dim=1) / target.norm(dim=1)
    assert relative.quantile(0.999) < 1e-5


def test_agrees_with_lbfgs_in_float64_on_image_patches():
    patches = PatchSampler(load_images("photos"), 8, seed=0).draw(550)
    x, dictionary = patches[:12], normalize_columns(patches[-40:].T)
    scales, variance = closed_form_scales(fit_posterior(patches, dictionary)[1], torch.float32)
    found = infer_full(x, SparseCodingModel(dictionary, scales, variance)).to(torch.float64)
    x, *parameters = (value.double() for value in (x, dictionary, scales, variance))
    model = SparseCodingModel.unchecked(*parameters)
    optimum = infer_lbfgs(x, model, "full", max_iterations=2000)
    ours, theirs = (elbo_of_points(model, x, q) for q in (found, optimum))
    torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=0)
    for name in ("mean", "std"):
        difference = (getattr(found, name) - getattr(optimum, name)).abs().max()
        assert difference / variance.sqrt() < 3e-4, name


def test_any_start_leads_to_the_same_posteriors():
    x, model = problem(1, 25, 10)
    cold = infer_full(x, model, tolerance=1e-8)
    start = random_posterior(np.random.default_rng(0), "full", 20, 10)
    warm = infer_full(x, model, start=start, n_steps=100, tolerance=1e-8)
    torch.testing.assert_close(warm.mean, cold.mean, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(warm.covariance(), cold.covariance(), atol=1e-6, rtol=1e-6)
    again = infer_full(x, model, start=cold, n_steps=1)
    torch.testing.assert_close(again.scale_tril, cold.scale_tril, atol=1e-6, rtol=1e-6)


def test_annealing_changes_the_scales():
    x, model = problem(2, 6, 4)
    weights = EntropyWeights(posterior=2.0, prior=4.0, likelihood=0.5)
    annealed = infer_full(x, model.annealed(weights))
    scales, variance = model.prior_scales / 2, model.noise_variance * 4
    equivalent = infer_full(x, SparseCodingModel(model.dictionary, scales, variance))
    torch.testing.assert_close(annealed.mean, equivalent.mean)
    torch.testing.assert_close(annealed.scale_tril, equivalent.scale_tril)


def test_points_do_not_depend_on_each_other():
    """Of so many points that they are worked on in more than one chunk."""
    x, model = problem(3, 6, 128)
    many = x.repeat(1 + full.CHUNK_SIZE // 128**2 // len(x), 1)
    together, apart = infer_full(many, model, tolerance=1e-8), infer_full(x, model, tolerance=1e-8)
    for few in (together[: len(x)], together[-len(x) :]):
        torch.testing.assert_close(few.mean, apart.mean)
        torch.testing.assert_close(few.scale_tril, apart.scale_tril)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e30])
@pytest.mark.parametrize("variance", [1e-12, 1e-4, 1.0, 1e12])
def test_extreme_scales_give_finite_posteriors(scale, variance, dtype):
    x, model = problem(0, 6, 9, dtype=dtype)
    x[0], x[1] = 0, x[1] * 1e4
    model.dictionary[:, 1] = model.dictionary[:, 0]  # a singular Gram matrix
    scales, noise_variance = torch.full((9,), scale, dtype=dtype), torch.tensor(variance, dtype=dtype)
    posterior = infer_full(x, SparseCodingModel(model.dictionary, scales, noise_variance))
    assert torch.isfinite(posterior.mean).all() and torch.isfinite(posterior.scale_tril).all()
    assert (posterior.scale_tril.diagonal(dim1=-2, dim2=-1) > 0).all()


def test_zero_data_have_zero_mean():
    _, model = problem(0, 6, 4)
    posterior = infer_full(torch.zeros(3, 6, dtype=torch.float64), model)
    assert not posterior.mean.any()


def test_bad_input_is_refused():
    x, model = problem(0, 6, 4)
    with pytest.raises(InputError, match="do not fit"):
        infer_full(x[:, :5], model)
    x[0, 0] = torch.nan
    with pytest.raises(InputError, match="NaN"):
        infer_full(x, model)


@pytest.mark.parametrize("size", [1, 5, 16, 17, 40, 101])
def test_inverse_cholesky_factors_by_halves(size):
    generator = torch.Generator().manual_seed(size)
    square = torch.randn(4, size, size + 3, generator=generator, dtype=torch.float64)
    matrices = square @ square.mT / size
    root = matrices.clone()
    valid = inverse_cholesky_(root)
    expected = np.linalg.inv(np.linalg.cholesky(matrices.numpy()))
    assert valid.all()
    np.testing.assert_allclose(root, expected, rtol=1e-8, atol=1e-8)


def test_inverse_cholesky_says_which_matrices_are_not_positive_definite():
    matrices = torch.eye(40).repeat(3, 1, 1)
    matrices[1, 30, 30] = -1  # in the second half
    matrices[2, 3, 3] = 0
    assert inverse_cholesky_(matrices).tolist() == [True, False, False]
