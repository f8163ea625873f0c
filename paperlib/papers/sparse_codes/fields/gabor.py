"""Gabor fits: how close learned fields are to a plane wave in a Gaussian window (Section 4.2; Figs. 8, 12).

Levenberg-Marquardt for many fields at once, each from several starts.  The wave's two amplitudes are linear
and eliminated (variable projection), so six parameters are searched: center, log widths and wave vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.system.errors import InputError

MIN_WIDTH = 0.4  # pixels
START_WIDTHS = (0.5, 1.0, 2.0)  # times the spread of the picture's energy, one start each
ITERATIONS = 60  # at most; most fits need fewer
GAIN = 1e-6  # of the share explained; a search ends after PATIENCE steps that gain less
PATIENCE = 4
CHUNK = 256  # pictures at a time, which bounds the memory
FIRST_DAMPING, LOWEST_DAMPING, RIDGE = 1e-2, 1e-8, 1e-10


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
        return math.hypot(*self.wave_vector)

    @property
    def direction(self) -> float:
        """Direction in which the wave runs, radians in [0, π) counterclockwise from the right.

        Its stripes are perpendicular to it.
        """
        down, right = self.wave_vector
        return math.atan2(-down, right) % math.pi


def fit_gabor(field: Float[Tensor, "height width"]) -> GaborFit:
    """Fit one picture, the `field`, as `fit_gabors` does many; many at once are faster."""
    return fit_gabors(field.unsqueeze(0))[0]


def fit_gabors(fields: Float[Tensor, "fields height width"]) -> list[GaborFit]:
    """Fit exp(−u²/2s_u² − v²/2s_v²)·(a cos 2πfu + b sin 2πfu) to `fields` by least squares.

    u runs along the wave's direction and v across it, from the center.  Fits start at the energy's center,
    at the strongest frequency there and with windows of different widths; the best one is returned.

    Raises
    ------
    InputError
        If a picture is not finite, or zero everywhere.
    """
    pictures = fields.detach().cpu().to(torch.float64)
    if not torch.isfinite(pictures).all() or not pictures.flatten(1).any(1).all():
        raise InputError("A Gabor function can be fitted to finite pictures that are not zero everywhere.")
    return [fit for chunk in pictures.split(CHUNK) if len(chunk) for fit in _fit_chunk(chunk)]


def _fit_chunk(pictures: Float[Tensor, "B height width"]) -> list[GaborFit]:
    pictures = pictures / torch.linalg.matrix_norm(pictures)[:, None, None]
    grid = torch.stack(_grid(*pictures.shape[1:])).flatten(1)
    starts = torch.stack([_start(pictures, factor) for factor in START_WIDTHS])
    targets = pictures.flatten(1).repeat(len(START_WIDTHS), 1)
    parameters, explained = _search(starts.flatten(0, 1), targets, grid, max(pictures.shape[1:]))
    explained, best = explained.view(len(START_WIDTHS), -1).max(0)
    parameters = parameters.view(len(START_WIDTHS), -1, 6)[best, torch.arange(len(best))]
    rows = zip(parameters.tolist(), explained.tolist(), strict=True)
    return [
        GaborFit((row, column), (math.exp(along), math.exp(across)), (down, right), share)
        for (row, column, along, across, down, right), share in rows
    ]


def _search(
    parameters: Float[Tensor, "B 6"], targets: Float[Tensor, "B P"], grid: Float[Tensor, "2 P"], size: int
) -> tuple[Float[Tensor, "B 6"], Float[Tensor, " B"]]:
    """Parameters after damped Gauss-Newton steps within bounds, and the share of energy explained."""
    log_widths = [math.log(MIN_WIDTH), math.log(2 * size)]
    bounds = [[-size / 2, 1.5 * size]] * 2 + [log_widths] * 2 + [[-0.5, 0.5]] * 2
    low, high = targets.new_tensor(bounds).T
    parameters = parameters.clamp(low, high)
    explained, gradient, curvature = _evaluate(parameters, targets, grid)
    damping, idle = torch.full_like(explained, FIRST_DAMPING), torch.zeros_like(explained)
    for _ in range(ITERATIONS):
        i = torch.nonzero(idle < PATIENCE).flatten()
        if len(i) == 0:
            break
        scale = curvature[i].diagonal(dim1=1, dim2=2)
        damped = curvature[i] + torch.diag_embed(damping[i, None] * scale + LOWEST_DAMPING)
        moved = (parameters[i] + torch.linalg.solve(damped, gradient[i])).clamp(low, high)
        shares, slopes, bends = _evaluate(moved, targets[i], grid)
        gain = shares - explained[i]
        better = gain > 0
        k = i[better]
        parameters[k], explained[k], gradient[k], curvature[k] = (
            moved[better], shares[better], slopes[better], bends[better],
        )  # fmt: skip
        damping[i] = (damping[i] * torch.where(better, 0.2, 4.0)).clamp(LOWEST_DAMPING, 1 / LOWEST_DAMPING)
        idle[i] = torch.where(gain > GAIN, 0, idle[i] + 1)
    return parameters, explained


def _evaluate(
    parameters: Float[Tensor, "B 6"], targets: Float[Tensor, "B P"], grid: Float[Tensor, "2 P"]
) -> tuple[Float[Tensor, " B"], Float[Tensor, "B 6"], Float[Tensor, "B 6 6"]]:
    """Share of energy explained with the best a and b; Jᵀ(target − function) and JᵀJ.

    J is Kaufman's Jacobian: that of the function at these amplitudes, less what they can follow.
    """
    row, column, log_along, log_across, down, right = parameters.T.unsqueeze(2)
    frequency = torch.sqrt(down**2 + right**2 + 1e-18)
    cos, sin = down / frequency, right / frequency
    below, beside = grid[0] - row, grid[1] - column
    along, across = below * cos + beside * sin, below * sin - beside * cos
    tight_along, tight_across = torch.exp(-2 * log_along), torch.exp(-2 * log_across)
    window = torch.exp(-(along**2 * tight_along + across**2 * tight_across) / 2)
    phase = 2 * math.pi * frequency * along
    waves = torch.stack([window * torch.cos(phase), window * torch.sin(phase)], dim=1)

    inverse = _inverse(waves @ waves.mT)
    amplitudes = inverse @ (waves @ targets.unsqueeze(2))
    a, b = amplitudes.unbind(1)
    function = a * waves[:, 0] + b * waves[:, 1]
    residual = targets - function

    by_phase = 2 * math.pi * (b * waves[:, 0] - a * waves[:, 1])
    by_along, by_across = -function * along * tight_along, -function * across * tight_across
    turn = (by_across * along - by_along * across) / frequency  # by the wave's direction
    jacobian = torch.stack(
        [
            -(by_along * cos + by_across * sin + by_phase * down),
            -(by_along * sin - by_across * cos + by_phase * right),
            -by_along * along,
            -by_across * across,
            by_phase * below - turn * sin,
            by_phase * beside + turn * cos,
        ],
        dim=1,
    )
    jacobian = jacobian - (jacobian @ waves.mT) @ (inverse @ waves)
    gradient = (jacobian @ residual.unsqueeze(2)).squeeze(2)
    return 1 - residual.square().sum(1), gradient, jacobian @ jacobian.mT


def _inverse(gram: Float[Tensor, "B 2 2"]) -> Float[Tensor, "B 2 2"]:
    """Inverse of the waves' products, bounded where the sine vanishes with the frequency."""
    ridge = RIDGE * gram.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] + torch.finfo(gram.dtype).tiny
    return torch.linalg.inv(gram + ridge * torch.eye(2, dtype=gram.dtype))


