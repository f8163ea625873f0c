"""Bürmann's series in place of erf: its accuracy and slope, its scope, and a run with it (E.1)."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch

from paperlib.data import Images
from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.models.sparse_coding import special
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.special import burmann_erf, expected_magnitude
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.papers.sparse_codes.error_function.experiment import burmann_series, learn_with_error_function
from paperlib.system.errors import InputError


def series(x):
    """The paper's formula as printed, with mpmath's 50 digits."""
    decay = mpmath.exp(-(x**2))
    terms = mpmath.sqrt(mpmath.pi) / 2 + mpmath.mpf(31) / 200 * decay - mpmath.mpf(341) / 8000 * decay**2
    return 2 / mpmath.sqrt(mpmath.pi) * mpmath.sign(x) * mpmath.sqrt(1 - decay) * terms


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
def test_the_code_is_the_formula_over_the_whole_range(dtype, tolerance):
    x = torch.cat([torch.logspace(-18, 1.5, 300, dtype=dtype), -torch.linspace(0.01, 9, 100, dtype=dtype)])
    with mpmath.workdps(50):
        exact = np.array([float(series(mpmath.mpf(value))) for value in x.tolist()])
    np.testing.assert_allclose(burmann_erf(x).numpy(), exact, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_autograd_finds_the_slope_of_the_formula_at_zero_too(dtype):
    x = torch.tensor([0.0, -0.0, 1e-20, 1e-6, 0.3, -1.4, 3.0, 20.0, -1e30], dtype=dtype, requires_grad=True)
    (slope,) = torch.autograd.grad(burmann_erf(x).sum(), x)
    with mpmath.workdps(50):
        exact = [float(mpmath.diff(series, mpmath.mpf(v))) for v in (1e-6, 0.3, -1.4, 3.0)]
    tolerance = 1e-9 if dtype == torch.float64 else 1e-6
    np.testing.assert_allclose(slope[3:7], exact, rtol=tolerance, atol=tolerance)
    at_zero = 2 / math.sqrt(math.pi) * (math.sqrt(math.pi) / 2 + 31 / 200 - 341 / 8000)
    np.testing.assert_allclose(slope[:3], at_zero, rtol=1e-6)
    assert slope[7:].abs().max() < 1e-20


def test_inside_the_magnitude_has_the_series_and_outside_erf_again():
    mean, std = torch.tensor([1.3, -0.4], dtype=torch.float64), torch.tensor([0.7, 2.0], dtype=torch.float64)
    a = mean / std
    exact = expected_magnitude(mean, std)
    with burmann_series():
        inside = expected_magnitude(mean, std)
    gaussian = math.sqrt(2 / math.pi) * torch.exp(-a.square() / 2)
    torch.testing.assert_close(inside, std * (gaussian + a * burmann_erf(a / math.sqrt(2))))
    assert (inside - exact).abs().min() > 1e-6
    torch.testing.assert_close(expected_magnitude(mean, std), exact, rtol=0, atol=0)


def test_erf_comes_back_after_an_error():
    before = special.softened_magnitude_derivative
    with pytest.raises(RuntimeError), burmann_series():
        raise RuntimeError
    assert special.softened_magnitude_derivative is before


def test_the_gradient_inside_is_that_of_the_objective_inside():
    """As L-BFGS needs it: central differences of the approximate ELBO, also from ν = 0."""
    rng = np.random.default_rng(0)
    x, dictionary = torch.from_numpy(rng.normal(size=(3, 4))), torch.from_numpy(rng.normal(size=(4, 5)))
    mean = torch.from_numpy(rng.normal(size=(3, 5)))
    mean[:, 0] = 0

    def elbo(mean):
        posterior = DiagonalGaussian(mean, torch.full((3, 5), 0.6, dtype=torch.float64))
        return entropy_elbo(PosteriorStatistics.from_batch(x, posterior, normalize_columns(dictionary)))

    with burmann_series():
        assert torch.autograd.gradcheck(elbo, mean.requires_grad_())


def images():
    pixels = np.random.default_rng(0).laplace(size=(2, 24, 24)).astype(np.float32)
    return Images(tuple(pixels), "noise for a test")


def test_a_run_with_the_series_ends_near_the_exact_one_and_leaves_no_trace():
    settings = {"seed": 0, "patch_size": 4, "n_patches": 512, "n_latents": 6, "n_epochs": 2, "n_test": 256}
    exact, series, again = (
        learn_with_error_function(images=images(), function=function, **settings)
        for function in ("torch", "burmann", "torch")
    )
    assert exact.numbers["elbo"] == again.numbers["elbo"]
    assert exact.numbers["elbo"] != series.numbers["elbo"] == pytest.approx(exact.numbers["elbo"], abs=0.5)
    assert exact.arrays["dictionary"].shape == (16, 6)
    assert min(series.numbers["learning_seconds"], series.numbers["evaluation_seconds"]) > 0


def test_unknown_functions_are_refused():
    with pytest.raises(InputError, match="Unknown error function 'taylor'"):
        learn_with_error_function(images=images(), function="taylor", seed=0)
