"""The convergence criteria: solvable maps are told from others, and the verdict is what ELBO terms do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from paperlib.elbo.criteria import check_criterion, find_direction
from paperlib.system.errors import InputError

seeds = st.integers(0, 2**32 - 1)
positive = torch.linspace(0.3, 3.0, 6, dtype=torch.float64).reshape(3, 2)


def gaussian(theta):
    """N(μ, σ²) with θ = (μ, σ²)."""
    return torch.stack([theta[0] / theta[1], -1 / (2 * theta[1])])


def gamma(theta):
    """Shape and rate; statistics log y and y."""
    return torch.stack([theta[0] - 1, -theta[1]])


# ---- β in closed form


def test_laplace_scales_have_beta_minus_lambda():
    found = check_criterion(lambda scales: -1 / scales, positive)
    assert found.holds and found.theorem4
    torch.testing.assert_close(found.beta, -positive)


def test_gaussian_noise_has_beta_minus_sigma2_for_all_latents_at_once():
    z = torch.tensor([-1.3, 0.4, 2.2], dtype=torch.float64)

    def noise(theta):  # dictionary entry w and σ², at three latents
        return torch.stack([torch.cat([theta[:1] * one, -theta.new_ones(1) / 2]) / theta[1] for one in z])

    found = check_criterion(noise, positive, subset=[1])
    assert found.holds and not found.theorem4  # six natural parameters, one learned
    torch.testing.assert_close(found.beta, -positive[:, 1:])


def test_gaussian_with_free_mean_and_variance():
    found = check_criterion(gaussian, positive)
    assert found.theorem4
    torch.testing.assert_close(found.beta, torch.stack([0 * positive[:, 0], -positive[:, 1]], 1))


def test_bernoulli_and_poisson_and_gamma():
    probability = torch.tensor([[0.1], [0.45], [0.8]], dtype=torch.float64)
    bernoulli = check_criterion(torch.logit, probability)
    torch.testing.assert_close(bernoulli.beta, probability * (1 - probability) * probability.logit())
    rate = 4 * probability
    torch.testing.assert_close(check_criterion(torch.log, rate).beta, rate * rate.log())
    torch.testing.assert_close(check_criterion(gamma, positive).beta, positive - torch.tensor([1.0, 0.0]))


# ---- what must hold, and what must not


@settings(max_examples=20)
@given(seeds, st.sampled_from([-3, -1, -0.5, 1, 2]))
def test_homogeneous_maps_hold_by_eulers_theorem(seed, degree):
    rng = np.random.default_rng(seed)
    mix = torch.from_numpy(rng.normal(size=(4, 2)))
    points = torch.from_numpy(rng.uniform(0.5, 2, size=(3, 2)))
    found = check_criterion(lambda theta: mix @ theta**degree, points)
    assert found.holds and not found.theorem4
    torch.testing.assert_close(found.beta, points / degree)


@settings(max_examples=20)
@given(seeds)
def test_invertible_jacobians_hold_and_redundant_parameters_do_no_harm(seed):
    rng = np.random.default_rng(seed)
    mix = torch.from_numpy(np.linalg.qr(rng.normal(size=(3, 3)))[0])
    points = torch.from_numpy(rng.normal(size=(2, 3)))
    assert check_criterion(lambda theta: torch.sinh(mix @ theta), points).theorem4
    redundant = check_criterion(lambda theta: torch.sinh(mix[:2] @ theta), points)
    assert redundant.holds and not redundant.theorem4 and (redundant.rank == 2).all()


@settings(max_examples=20)
@given(seeds)
def test_a_fixed_offset_outside_the_range_of_the_jacobian_fails(seed):
    rng = np.random.default_rng(seed)
    basis = torch.from_numpy(np.linalg.qr(rng.normal(size=(4, 3)))[0])
    points = torch.from_numpy(rng.normal(size=(2, 2)))
    found = check_criterion(lambda theta: basis[:, :2] @ theta + basis[:, 2], points)
    assert not found.holds
    torch.testing.assert_close(found.residual, (1 + points.square().sum(1)).rsqrt())


@settings(max_examples=20)
@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_units_of_the_parameters_do_not_matter(first, second):
    units = torch.tensor([first, second], dtype=torch.float64)
    found = check_criterion(lambda theta: gaussian(theta / units), positive * units)
    assert found.theorem4
    torch.testing.assert_close(found.beta / units, check_criterion(gaussian, positive).beta)


@pytest.mark.parametrize(("eta", "subset"), [
    (gaussian, [0]),  # the variance is fixed
    (lambda theta: torch.stack([1 / theta[0], -1 / (2 * theta[0] ** 2)]), [0]),  # N(μ, μ²)
    (gamma, [1]),  # the shape is fixed
    (lambda theta: -torch.ones(3), []),  # Laplace prior of scale 1: nothing to learn
    (lambda theta: -torch.ones(3) + 0 * theta[0], [0]),
])  # fmt: skip
def test_families_that_fail(eta, subset):
    found = check_criterion(eta, positive, subset)
    assert not found.holds and not found.theorem4


def test_natural_parameters_that_vanish_hold():
    assert check_criterion(lambda theta: 0 * theta, positive).holds  # a uniform density is its own entropy


# ---- the verdict is what expected log densities do


data = stats.gamma(2.5, scale=0.7).rvs(40, random_state=np.random.default_rng(3))
FAMILIES = {
    "Laplace": (lambda t: -1 / t, lambda t: stats.laplace(scale=t[0])),
    "Gaussian": (gaussian, lambda t: stats.norm(t[0], np.sqrt(t[1]))),
    "Gaussian, fixed mean": (
        lambda t: torch.stack([0.9 / t[0], -1 / (2 * t[0])]),
        lambda t: stats.norm(0.9, np.sqrt(t[0])),
    ),
    "Gaussian, fixed variance": (
        lambda t: torch.stack([t[0] / 0.3, torch.tensor(-1 / 0.6)]),
        lambda t: stats.norm(t[0], np.sqrt(0.3)),
    ),
    "Gaussian, N(μ, μ²)": (
        lambda t: torch.stack([1 / t[0], -1 / (2 * t[0] ** 2)]),
        lambda t: stats.norm(t[0], t[0]),
    ),
    "exponential": (lambda t: -t, lambda t: stats.expon(scale=1 / t[0])),
    "Gamma": (gamma, lambda t: stats.gamma(t[0], scale=1 / t[1])),
    "Gamma, fixed shape": (
        lambda t: torch.stack([torch.tensor(2.0), -t[0]]),
        lambda t: stats.gamma(3, scale=1 / t[0]),
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_criterion_says_whether_the_expected_log_density_is_an_entropy(name):
    eta, distribution = FAMILIES[name]
    n_parameters = 2 if name in ("Gaussian", "Gamma") else 1
    found = optimize.minimize(
        lambda logs: -distribution(np.exp(logs)).logpdf(data).mean(),
        np.zeros(n_parameters), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14},
    )  # fmt: skip
    gap = -found.fun + distribution(np.exp(found.x)).entropy()
    holds = check_criterion(eta, positive[:, :n_parameters]).holds
    assert (abs(gap) < 1e-6) if holds else (abs(gap) > 1e-2)


def test_a_base_measure_that_is_not_constant_leaves_its_own_gap():
    counts = np.random.default_rng(4).negative_binomial(2, 0.4, size=60)
    rate = counts.mean()
    assert check_criterion(torch.log, positive).holds
    gap = stats.poisson(rate).logpmf(counts).mean() + stats.poisson(rate).entropy()
    support = np.arange(200)
    log_base = -special.gammaln(support + 1)
    expected = log_base[counts].mean() - stats.poisson(rate).pmf(support) @ log_base
    assert abs(gap) > 0.1 and gap == pytest.approx(expected, abs=1e-9)


# ---- directions by name


def mean_and_variance(named):
    """Natural parameters of Gaussians, given by name."""
    return torch.cat([named["mean"] / named["variance"], -1 / (2 * named["variance"])])


GAUSSIANS = {"mean": positive[0], "variance": positive[1]}


def test_the_direction_of_named_parameters_is_that_of_the_criterion():
    found = find_direction(mean_and_variance, GAUSSIANS)
    assert found.exists and found.residual < 1e-12
    torch.testing.assert_close(found.along["variance"], -GAUSSIANS["variance"])
    torch.testing.assert_close(found.along["mean"], 0 * GAUSSIANS["mean"])


def test_a_direction_is_said_not_to_exist():
    found = find_direction(mean_and_variance, GAUSSIANS, ["mean"])
    assert not found.exists and 0 < found.residual <= 1 and list(found.along) == ["mean"]
    with pytest.raises(InputError, match="no_such"):
        find_direction(mean_and_variance, GAUSSIANS, ["no_such"])


# ---- input


@pytest.mark.parametrize(("points", "subset", "message"), [
    (torch.ones(3), None, "finite, non-empty matrix"),
    (torch.full((1, 1), torch.nan), None, "finite, non-empty matrix"),
    (torch.ones(0, 1), None, "finite, non-empty matrix"),
    (torch.ones(2, 1), [1], "from 0 to 0"),
    (torch.ones(2, 1), [0, 0], "different numbers"),
    (torch.zeros(2, 1), None, "not finite at"),
])  # fmt: skip
def test_bad_input_is_refused(points, subset, message):
    with pytest.raises(InputError, match=message):
        check_criterion(lambda theta: -1 / theta, points, subset)
    with pytest.raises(InputError, match="tolerance must be positive"):
        check_criterion(lambda theta: -1 / theta, torch.ones(1, 1), tolerance=0)
