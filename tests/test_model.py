"""The generative model: its density against scipy, its samples, and the bijection between its two forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from problems import random_dictionary
from scipy import stats

from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.system.errors import InputError

D, H = 5, 3
SCALES = torch.tensor([0.3, 1.0, 4.0], dtype=torch.float64)
NOISE_VARIANCE = torch.tensor(0.25, dtype=torch.float64)


@pytest.fixture
def model() -> SparseCodingModel:
    return SparseCodingModel(random_dictionary(np.random.default_rng(0), D, H), SCALES, NOISE_VARIANCE)


def test_log_joint_is_that_of_scipy(model):
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(6, D)), rng.laplace(size=(6, H))
    mean = z @ model.dictionary.numpy().T
    expected = stats.norm(mean, np.sqrt(NOISE_VARIANCE.item())).logpdf(x).sum(1)
    expected += stats.laplace(scale=SCALES.numpy()).logpdf(z).sum(1)
    actual = model.log_joint(torch.from_numpy(x), torch.from_numpy(z))
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_log_joint_takes_samples_of_every_point(model):
    rng = np.random.default_rng(2)
    x, z = torch.from_numpy(rng.normal(size=(4, D))), torch.from_numpy(rng.normal(size=(7, 4, H)))
    actual = model.log_joint(x, z)
    assert actual.shape == (7, 4)
    torch.testing.assert_close(actual[3], model.log_joint(x, z[3]))


def test_latents_are_laplace_and_residuals_gaussian(model):
    x, z = model.sample(20_000, torch.Generator().manual_seed(0))
    noise = (x - z @ model.dictionary.T).flatten().numpy()
    for h, scale in enumerate(SCALES.tolist()):
        assert stats.kstest(z[:, h], stats.laplace(scale=scale).cdf).pvalue > 1e-3
    assert stats.kstest(noise, stats.norm(scale=NOISE_VARIANCE.sqrt().item()).cdf).pvalue > 1e-3


def test_samples_have_the_models_covariance(model):
    n_points = 40_000
    x, z = model.sample(n_points, torch.Generator().manual_seed(1))
    correlation = np.corrcoef(z.numpy().T) - np.eye(H)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(n_points)
    expected = model.dictionary @ torch.diag(2 * SCALES**2) @ model.dictionary.T
    expected = (expected + NOISE_VARIANCE * torch.eye(D)).numpy()
    np.testing.assert_allclose(np.cov(x.numpy().T), expected, atol=0.05 * np.abs(expected).max())


def test_sampling_is_seeded_and_leaves_the_global_generator_alone(model):
    state = torch.random.get_rng_state()
    first, _ = model.sample(5, torch.Generator().manual_seed(3))
    second, _ = model.sample(5, torch.Generator().manual_seed(3))
    assert torch.equal(first, second)
    assert torch.equal(state, torch.random.get_rng_state())


def test_standard_and_reparameterized_forms_are_a_bijection(model):
    back = SparseCodingModel.from_standard(model.to_standard(), model.noise_variance)
    torch.testing.assert_close(back.dictionary, model.dictionary)
    torch.testing.assert_close(back.prior_scales, model.prior_scales)
    weights = torch.from_numpy(np.random.default_rng(4).normal(size=(D, H)))
    torch.testing.assert_close(
        SparseCodingModel.from_standard(weights, NOISE_VARIANCE).to_standard(), weights
    )


def test_both_forms_are_the_same_density(model):
    # with s = z/λ: p(x, z) dz = p(x, s) ds, so the log densities differ by Σ log λ
    rng = np.random.default_rng(5)
    x, s = rng.normal(size=(6, D)), rng.laplace(size=(6, H))
    standard = stats.norm(s @ model.to_standard().numpy().T, 0.5).logpdf(x).sum(1) + stats.laplace.logpdf(
        s
    ).sum(1)
    z = torch.from_numpy(s) * SCALES
    actual = model.log_joint(torch.from_numpy(x), z) + SCALES.log().sum()
    np.testing.assert_allclose(actual, standard, rtol=1e-12)


def test_normalized_columns_keep_their_direction():
    weights = torch.from_numpy(np.random.default_rng(6).normal(size=(D, H)))
    unit = normalize_columns(weights)
    torch.testing.assert_close(unit.norm(dim=0), torch.ones(H, dtype=torch.float64))
    torch.testing.assert_close(unit * weights.norm(dim=0), weights)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dictionary": torch.ones(D, H).double()}, "unit norm.*normalize_columns"),
        ({"prior_scales": torch.ones(H + 1).double()}, r"shape \(4,\); expected \(3,\)"),
        ({"prior_scales": torch.tensor([1.0, 0.0, 1.0]).double()}, "positive and finite"),
        ({"prior_scales": torch.tensor([1.0, float("nan"), 1.0]).double()}, "positive and finite"),
        ({"noise_variance": torch.tensor(-1.0).double()}, "positive and finite"),
        ({"noise_variance": torch.tensor(float("inf")).double()}, "positive and finite"),
    ],
)
def test_what_is_not_a_model_is_refused(model, changes, message):
    parts = {name: getattr(model, name) for name in ("dictionary", "prior_scales", "noise_variance")}
    with pytest.raises(InputError, match=message):
        SparseCodingModel(**(parts | changes))


@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_a_column_without_direction_is_refused(bad):
    weights = torch.ones(D, H)
    weights[:, 1] = bad
    with pytest.raises(InputError, match="zero or not finite"):
        normalize_columns(weights)
