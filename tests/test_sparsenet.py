"""Sparsenet's inference and learning against autograd, scipy and the definitions; scikit-learn's learners."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize

from paperlib.data import Images
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.papers.sparse_codes.learners import sparsenet
from paperlib.papers.sparse_codes.learners.scikit_learn import (
    learn_ica,
    learn_minibatch_dictionary,
    learn_pca,
    unit_columns,
)
from paperlib.papers.sparse_codes.learners.sparsenet import Cost, fit_sparsenet, infer_codes
from paperlib.system.errors import InputError


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def problem(seed=0, n=12, n_features=9, n_latents=6, size=1.0):
    """Patches and weights with columns of different norms, float64."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n_features, n_latents)) * rng.uniform(0.2, 1.5, n_latents) / 3
    return torch.from_numpy(size * rng.normal(size=(n, n_features))), torch.from_numpy(weights)


@pytest.fixture(scope="module")
def texture():
    """Sparse texture of about the variance that the cost's weights are meant for."""
    noise = np.random.default_rng(0).laplace(scale=0.2, size=(3, 40, 41))
    return Images(tuple(noise[..., 1:] + noise[..., :-1]), "texture")


def learn(images, seed=0, **options):
    return fit_sparsenet(images, 5, 8, generator=seeded(seed), **{"n_batches": 20, **options})


def test_the_penalty_s_gradient_is_autograd_s():
    codes = (torch.randn(5, 7, generator=seeded()).double()).requires_grad_()
    cost = Cost(sparsity=3.0, scale=0.4)
    (wanted,) = torch.autograd.grad(cost.penalty(codes).sum(), codes)
    torch.testing.assert_close(cost.penalty_gradient(codes.detach()), wanted)


@pytest.mark.parametrize("cost", [Cost(), Cost(sparsity=1.3, scale=2.0), Cost(sparsity=8.0)])
def test_half_of_the_assumed_prior_is_below_its_median(cost):
    """Against quadrature, in units of σ."""

    def prior(u):
        return (1 + u**2) ** -cost.sparsity

    below = quad(prior, 0, cost.prior_median / cost.scale)[0]
    assert below / quad(prior, 0, np.inf)[0] == pytest.approx(0.5, rel=1e-6)
    assert Cost(sparsity=0.5).prior_median == math.inf


def test_a_patch_of_zeros_has_a_code_of_zeros():
    x, weights = problem()
    x[1] = 0
    codes = infer_codes(x, weights)
    assert torch.isfinite(codes).all() and not codes[1].any() and codes[0].any()


def test_inferred_codes_are_stationary_and_as_good_as_those_of_scipy():
    """From the same start L-BFGS in float64 finds no lower minimum of any patch (here one has several)."""
    (x, weights), cost = problem(), Cost()
    codes = infer_codes(x, weights, tolerance=1e-15, max_iterations=500)
    free = codes.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cost(x, free, weights).sum(), free)
    assert gradient.abs().max() < 1e-3  # of about 100 where the codes are zero
    start = x @ weights / weights.square().sum(0)

    def objective(flat, patch):
        s = torch.from_numpy(flat).requires_grad_()
        value = cost(patch[None], s[None], weights).sum()
        return value.item(), torch.autograd.grad(value, s)[0].numpy()

    found = [
        minimize(objective, s, args=(patch,), jac=True, options={"gtol": 1e-9}).fun
        for patch, s in zip(x, start.numpy(), strict=True)
    ]
    reached = cost(x, codes, weights).numpy()
    assert np.mean(np.abs(reached - found) < 1e-6 * reached) >= 0.75  # the same minimum
    assert reached.mean() <= np.mean(found) * 1.01


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 10.0]), st.sampled_from([0.1, 2.2, 30.0]))
def test_no_iteration_raises_the_cost_of_a_patch(seed, size, sparsity):
    (x, weights), cost = problem(seed, size=size), Cost(sparsity=sparsity)
    costs = [
        cost(x, infer_codes(x, weights, cost, tolerance=0.0, max_iterations=n), weights) for n in range(1, 6)
    ]
    for before, after in pairwise(costs):
        assert (after <= before * (1 + 1e-9)).all()


