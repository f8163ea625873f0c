"""Sparse coding as Olshausen & Field's "sparsenet" learns it (1996): the classic that Section 4.2 scores.

Codes minimize a cost, λ/2 ‖x − As‖² + β Σ_h log(1 + (s_h/σ)²), by a few iterations of conjugate gradients;
the dictionary follows its gradient, a step a batch; and the norm of each column is its gain, which is driven
until the codes have the variance that was set as the goal.  λ, β and σ are chosen by hand.  Written from the
algorithm as published; all patches of a batch are inferred at once, each with a step length of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import t
from torch import Tensor

from paperlib.data import Images
from paperlib.elbo.history import Callback, Snapshot
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.system.errors import InputError
from paperlib.system.validation import check_data, check_positive

BORDER = 4  # pixels at the images' edges that no patch contains
VARIANCE_GOAL = 0.1  # of every code
VARIANCE_RATE = 0.001  # share of the newest code in its running variance
GAIN_EXPONENT = 0.02  # of variance / goal, by which a gain is multiplied after a batch
LINE_STEPS = 2  # of Newton's method on the length of a step; more change nothing that a batch would notice


@dataclass(frozen=True)
class Cost:
    """The cost λ/2 ‖x − As‖² + β Σ_h log(1 + (s_h/σ)²) of a patch x and its code s, with sparsenet's weights.

    Parameters
    ----------
    precision : float
        λ, the inverse of the assumed noise variance.
    sparsity : float
        β, the weight of the penalty.
    scale : float
        σ, the size from which on a code's penalty grows slowly.

    Raises
    ------
    InputError
        If one is not positive.
    """

    precision: float = 100.0
    sparsity: float = 2.2
    scale: float = 0.316

    def __post_init__(self) -> None:
        check_positive(precision=self.precision, sparsity=self.sparsity, scale=self.scale)

    def __call__(
        self, x: Float[Tensor, "N D"], codes: Float[Tensor, "N H"], dictionary: Float[Tensor, "D H"]
    ) -> Float[Tensor, " N"]:
        """Cost of every patch."""
        error = (x - codes @ dictionary.T).square().sum(-1)
        return self.precision / 2 * error + self.penalty(codes)

    @property
    def prior_median(self) -> float:
        """Median |s| under the prior that the penalty assumes, ∝ (1 + (s/σ)²)^−β; infinite for β ≤ 1/2.

        It is Student's distribution with 2β − 1 degrees of freedom.
        """
        if self.sparsity <= 0.5:
            return math.inf
        freedom = 2 * self.sparsity - 1
        return self.scale * float(t.ppf(0.75, freedom)) / math.sqrt(freedom)

    def penalty(self, codes: Float[Tensor, "N H"]) -> Float[Tensor, " N"]:
        """β Σ_h log(1 + (s_h/σ)²) of the `codes` s, as many numbers as patches."""
        return self.sparsity * torch.log1p((codes / self.scale).square()).sum(-1)

    def penalty_gradient(self, codes: Float[Tensor, "N H"]) -> Float[Tensor, "N H"]:
        """Derivative of the penalty by every one of the `codes`."""
        return 2 * self.sparsity * codes / (self.scale**2 + codes.square())


@dataclass(frozen=True)
class SparsenetResult:
    """What sparsenet learned.

    Parameters
    ----------
    weights : tensor (D, H)
        A; the norm of a column is its gain.
    cost : tensor (n_batches,)
        Mean cost a patch of every batch, after inference and before the step on A.
    """

    weights: Float[Tensor, "D H"]
    cost: Float[Tensor, " batches"]

    @property
    def gains(self) -> Float[Tensor, " H"]:
        """Norms of the columns of A."""
        return self.weights.norm(dim=0)

    @property
    def dictionary(self) -> Float[Tensor, "D H"]:
        """W̃, the columns of A at unit norm."""
        return normalize_columns(self.weights)


def fit_sparsenet(
    images: Images,
    patch_size: int,
    n_latents: int,
    *,
    n_batches: int = 10_000,
    batch_size: int = 100,
    learning_rate: float | tuple[float, float] = 1.0,
    cost: Cost | None = None,
    generator: torch.Generator,
    callback: Callback | None = None,
) -> SparsenetResult:
    """Learn a dictionary by sparsenet's algorithm.

    Parameters
    ----------
    images : Images
        Whitened images, taken as they are; the cost's weights are meant for a variance of about 0.1.
    patch_size : int
        Side of a patch.
    n_latents : int
        H.
    n_batches, batch_size : int
        Steps on the dictionary, and patches a step, all from one image.
    learning_rate : float or (float, float)
        η of A ← A + η mean(e sᵀ), e = x − As; or the first and the last one of a linear fall.
    cost : Cost, optional
        The weights of the cost, by default the original ones.
    generator : torch.Generator
        CPU generator of the first dictionary and of the patches.
    callback : callable, optional
        Called with a `Snapshot` after every batch.

    Raises
    ------
    InputError
        If a number is not positive, or patches do not fit into the images within their borders.
    FloatingPointError
        If learning leaves the finite numbers.
    """
    first, last = learning_rate if isinstance(learning_rate, tuple) else (learning_rate, learning_rate)
    check_positive(patch_size=patch_size, n_latents=n_latents, n_batches=n_batches, batch_size=batch_size,
                   learning_rate=min(first, last))  # fmt: skip
    windows = inner_windows(images, patch_size)
    cost = cost or Cost()
    weights = normalize_columns(torch.rand(patch_size**2, n_latents, generator=generator) - 0.5)
    gains, variance = torch.ones(n_latents), torch.full((n_latents,), VARIANCE_GOAL)
    costs = torch.empty(n_batches)
    for batch, rate in enumerate(np.linspace(first, last, n_batches).tolist()):
        x = draw_patches(windows, batch_size, generator)
        codes = infer_codes(x, weights, cost)
        costs[batch] = cost(x, codes, weights).mean()
        if not torch.isfinite(costs[batch]):
            raise FloatingPointError(f"Learning diverged in batch {batch + 1}; lower the learning rate.")
        weights = weights + rate / batch_size * (x - codes @ weights.T).T @ codes
        variance = running_variance(variance, codes)
        gains = gains * (variance / VARIANCE_GOAL) ** GAIN_EXPONENT
        weights = weights * (gains / weights.norm(dim=0))
        if callback is not None:
            callback(Snapshot(batch + 1, normalize_columns(weights), []))
    return SparsenetResult(weights, costs)


def infer_codes(
    x: Float[Tensor, "N D"],
    weights: Float[Tensor, "D H"],
    cost: Cost | None = None,
    *,
    tolerance: float = 1e-4,
    max_iterations: int = 10,
) -> Float[Tensor, "N H"]:
    """Codes of low cost by Polak & Ribière's conjugate gradients from s_h = a_hᵀx/‖a_h‖².

    Parameters
    ----------
    weights : tensor (D, H)
        A, columns of any length.
    cost : Cost, optional
        Its constants, the original's if not given.
    tolerance : float
        A patch is done when an iteration lowers its cost by less than this share of it.  No iteration raises
        a cost.
    max_iterations : int
        At most.

    Returns
    -------
    tensor (N, H)
        Codes s.

    Raises
    ------
    InputError
        If data are not finite or do not fit the dictionary.
    """
    check_data(x, n_features=weights.shape[0])
    cost = cost or Cost()
    gram, projection, energy = weights.T @ weights, x @ weights, x.square().sum(-1)

    def value(codes: Tensor, image: Tensor) -> Tensor:  # image is s AᵀA
        error = energy + torch.linalg.vecdot(codes, image - 2 * projection)
        return cost.precision / 2 * error + cost.penalty(codes)

    def downhill(codes: Tensor, image: Tensor) -> Tensor:
        return cost.precision * (projection - image) - cost.penalty_gradient(codes)

    tiny = torch.finfo(x.dtype).tiny  # a patch of zeros has no descent
    codes = projection / gram.diagonal()
    image = codes @ gram
    present, descent = value(codes, image), downhill(codes, image)
    direction, active = descent, torch.ones_like(energy, dtype=torch.bool)
    for _ in range(max_iterations):
        change = direction @ gram
        step = _line_minimum(codes, direction, descent, change, cost).where(active, 0).unsqueeze(-1)
        codes, image = codes + step * direction, image + step * change
        before, present = present, value(codes, image)
        active = active & (2 * (before - present) > tolerance * (before.abs() + present.abs()))
        if not active.any():
            break
        old, descent = descent, downhill(codes, image)
        share = torch.linalg.vecdot(descent, descent - old) / torch.linalg.vecdot(old, old).clamp(min=tiny)
        conjugate = descent + share.clamp(min=0).unsqueeze(-1) * direction
        is_downhill = torch.linalg.vecdot(conjugate, descent) > 0
        direction = conjugate.where(is_downhill.unsqueeze(-1), descent)
    return codes


def _line_minimum(
    codes: Tensor, direction: Tensor, descent: Tensor, change: Tensor, cost: Cost
) -> Float[Tensor, " N"]:
    """Length t of a step to a minimum of the cost along each direction, by Newton's method made monotone.

    With u = (s + td)/σ and w = 1/(1 + u²) a parabola of curvature M = λ‖Ad‖² + 2β/σ² Σ d²w touches the
    cost at t and lies above it, since log(1 + u²) is concave in u².  The cost's own curvature is
    λ‖Ad‖² + 2β/σ² Σ d²(2w² − w).  So long as one divides the slope by no less than M/2, no step goes up.
    """
    quadratic = cost.precision * torch.linalg.vecdot(direction, change)
    slope = -torch.linalg.vecdot(direction, descent + cost.penalty_gradient(codes))  # of the quadratic part
    weight = 2 * cost.sparsity / cost.scale**2
    step = torch.zeros_like(slope)
    tiny = torch.finfo(slope.dtype).tiny  # where there is no direction, there is no step
    for _ in range(LINE_STEPS):
        moved = torch.addcmul(codes, step.unsqueeze(-1), direction)
        damped = direction / (1 + (moved / cost.scale).square())  # d w
        bound = weight * torch.linalg.vecdot(direction, damped)
        curvature = 2 * weight * torch.linalg.vecdot(damped, damped) - bound
        gradient = slope + step * quadratic + weight * torch.linalg.vecdot(damped, moved)
        step = step - gradient / torch.maximum(quadratic + curvature, (quadratic + bound) / 2).clamp(min=tiny)
    return step


def running_variance(variance: Float[Tensor, " H"], codes: Float[Tensor, "N H"]) -> Float[Tensor, " H"]:
    """Running second moments after codes that come one by one: v ← (1 − r) v + r s² for each."""
    keep = 1 - VARIANCE_RATE
    ages = torch.arange(len(codes) - 1, -1, -1, dtype=codes.dtype)
    return keep ** len(codes) * variance + VARIANCE_RATE * keep**ages @ codes.square()


def inner_windows(images: Images, patch_size: int) -> list[np.ndarray]:
    """All patches of every image that keep away from its border, as views (rows, columns, height, width).

    Raises
    ------
    InputError
        If there are none, since `patch_size` is too large for an image.
    """
    needed = patch_size + 2 * BORDER
    for number, shape in enumerate(images.shapes):
        if min(shape) < needed:
            raise InputError(
                f"Patches of {patch_size}×{patch_size} pixels do not fit into image {number} of "
                f"{images.source}, {shape[0]}×{shape[1]}, with {BORDER} pixels to its border; "
                "give smaller ones."
            )
    inner = slice(BORDER, -BORDER)
    return [sliding_window_view(image[inner, inner], (patch_size, patch_size)) for image in images.pixels]


def draw_patches(windows: list[np.ndarray], n: int, generator: torch.Generator) -> Float[Tensor, "n D"]:
    """Draw `n` patches at random places of one random image of `windows` (`inner_windows`)."""
    places = windows[int(torch.randint(len(windows), (), generator=generator))]
    rows, columns = (torch.randint(size, (n,), generator=generator).numpy() for size in places.shape[:2])
    return torch.from_numpy(places[rows, columns].reshape(n, -1))
