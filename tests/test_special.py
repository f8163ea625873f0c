"""The softened magnitude, its derivatives and Bürmann's series against mpmath, autograd and quadrature."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from paperlib.models.sparse_coding.special import (
    expected_magnitude,
    softened_magnitude,
    softened_magnitude_curvature,
    softened_magnitude_derivative,
)
from paperlib.papers.sparse_codes.error_function.series import burmann_erf

# from 0 to |a| = 1e30, dense where the two terms of 𝓜 trade places
SIZES = np.concatenate(
    [[0.0], np.logspace(-30, -1, 59), np.linspace(0.1, 40, 800), np.logspace(1.6, 30, 100)]
)
GRID = np.concatenate([SIZES, -SIZES])
TOLERANCE = {torch.float64: 1e-13, torch.float32: 1e-6}


def exact_magnitude(a: float) -> mpmath.mpf:
    """𝓜 with 60 digits."""
    with mpmath.workdps(60):
        a = mpmath.mpf(a)
        return mpmath.sqrt(2 / mpmath.pi) * mpmath.exp(-(a**2) / 2) + a * mpmath.erf(a / mpmath.sqrt(2))


def exact_slope(a: float) -> mpmath.mpf:
    """𝓜' = erf(a/√2) with 60 digits."""
    with mpmath.workdps(60):
        return mpmath.erf(mpmath.mpf(a) / mpmath.sqrt(2))


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_softened_magnitude_agrees_with_mpmath_from_0_to_1e30(dtype):
    a = torch.tensor(GRID, dtype=dtype)
    exact = np.array([float(exact_magnitude(value)) for value in a.double().tolist()])
    np.testing.assert_allclose(softened_magnitude(a).double(), exact, rtol=TOLERANCE[dtype], atol=0)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_derivative_is_erf_explicitly_and_by_autograd(dtype):
    a = torch.tensor(GRID, dtype=dtype, requires_grad=True)
    (autograd,) = torch.autograd.grad(softened_magnitude(a).sum(), a)
    exact = np.array([float(exact_slope(value)) for value in a.tolist()])
    np.testing.assert_allclose(
        softened_magnitude_derivative(a).detach().double(), exact, rtol=TOLERANCE[dtype], atol=0
    )
    np.testing.assert_allclose(autograd.double(), exact, rtol=10 * TOLERANCE[dtype], atol=1e-37)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_curvature_is_twice_the_normal_density_and_the_slope_of_the_slope(dtype):
    a = torch.tensor(GRID[np.abs(GRID) < 10], dtype=dtype, requires_grad=True)
    (autograd,) = torch.autograd.grad(softened_magnitude_derivative(a).sum(), a)
    density = 2 * stats.norm.pdf(a.detach().double().numpy())
    curvature = softened_magnitude_curvature(a)
    np.testing.assert_allclose(curvature.detach().double(), density, rtol=50 * TOLERANCE[dtype])
    np.testing.assert_allclose(autograd.double(), density, rtol=50 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "function", [softened_magnitude, softened_magnitude_derivative, softened_magnitude_curvature]
)
def test_no_nan_and_infinity_only_where_it_is_the_limit(function, dtype):
    large = 1e300 if dtype == torch.float64 else 1e38
    a = torch.tensor([0.0, -0.0, 1e-38, 1e19, -1e30, large, -large], dtype=dtype, requires_grad=True)
    values = function(a)
    values.sum().backward()
    assert torch.isfinite(values).all()
    assert torch.isfinite(a.grad).all()
    infinite = function(torch.tensor([math.inf, -math.inf], dtype=dtype))
    assert not infinite.isnan().any()


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_softened_magnitude_is_even_convex_and_above_the_magnitude(a, b):
    values = softened_magnitude(torch.tensor([a, -a, b, (a + b) / 2], dtype=torch.float64)).tolist()
    assert values[0] == values[1]
    assert values[0] >= abs(a)
    assert values[0] >= math.sqrt(2 / math.pi) * (1 - 1e-15)
    assert values[3] <= (values[0] + values[2]) / 2 * (1 + 1e-15)


def test_the_gap_to_the_magnitude_is_largest_at_zero_and_shrinks():
    a = torch.linspace(0, 6, 601, dtype=torch.float64)
    gap = softened_magnitude(a) - a
    assert gap[0] == math.sqrt(2 / math.pi)
    assert (gap.diff() < 0).all()


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.7, 0.2), (-2.0, 3.0), (-0.01, 0.5), (5.0, 0.1)])
def test_expected_magnitude_is_the_integral(mean, std):
    density = stats.norm(mean, std).pdf
    low, high = mean - 40 * std, mean + 40 * std
    pieces = [(low, 0.0), (0.0, high)] if low < 0 < high else [(low, high)]
    expected = sum(
        integrate.quad(lambda z: abs(z) * density(z), *piece, points=[np.clip(mean, *piece)], epsabs=1e-13)[0]
        for piece in pieces
    )
    value = expected_magnitude(*torch.tensor([mean, std], dtype=torch.float64))
    assert float(value) == pytest.approx(expected, rel=1e-10)


@given(
    st.floats(-1e30, 1e30).filter(lambda x: x == 0 or abs(x) > 1e-30),
    st.floats(1e-30, 1e30),
)
def test_expected_magnitude_is_between_its_bounds(mean, std):
    value = float(expected_magnitude(*torch.tensor([mean, std], dtype=torch.float64)))
    assert max(abs(mean), std * math.sqrt(2 / math.pi)) * (1 - 1e-14) <= value
    assert value <= math.hypot(mean, std) * (1 + 1e-14)  # Jensen: E|z| ≤ √E z²


def test_expected_magnitude_where_the_ratio_overflows():
    mean = torch.tensor([1e30, -1e30, 3.0])
    std = torch.tensor([1e-30, 1e-30, 1e-45])
    value = expected_magnitude(mean, std)
    torch.testing.assert_close(value, torch.tensor([1e30, 1e30, 3.0]))


def test_expected_magnitude_has_the_gradients_of_the_theory():
    rng = np.random.default_rng(0)
    mean = torch.tensor(rng.normal(size=50) * 3, requires_grad=True)
    std = torch.tensor(rng.uniform(0.05, 3, size=50), requires_grad=True)
    by_mean, by_std = torch.autograd.grad(expected_magnitude(mean, std).sum(), [mean, std])
    ratio = (mean / std).detach().numpy()
    np.testing.assert_allclose(by_mean, 2 * stats.norm.cdf(ratio) - 1, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(by_std, 2 * stats.norm.pdf(ratio), rtol=1e-10, atol=1e-14)


def test_burmann_series_is_odd_and_within_its_error_bound():
    x = torch.linspace(-6, 6, 4001, dtype=torch.float64)
    error = burmann_erf(x) - torch.erf(x)
    torch.testing.assert_close(error, -error.flip(0), rtol=0, atol=1e-15)
    assert error.abs().max() < 4e-3
    assert error.abs().max() > 1e-3  # it is an approximation, and the bound is not idle
    assert burmann_erf(torch.zeros(1)).item() == 0
    torch.testing.assert_close(burmann_erf(torch.tensor([30.0, -1e30])), torch.tensor([1.0, -1.0]))
