"""Measures of the paper's results: sparsity (Gini index, Table 1), recovered bars (Fig. 2), unused fields."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from paperlib.elbo.posteriors import LOG_2_PI_E, GaussianPosterior
from paperlib.models.sparse_coding.special import SQRT_2_OVER_PI, expected_magnitude
from paperlib.system.errors import InputError

DEAD_FIELD_RATIO = 0.1
LOCALIZED = 1 / 6  # of D: effective pixels of a localized field at most, half of what noise has
HIGH_FREQUENCY = 0.25  # cycles a pixel, half of what pixels can show along an axis
PADDING = 4  # times a field's side, for spectra
LEAST_INFORMATION = math.log(2 * math.e * SQRT_2_OVER_PI) - LOG_2_PI_E / 2  # nats


class FieldMatch(NamedTuple):
    """One-to-one match; ``signs * learned[:, permutation]`` are the learned fields aligned with the truth.

    `permutation` (H,) numbers the learned field matched with each true one, `signs` (H,) are ±1, and `cosine`
    (H,) is each pair's |cos|.
    """

    permutation: Int[Tensor, " H"]
    signs: Float[Tensor, " H"]
    cosine: Float[Tensor, " H"]


def gini(z: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*rest"]:
    """Gini index of |z| along dimension `dim`: 0 if all are equal, 1 − 1/n if one of n is not zero.

    G = 1 − 2 Σ_k (|z|_(k)/‖z‖₁)·(n − k + ½)/n with |z|_(1) ≤ ... ≤ |z|_(n) (Hurley & Rickard 2009).
    A vector of zeros, whose values are all equal, has index 0.

    Raises
    ------
    InputError
        If there are no values, or one is NaN or infinite.
    """
    if z.numel() == 0 or not torch.isfinite(z).all():
        raise InputError("The Gini index needs at least one value, and neither NaN nor infinite ones.")
    magnitude = z.abs().movedim(dim, -1).sort(-1).values
    # relative to the largest one, so that the sum cannot overflow
    largest = magnitude[..., -1:]
    share = torch.where(largest > 0, magnitude / largest, 1.0)
    n = share.shape[-1]
    weights = (n - torch.arange(1, n + 1, device=z.device, dtype=z.dtype) + 0.5) / n
    return 1 - 2 * (share @ weights) / share.sum(-1)


def posterior_gini(
    posterior: GaussianPosterior, n_samples: int = 10, *, generator: torch.Generator
) -> tuple[float, float]:
    """Mean and standard deviation of the Gini index of latents z drawn from the posterior (Table 1).

    The index is taken over the H latents of each of `n_samples` draws for each data point.
    """
    index = gini(posterior.sample(n_samples, generator))
    return float(index.mean()), float(index.std(correction=0))


def match_fields(learned: Float[Tensor, "_ K"], truth: Float[Tensor, "_ H"]) -> FieldMatch:
    """Match `learned` fields (D, K) with those of `truth` (D, H), K ≥ H, so that the sum of |cos| is largest.

    Order and sign of fields mean nothing in the model: align them before comparing.

    Raises
    ------
    InputError
        If the fields differ in dimension, fewer are learned than true, or a value is not finite.
    """
    cosine = _cosines(learned, truth)
    _, permutation = linear_sum_assignment(-cosine.abs().numpy())
    permutation = torch.from_numpy(permutation)
    matched = cosine[torch.arange(len(permutation)), permutation]
    signs = torch.where(matched < 0, -1.0, 1.0).to(learned.dtype)
    return FieldMatch(permutation.to(learned.device), signs.to(learned.device), matched.abs().to(learned))


def is_recovered(learned: Float[Tensor, "_ K"], truth: Float[Tensor, "_ H"], threshold: float = 0.7) -> bool:
    """Whether `truth` can be matched one to one with `learned` fields so that every |cos| > `threshold`."""
    close = _cosines(learned, truth).abs().numpy() > threshold
    pairs = linear_sum_assignment(close, maximize=True)
    return bool(close[pairs].all())


def dead_fields(prior_scales: Float[Tensor, " H"], noise_variance: Float[Tensor, ""]) -> Int[Tensor, " dead"]:
    """Numbers of the fields that explain nothing: prior scale λ_h below a tenth of the noise's deviation σ.

    The most such a field can tell about a data point, ½ log(1 + 2λ²/σ²), is below 0.01 nats.
    """
    return torch.nonzero(prior_scales < DEAD_FIELD_RATIO * noise_variance.sqrt()).flatten()


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


def _cosines(learned: Float[Tensor, "_ K"], truth: Float[Tensor, "_ H"]) -> Float[Tensor, "H K"]:
    """Cosine of every true with every learned field, on the CPU in float64; 0 for a field of zeros."""
    if learned.shape[0] != truth.shape[0] or learned.shape[1] < truth.shape[1]:
        raise InputError(
            f"Learned fields of shape {tuple(learned.shape)} cannot be matched with {tuple(truth.shape)}; "
            "expected the same number of rows and at least as many columns."
        )
    learned, truth = (fields.detach().cpu().to(torch.float64) for fields in (learned, truth))
    if not (torch.isfinite(learned).all() and torch.isfinite(truth).all()):
        raise InputError("Fields to be matched must not contain NaN or infinite values.")
    unit_learned, unit_truth = (torch.nn.functional.normalize(fields, dim=0) for fields in (learned, truth))
    return unit_truth.T @ unit_learned
