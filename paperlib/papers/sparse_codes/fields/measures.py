"""How learned fields extend in space and in frequency, what their span leaves out, what latents tell."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from paperlib.elbo.posteriors import LOG_2_PI_E, GaussianPosterior
from paperlib.models.sparse_coding.special import SQRT_2_OVER_PI, expected_magnitude
from paperlib.system.errors import InputError

LOCALIZED = 1 / 6  # of D: effective pixels of a localized field at most, half of what noise has
HIGH_FREQUENCY = 0.25  # cycles a pixel, half of what pixels can show along an axis
LEAST_INFORMATION = math.log(2 * math.e * SQRT_2_OVER_PI) - LOG_2_PI_E / 2  # nats
PADDING = 4  # times a field's side, for spectra


def effective_pixels(dictionary: Float[Tensor, "D H"]) -> Float[Tensor, " H"]:
    """Effective number of pixels of unit fields, 1/Σ_d w̃_dh⁴: 1 for a single one, about D/3 for noise."""
    return 1 / dictionary.pow(4).sum(0)


def fine_fields(dictionary: Float[Tensor, "D H"]) -> Int[Tensor, " fine"]:
    """Numbers of the square fields that are localized and of high frequency: no noise, no broad edges."""
    localized = effective_pixels(dictionary) <= LOCALIZED * len(dictionary)
    return torch.nonzero(localized & (mean_frequency(dictionary) >= HIGH_FREQUENCY)).flatten()


def mean_frequency(dictionary: Float[Tensor, "D H"]) -> Float[Tensor, " H"]:
    """Mean of |f| over the power spectrum of each square field, cycles a pixel; 0.38 for white noise."""
    power, frequency = _spectrum(dictionary)
    return (power * frequency).sum(1) / power.sum(1)


def peak_frequency(dictionary: Float[Tensor, "D H"]) -> Float[Tensor, " H"]:
    """Frequency |f| at which the power spectrum of each square field is largest, cycles a pixel."""
    power, frequency = _spectrum(dictionary)
    return frequency[power.argmax(1)]


def _spectrum(dictionary: Float[Tensor, "D H"]) -> tuple[Float[Tensor, "H F"], Float[Tensor, " F"]]:
    """Power spectra, between frequencies by zero padding, and |f| there.

    Raises
    ------
    InputError
        If D is not a square number.
    """
    side = round(len(dictionary) ** 0.5)
    if side**2 != len(dictionary):
        raise InputError(f"Fields of {len(dictionary)} pixels are not square.")
    padded = (PADDING * side, PADDING * side)
    power = torch.fft.fft2(dictionary.T.reshape(-1, side, side), padded).abs().square()
    axis = torch.fft.fftfreq(PADDING * side, dtype=power.dtype, device=power.device)
    return power.flatten(1), torch.hypot(axis[:, None], axis).flatten()


def energy_outside(x: Float[Tensor, "N D"], dictionary: Float[Tensor, "D H"]) -> float:
    """Share of the data's energy outside the span of the fields, which no code can explain."""
    fields, sizes, _ = torch.linalg.svd(dictionary.double(), full_matrices=False)
    inside = x.double() @ fields[:, sizes > torch.finfo(dictionary.dtype).eps * sizes.max()]
    return 1 - float(inside.square().sum() / x.double().square().sum())


def latent_information(posterior: GaussianPosterior) -> Float[Tensor, " H"]:
    """Nats a data point that each latent tells: KL of its marginal posterior and the prior, on average.

    With the optimal λ_h (Theorem 2) this is log 2eλ_h − mean ½ log 2πe τ_h².  Gaussians cannot be the Laplace
    prior, so it is at least `LEAST_INFORMATION`, where all posteriors have collapsed to one with ν = 0.
    """
    magnitude = expected_magnitude(posterior.mean, posterior.std).mean(0)
    return torch.log(2 * math.e * magnitude) - (LOG_2_PI_E / 2 + posterior.std.log().mean(0))