def _start(pictures: Float[Tensor, "B height width"], factor: float) -> Float[Tensor, "B 6"]:
    """Center and spread of the energy, and the spectrum's peak, between frequencies by zero padding."""
    energy = pictures**4 / (pictures**4).sum((1, 2), keepdim=True)  # squared energy: the field, not its noise
    rows, columns = _grid(*pictures.shape[1:])
    row, column = (energy * rows).sum((1, 2)), (energy * columns).sum((1, 2))
    distance = (rows - row[:, None, None]) ** 2 + (columns - column[:, None, None]) ** 2
    width = factor * torch.sqrt((distance * energy).sum((1, 2)) / 2).clamp(min=2 * MIN_WIDTH)
    window = torch.exp(-distance / (8 * width[:, None, None] ** 2))
    height, breadth = (4 * length for length in pictures.shape[1:])
    spectrum = torch.fft.fft2(window * pictures, (height, breadth)).abs()
    peak = spectrum.flatten(1).argmax(1)
    down = torch.fft.fftfreq(height, dtype=pictures.dtype)[peak // breadth]
    right = torch.fft.fftfreq(breadth, dtype=pictures.dtype)[peak % breadth]
    down = torch.where((down == 0) & (right == 0), 1 / height, down)  # a blob has no direction
    return torch.stack([row, column, width.log(), width.log(), down, right], dim=1)


def _grid(height: int, width: int) -> tuple[Tensor, ...]:
    return torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