def test_ten_iterations_are_close_to_the_minimum_on_texture(texture):
    weights = learn(texture, n_batches=50).weights.double()
    windows = sparsenet.inner_windows(texture, 5)
    x, cost = sparsenet.draw_patches(windows, 100, seeded(1)).double(), Cost()
    ten, many = (
        cost(x, infer_codes(x, weights, max_iterations=n, tolerance=1e-4 if n == 10 else 0.0), weights).mean()
        for n in (10, 1000)
    )
    assert ten == pytest.approx(float(many), rel=2e-3)


def test_patches_do_not_depend_on_their_neighbors():
    x, weights = problem(size=3.0)
    together = infer_codes(x, weights)
    alone = torch.cat([infer_codes(patch[None], weights) for patch in x])
    torch.testing.assert_close(together, alone)


def test_with_little_sparsity_codes_are_least_squares():
    x, weights = problem()
    codes = infer_codes(x, weights, Cost(sparsity=1e-9), tolerance=0.0, max_iterations=100)
    torch.testing.assert_close(codes, torch.linalg.lstsq(weights, x.T).solution.T, atol=1e-6, rtol=1e-6)


def test_running_variance_is_that_of_codes_that_come_one_by_one():
    codes = torch.randn(30, 4, generator=seeded()).double()
    wanted = first = torch.tensor([0.1, 0.2, 0.5, 1.0]).double()
    for code in codes:
        wanted = 0.999 * wanted + 0.001 * code.square()
    torch.testing.assert_close(sparsenet.running_variance(first, codes), wanted)


def test_one_batch_is_one_step_and_one_gain_control(texture):
    rate, generator = 0.7, seeded()
    first = normalize_columns(torch.rand(25, 8, generator=generator) - 0.5)
    x = sparsenet.draw_patches(sparsenet.inner_windows(texture, 5), 60, generator)
    codes = infer_codes(x, first)
    stepped = first + rate * torch.einsum("nd,nh->dh", x - codes @ first.T, codes) / 60
    gains = (sparsenet.running_variance(torch.full((8,), 0.1), codes) / 0.1) ** 0.02
    result = learn(texture, n_batches=1, batch_size=60, learning_rate=rate)
    torch.testing.assert_close(result.weights, normalize_columns(stepped) * gains)
    torch.testing.assert_close(result.cost[0], Cost()(x, codes, first).mean())


def test_gain_control_brings_codes_to_the_goal(texture):
    weights = learn(texture, n_batches=300).weights
    windows = sparsenet.inner_windows(texture, 5)
    x = torch.cat([sparsenet.draw_patches(windows, 100, seeded(seed)) for seed in range(30)])
    variance = infer_codes(x, weights).square().mean(0)
    assert (variance / 0.1).log().abs().max() < 0.35


def test_cost_falls_and_the_result_is_whole(texture):
    seen = []
    result = learn(texture, n_batches=80, callback=lambda now: seen.append((now.step, now.dictionary)))
    assert result.cost[-20:].mean() < 0.95 * result.cost[:20].mean()
    torch.testing.assert_close(result.dictionary.norm(dim=0), torch.ones(8))
    torch.testing.assert_close(result.dictionary * result.gains, result.weights)
    assert [n for n, _ in seen] == list(range(1, 81)) and torch.equal(seen[-1][1], result.dictionary)


def test_patches_come_from_one_image_and_keep_away_from_its_border():
    """Images of one value each, with a frame of another."""
    pictures = [np.pad(np.full((12, 15), value), 4, constant_values=-1.0) for value in (1.0, 2.0, 3.0)]
    windows, generator = sparsenet.inner_windows(Images(tuple(pictures), "frames"), 5), seeded()
    batches = [sparsenet.draw_patches(windows, 40, generator) for _ in range(20)]
    assert all(len(batch.unique()) == 1 for batch in batches)
    assert torch.cat(batches).unique().tolist() == [1, 2, 3]


def test_every_place_within_the_border_is_drawn():
    rows, columns = np.indices((16, 17))
    windows = sparsenet.inner_windows(Images((100.0 * rows + columns,), "places"), 5)
    x = sparsenet.draw_patches(windows, 500, seeded())
    assert set(x[:, 0].tolist()) == {100.0 * row + column for row in range(4, 8) for column in range(4, 9)}


