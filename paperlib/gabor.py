"""Gabor fits: how close a learned field is to a plane wave under a Gaussian window (Section 4.2, Fig. 8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from torch import Tensor

from paperlib.errors import InputError

MIN_WIDTH = 0.4  # pixels
EVALUATIONS = 60  # of the fit's loss, gradients not counted; most fields need fewer


@dataclass(frozen=True)
class GaborFit:
    """Best Gabor function found for a picture; lengths in pixels, frequency in cycles a pixel.

    Parameters
    ----------
    center : (float, float)
        Row and column.
    widths : (float, float)
        Standard deviations of the window along and across the wave's direction.
    wave_vector : (float, float)
        Cycles a pixel down and to the right.
    explained : float
        Share of the picture's energy that the function explains, 1 for a Gabor function, 0 for none.
    """

    center: tuple[float, float]
    widths: tuple[float, float]
    wave_vector: tuple[float, float]
    explained: float

    @property
    def frequency(self) -> float:
        """Cycles a pixel."""
        return float(np.hypot(*self.wave_vector))


def fit_gabor(field: Float[Tensor, "height width"]) -> GaborFit:
    """Fit exp(−u²/2s_u² − v²/2s_v²)·(a cos 2πfu + b sin 2πfu) by least squares.

    u runs along the wave's direction and v across it, from the center.  a and b are linear and eliminated
    (variable projection); the others start at the strongest frequency and at the energy's center and spread.

    Raises
    ------
    InputError
        If the picture is not finite, or zero everywhere.
    """
    picture = field.detach().cpu().to(torch.float64).numpy()
    if not np.isfinite(picture).all() or not picture.any():
        raise InputError("A Gabor function can be fitted to finite pictures that are not zero everywhere.")
    picture = picture / np.linalg.norm(picture)
    grid = np.indices(picture.shape).astype(float)
    size = max(picture.shape)
    lowest = [-size / 2, -size / 2, np.log(MIN_WIDTH), np.log(MIN_WIDTH), -0.5, -0.5]
    highest = [1.5 * size, 1.5 * size, np.log(2 * size), np.log(2 * size), 0.5, 0.5]
    start = np.clip(_start(picture, grid), lowest, highest)
    fit = least_squares(
        _residual, start, bounds=(lowest, highest), args=(picture, grid), max_nfev=EVALUATIONS
    )  # fmt: skip
    row, column, log_along, log_across, down, right = fit.x.tolist()
    widths = float(np.exp(log_along)), float(np.exp(log_across))
    return GaborFit((row, column), widths, (down, right), 1 - 2 * float(fit.cost))


def _residual(parameters: np.ndarray, picture: np.ndarray, grid: np.ndarray) -> np.ndarray:
    row, column, log_along, log_across, down, right = parameters
    frequency = max(np.hypot(down, right), 1e-9)
    along = ((grid[0] - row) * down + (grid[1] - column) * right) / frequency
    across = ((grid[0] - row) * right - (grid[1] - column) * down) / frequency
    window = np.exp(-(along**2) * np.exp(-2 * log_along) / 2 - across**2 * np.exp(-2 * log_across) / 2)
    phase = 2 * np.pi * frequency * along
    waves = np.stack([(window * np.cos(phase)).ravel(), (window * np.sin(phase)).ravel()], axis=1)
    amplitudes, *_ = np.linalg.lstsq(waves, picture.ravel(), rcond=None)
    return picture.ravel() - waves @ amplitudes


def _start(picture: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Center and spread of the energy, and the spectrum's peak, between frequencies by zero padding."""
    energy = picture**4 / (picture**4).sum()  # squared energy: the field, not its noise
    center = (grid * energy).sum((1, 2))
    spread = np.sqrt((((grid - center[:, None, None]) ** 2) * energy).sum() / 2)
    shape = tuple(4 * length for length in picture.shape)
    spectrum = np.abs(np.fft.fft2(picture, shape))
    peak = np.unravel_index(spectrum.argmax(), shape)
    wave = [np.fft.fftfreq(length)[k] for length, k in zip(shape, peak, strict=True)]
    if not any(wave):
        wave[0] = 1 / shape[0]  # a blob has no direction
    return np.array([*center, *np.log([max(spread, 2 * MIN_WIDTH)] * 2), *wave])
