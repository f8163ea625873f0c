"""Gabor fits: exact on Gabor functions, blind to scale and sign, low on noise."""

from __future__ import annotations

import math

import pytest
import torch

from paperlib.errors import InputError
from paperlib.gabor import fit_gabor


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