def test_a_fall_of_the_rate_begins_and_ends_where_it_should(texture):
    one = learn(texture, n_batches=1, learning_rate=2.0)
    fall = learn(texture, n_batches=1, learning_rate=(2.0, 1.0))
    assert torch.equal(one.weights, fall.weights)
    flat = learn(texture, learning_rate=(1.5, 1.5))
    assert torch.equal(flat.weights, learn(texture, learning_rate=1.5).weights)


def test_same_seed_same_numbers_other_seed_others(texture):
    first, again, other = (learn(texture, seed=seed).weights for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_batches": 0}, "n_batches must be positive"),
        ({"batch_size": 0}, "batch_size must be positive"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": (1.0, -1.0)}, "learning_rate must be positive"),
    ],
)
def test_bad_numbers_are_refused(texture, options, message):
    with pytest.raises(InputError, match=message):
        learn(texture, **options)


def test_patches_that_do_not_fit_and_wrong_costs_and_data_are_refused(texture):
    with pytest.raises(InputError, match="4 pixels to its border"):
        fit_sparsenet(texture, 33, 4, generator=seeded())
    with pytest.raises(InputError, match="sparsity must be positive"):
        Cost(sparsity=0.0)
    with pytest.raises(InputError, match="NaN"):
        infer_codes(torch.full((2, 9), float("nan")), torch.ones(9, 3))


def test_divergence_raises(texture):
    with pytest.raises(FloatingPointError, match="batch 2; lower the learning rate"):
        learn(texture, learning_rate=1e38)


@pytest.fixture
def spread():
    """Data in a subspace, with a small rest in all directions."""
    generator = seeded(3)
    codes = torch.randn(400, 3, generator=generator).pow(3)
    mixing = normalize_columns(torch.randn(8, 3, generator=generator))
    return codes @ mixing.T + 0.01 * torch.randn(400, 8, generator=generator), mixing


LEARNERS = [lambda x, h: learn_minibatch_dictionary(x, h, alpha=0.5), learn_pca, learn_ica]


@pytest.mark.parametrize("learner", LEARNERS)
def test_fields_have_unit_norm_and_span_the_data(learner, spread):
    x, mixing = spread
    fields = learner(x, 3)
    torch.testing.assert_close(fields.norm(dim=0), torch.ones(3))
    basis = torch.linalg.qr(fields).Q
    assert (basis.T @ mixing).norm() == pytest.approx(3**0.5, rel=1e-2)
    assert torch.equal(fields, learner(x, 3))


def test_pca_is_the_eigenvectors_of_the_covariance(spread):
    x, _ = spread
    vectors = torch.linalg.eigh(torch.cov(x.T.double())).eigenvectors.flip(1)[:, :3]
    cosines = (vectors.float().T @ learn_pca(x, 3)).abs()
    torch.testing.assert_close(cosines, torch.eye(3), atol=1e-3, rtol=0)


def test_ica_finds_the_mixing(spread):
    x, mixing = spread
    assert ((learn_ica(x, 3).T @ mixing).abs().max(0).values > 0.99).all()


def test_columns_of_zeros_are_left_out_and_nothing_but_zeros_is_refused():
    columns, like = np.array([[3.0, 0.0], [4.0, 0.0]]), torch.ones(1)
    assert unit_columns(columns, like).tolist() == [[pytest.approx(0.6)], [pytest.approx(0.8)]]
    with pytest.raises(InputError, match="lower alpha"):
        unit_columns(0 * columns, like)


@pytest.mark.parametrize("learner", [learn_pca, learn_ica])
def test_more_components_than_there_are_are_refused(learner, spread):
    with pytest.raises(InputError, match="at most 8 components, not 9"):
        learner(spread[0], 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"alpha": 0.0}, "alpha"), ({"alpha": 1.0, "n_epochs": 0}, "n_epochs"), ({"alpha": -1.0}, "alpha")],
)
def test_bad_numbers_of_online_learning_are_refused(options, message, spread):
    with pytest.raises(InputError, match=message):
        learn_minibatch_dictionary(spread[0], 3, **options)


def test_online_learning_shows_its_dictionary_after_every_epoch(spread):
    seen = []
    last = learn_minibatch_dictionary(spread[0], 3, alpha=0.5, n_epochs=2, callback=seen.append)
    assert [now.step for now in seen] == [1, 2] and torch.equal(seen[-1].dictionary, last)
