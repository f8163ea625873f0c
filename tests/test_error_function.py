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
from paperlib.models.sparse_coding.special import expected_magnitude
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.papers.sparse_codes.error_function import figures, tables
from paperlib.papers.sparse_codes.error_function.experiment import (
    burmann_series,
    learn_with_error_function,
    magnitude,
)
from paperlib.papers.sparse_codes.error_function.series import burmann_erf
from paperlib.papers.sparse_codes.shown import NOT_COMPUTED
from paperlib.records import Record
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


def test_the_magnitude_s_derivatives_are_the_closed_forms():
    a = torch.tensor([0.0, 0.7, 3.1], dtype=torch.float64)
    found = magnitude(a)
    density = 2 * torch.exp(-a.square() / 2) / math.sqrt(2 * math.pi)
    torch.testing.assert_close(found.slope, torch.erf(a / math.sqrt(2)))
    torch.testing.assert_close(found.curvature, density)
    torch.testing.assert_close(found.value, density + a * found.slope)
    with burmann_series():
        assert (magnitude(a).value - found.value).abs().max() > 1e-4


def run(elbo, fields, learning=10.0, evaluation=1.0, **config):
    numbers = {"elbo": elbo, "learning_seconds": learning, "evaluation_seconds": evaluation}
    return Record({"patch_size": 2} | config, numbers, {"dictionary": np.array(fields, np.float16)}, {})


@pytest.fixture
def records():
    """In seed 0 the series finds the same fields, in another order and of other sign; in seed 1 others."""
    first, second = np.eye(4)[:, :2], np.eye(4)[:, 2:]
    return {
        "torch-seed0": run(10.0, first, seed=0),
        "torch-seed1": run(12.0, second, seed=1),
        "burmann-seed0": run(10.5, -first[:, ::-1], 12.0, 1.5, seed=0),
        "burmann-seed1": run(11.9, first, 11.0, 1.1, seed=1),
    }


def test_series_and_erf_are_compared_seed_by_seed(records):
    table = tables.comparison_table(records)
    assert table.rows == [
        ["0", "10.00", "+0.500", "1.000", "1.20", "1.50"],
        ["1", "12.00", "-0.100", "0.000", "1.10", "1.10"],
    ]
    assert len(table.head) == 6
    text = tables.differences(records).markdown
    assert "ELBO by +0.200 nats" in text and "seeds differ by 1.414" in text
    assert "|cos| of 0.500, those of two seeds 0.000" in text
    assert "**+30 %** CPU time, learning as a whole +15 %" in text
    one = {name: record for name, record in records.items() if name.endswith("0")}
    assert tables.differences(one).markdown == "One seed: the ELBO changes by +0.500 nats."


def test_fields_with_the_series_are_aligned_with_the_exact_ones(records):
    exact, series = (axes.images[0].get_array() for axes in figures.draw_fields(records).axes)
    np.testing.assert_allclose(exact, series)
    assert {show({}) for show in (figures.draw_fields, tables.comparison_table, tables.differences)} == {
        NOT_COMPUTED
    }


def test_what_the_series_loses_is_drawn():
    a = torch.linspace(0, 6, 50, dtype=torch.float64)
    exact = magnitude(a)
    with burmann_series():
        figure = figures.plot_series(a, {"erf": a}, a, exact, magnitude(a))
    assert [len(axes.lines) for axes in figure.axes] == [1, 2, 4]
