"""Whitening of photographs as in Olshausen & Field (1996), as the paper's images were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

CUTOFF = 0.4
"""f₀ in cycles per pixel (0.4·N cycles per picture for a picture of N×N pixels)."""

MEAN_VARIANCE = 0.1
"""The images' variance, averaged over images, after whitening."""


def whiten(pictures: Sequence[Float[np.ndarray, "_ _"]]) -> list[Float[np.ndarray, "_ _"]]:
    """Whiten grayscale `pictures`, none constant, then scale all by one factor to a mean variance of 0.1.

    One common factor keeps the pictures' contrasts relative to each other.
    """
    filtered = [whitening_filter(picture) for picture in pictures]
    factor = np.sqrt(MEAN_VARIANCE / np.mean([picture.var() for picture in filtered]))
    return [factor * picture for picture in filtered]


def whitening_filter(picture: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Multiply the picture's Fourier amplitudes by R·exp(−(R/f₀)⁴), R = √(f_x² + f_y²) in cycles per pixel.

    R flattens the 1/R amplitude spectrum of natural scenes; the exponential removes the corners of the
    frequency plane, where aliasing and noise dominate. R also removes the mean.
    """
    height, width = picture.shape
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    gain = frequency * np.exp(-((frequency / CUTOFF) ** 4))
    return np.fft.irfft2(np.fft.rfft2(picture.astype(np.float64)) * gain, s=picture.shape)
