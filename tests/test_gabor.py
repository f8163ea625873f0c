"""Gabor fits: exact on Gabor functions, blind to scale and sign, low on noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares

from paperlib.papers.sparse_codes.fields.gabor import MIN_WIDTH, fit_gabor, fit_gabors
from paperlib.system.errors import InputError


def gabor(size, center, widths, wave_vector, phase):
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    rows, columns = rows - center[0], columns - center[1]
    down, right = wave_vector
    frequency = math.hypot(down, right)
    along, across = (rows * down + columns * right) / frequency, (rows * right - columns * down) / frequency
    window = torch.exp(-(along**2) / (2 * widths[0] ** 2) - across**2 / (2 * widths[1] ** 2))
    return window * torch.cos(2 * math.pi * frequency * along + phase)


@pytest.mark.parametrize(
    ("center", "widths", "wave_vector", "phase"),
    [((7.3, 6.1), (2.0, 3.5), (0.15, 0.1), 0.4), ((4.0, 11.0), (1.5, 1.5), (-0.05, 0.2), 2.0)],
)
def test_a_gabor_function_is_found(center, widths, wave_vector, phase):
    fit = fit_gabor(gabor(16, center, widths, wave_vector, phase))
    assert fit.explained > 0.9999
    assert fit.center == pytest.approx(center, abs=0.02)
    assert fit.widths == pytest.approx(widths, rel=0.02)
    assert fit.frequency == pytest.approx(math.hypot(*wave_vector), rel=0.01)


def test_scale_and_sign_mean_nothing():
    field = torch.randn(8, 10, generator=torch.Generator().manual_seed(0))
    assert fit_gabor(-1e-3 * field).explained == pytest.approx(fit_gabor(field).explained, abs=1e-6)


def test_noise_is_no_gabor_function():
    fields = torch.randn(5, 16, 16, generator=torch.Generator().manual_seed(0))
    assert all(0 <= fit_gabor(field).explained < 0.25 for field in fields)


def test_a_blob_and_a_single_pixel_are_fitted_without_trouble():
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    assert fit_gabor(torch.exp(-((rows - 5) ** 2 + (columns - 6) ** 2) / 8)).explained > 0.99
    pixel = torch.zeros(9, 9)
    pixel[2, 3] = 1
    assert fit_gabor(pixel).explained > 0.9


@pytest.mark.parametrize("field", [torch.zeros(4, 4), torch.full((4, 4), math.nan)])
def test_pictures_without_a_fit_are_refused(field):
    with pytest.raises(InputError, match="finite pictures"):
        fit_gabor(field)


def test_many_fields_are_fitted_as_each_alone():
    fields = torch.stack([
        gabor(12, (5.0, 6.0), (1.5, 2.5), (0.2, 0.1), 0.3),
        torch.randn(12, 12, generator=torch.Generator().manual_seed(1)),
    ])  # fmt: skip
    together, alone = fit_gabors(fields), [fit_gabor(field) for field in fields]
    assert [fit.explained for fit in together] == pytest.approx([fit.explained for fit in alone], abs=1e-6)
    assert together[0].center == pytest.approx(alone[0].center, abs=1e-3)


def test_no_search_of_scipy_from_the_fitted_parameters_finds_better_ones():
    fields = torch.randn(4, 10, 10, generator=torch.Generator().manual_seed(2))
    unit = fields / torch.linalg.matrix_norm(fields)[:, None, None]
    for field, fit in zip(unit, fit_gabors(fields), strict=True):

        def residual(p, field=field):
            waves = [gabor(10, p[:2], np.exp(p[2:4]), p[4:], phase).flatten() for phase in (0, -math.pi / 2)]
            basis = torch.stack(waves, dim=1).double().numpy()
            target = field.flatten().double().numpy()
            return target - basis @ np.linalg.lstsq(basis, target, rcond=None)[0]

        found = np.array([*fit.center, *np.log(fit.widths), *fit.wave_vector])
        assert 1 - (residual(found) ** 2).sum() == pytest.approx(fit.explained, abs=1e-5)
        if min(fit.widths) > MIN_WIDTH * 1.01 and max(map(abs, fit.wave_vector)) < 0.499:
            best = least_squares(residual, found, max_nfev=20)
            assert 1 - 2 * best.cost < fit.explained + 0.01


@pytest.mark.parametrize(("wave_vector", "degrees"), [((0.0, 0.2), 0), ((0.2, 0.0), 90), ((-0.1, 0.1), 45)])
def test_direction_is_counterclockwise_from_the_right(wave_vector, degrees):
    fit = fit_gabor(gabor(16, (8.0, 8.0), (2.0, 2.0), wave_vector, 0.5))
    difference = (math.degrees(fit.direction) - degrees + 90) % 180 - 90  # of directions, without sign
    assert difference == pytest.approx(0, abs=1)
