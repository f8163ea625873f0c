"""More fields than pixels (E.5, Fig. 12): does annealing to γ = 1 leave textures, and a lasting γ > 1 Gabors?

Dictionaries are learned by fast EM with a weight γ on the prior's entropy that falls and then stays, and
judged at γ = 1, whatever it was.  Each field is described by its Gabor fit, its size, its frequency and what
the reconstruction loses without it.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from paperlib.data import Images, PatchSampler
from paperlib.elbo.history import Snapshot
from paperlib.elbo.posteriors import DiagonalGaussian, GaussianPosterior
from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.inference import closed_form_scales, fit_posterior, infer_diagonal
from paperlib.models.sparse_coding.judging import sampled_gini
from paperlib.models.sparse_coding.metrics import dead_fields
from paperlib.models.sparse_coding.objectives import entropy_elbo, optimal_noise_variance
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers import fit_em
from paperlib.papers.sparse_codes.fields.gabor import GaborFit, fit_gabors
from paperlib.papers.sparse_codes.fields.measures import (
    HIGH_FREQUENCY,
    effective_pixels,
    mean_frequency,
    peak_frequency,
)
from paperlib.papers.sparse_codes.judging import held_out_patches, judge_posterior
from paperlib.records.record import Outcome, Record

KINDS = ("Gabor", "texture", "other")
GABOR_SHARE = 0.5  # of a Gabor's energy, that its Gabor fit explains at least
NARROW = 0.25  # of the patch's side, the smaller width of a Gabor's window at most
PERIODS = 1.0  # in the width of a Gabor's window along its wave, at most; gratings have more
SPREAD = 0.25  # of the patch's pixels, the effective number of a texture at least
KEPT = ("step", "phase", "elbo", "prior_weight")


def learn_overcomplete(
    *,
    images: Images,
    seed: int,
    first_gamma: float,
    last_gamma: float,
    patch_size: int,
    n_patches: int,
    n_latents: int,
    n_epochs: int,
    n_test: int,
    polish: int = 0,
) -> Outcome:
    """Learn an overcomplete dictionary, judge it at γ = 1, and describe its fields.

    Parameters
    ----------
    images : Images
        Where patches come from.
    seed : int
        Of the patches, the first dictionary and the order of visits.
    first_gamma, last_gamma : float
        Weight of the prior's entropy in the first epoch, and from the middle one on (`falling_weights`).
    patch_size, n_patches, n_latents, n_epochs, n_test : int
        Side of a patch, N, H, passes, and patches to judge on.
    polish : int
        Iterations of L-BFGS at the end, which are at γ = 1.

    Returns
    -------
    Outcome
        Numbers: `history` of the ELBO; `judged`, as of `judge_posterior` with diagonal posteriors;
        `gini_learning` of the code under the weights of the last epoch; `unexplained`, the expected squared
        error's share of the data's energy; `without_textures`, ELBO and unexplained share when all textures
        are taken out and posteriors inferred anew; `learning_seconds` of CPU time until the last epoch's end.
        Arrays, fields in the columns' order: `dictionary` (D, H), `prior_scales`, `contribution`, `pixels`,
        `frequency`, `kind`, an index of `KINDS`, and `used`, 0 for dead fields, all of them (H,), and `gabor`
        (H, 7), see `gabor_fits`.
    """
    x = PatchSampler(images, patch_size, seed).draw(n_patches)
    x_test = held_out_patches(images, patch_size, n_test)
    started, seconds, gini = time.process_time(), 0.0, 0.0

    def after_epoch(now: Snapshot) -> None:
        nonlocal seconds, gini
        if now.step == n_epochs and now.posterior is not None:
            seconds = time.process_time() - started
            gini, _ = sampled_gini(now.posterior)

    result = fit_em(
        x, n_latents, n_epochs=n_epochs, annealing=falling_weights(first_gamma, last_gamma, n_epochs),
        polish=polish, generator=torch.Generator().manual_seed(seed), callback=after_epoch, progress=False,
    )  # fmt: skip
    model = result.model
    dictionary = model.dictionary
    posterior, stats = fit_posterior(x_test, dictionary, start=infer_diagonal(x_test, model))
    fields = describe_fields(x_test, posterior, dictionary, stats)
    without = _without(x_test, posterior, dictionary, fields["kind"] == KINDS.index("texture"))
    energy = float(x_test.double().square().mean())
    numbers = {
        "history": [{key: row[key] for key in KEPT} for row in result.history],
        "judged": judge_posterior(x_test, dictionary, posterior),
        "gini_learning": gini,
        "unexplained": float(optimal_noise_variance(stats)) / energy,
        "without_textures": {
            "elbo": float(entropy_elbo(without)),
            "unexplained": float(optimal_noise_variance(without)) / energy,
        },
        "learning_seconds": round(seconds, 2),
    }  # fmt: skip
    arrays = {"dictionary": dictionary, **fields}
    return Outcome(numbers, {name: value.numpy() for name, value in arrays.items()})


def _without(
    x: Float[Tensor, "N D"],
    posterior: GaussianPosterior,
    dictionary: Float[Tensor, "D H"],
    left_out: Bool[Tensor, " H"],
) -> PosteriorStatistics:
    """Statistics of the optimal diagonal posteriors of the other fields."""
    kept = ~left_out
    start = DiagonalGaussian(posterior.mean[:, kept], posterior.std[:, kept])
    return fit_posterior(x, dictionary[:, kept], start=start)[1]


def falling_weights(first: float, last: float, n_epochs: int) -> list[EntropyWeights]:
    """Weights with γ falling linearly during the first half of the epochs, and staying then (Eq. 17)."""
    falling = n_epochs // 2
    shares = [max(0.0, 1 - epoch / falling) if falling else 0.0 for epoch in range(n_epochs)]
    return [EntropyWeights(prior=last + (first - last) * share) for share in shares]


def describe_fields(
    x: Float[Tensor, "N D"],
    posterior: GaussianPosterior,
    dictionary: Float[Tensor, "D H"],
    stats: PosteriorStatistics,
) -> dict[str, Tensor]:
    """What each field is, does and looks like, by name as in `learn_overcomplete`.

    `contribution` is `contributions` as a share of the data's energy.  Patches are square.
    """
    side = round(len(dictionary) ** 0.5)
    prior_scales, noise_variance = closed_form_scales(stats, torch.float32)
    used = torch.ones_like(prior_scales)
    used[dead_fields(prior_scales, noise_variance)] = 0
    fits = fit_gabors(dictionary.T.reshape(-1, side, side))
    gabor = torch.tensor([[*fit.center, *fit.widths, *fit.wave_vector, fit.explained] for fit in fits])
    pixels, frequency = effective_pixels(dictionary), mean_frequency(dictionary)
    return {
        "prior_scales": prior_scales,
        "used": used,
        "contribution": contributions(x, posterior, dictionary) / x.double().square().sum(1).mean(),
        "pixels": pixels,
        "frequency": frequency,
        "gabor": gabor,
        "kind": classify(gabor, pixels, frequency, side),
    }


def classify(
    gabor: Float[Tensor, "H 7"], pixels: Float[Tensor, " H"], frequency: Float[Tensor, " H"], side: int
) -> Int[Tensor, " H"]:
    """Kind of each field, by its looks, as index of `KINDS`.

    Gabor: a Gabor function explains `GABOR_SHARE` of the field or more, its window is narrow in one direction
    at least, and it has no more than `PERIODS` of the wave in its width.  Texture: no Gabor, spread over the
    patch, and of high frequency.  Other: the rest.

    Parameters
    ----------
    gabor : tensor (H, 7)
        Rows of fits, see `gabor_fits`.
    pixels, frequency : tensors (H,)
        `.effective_pixels` and `.mean_frequency`.
    side : int
        Of the patches, in pixels.
    """
    widths, wave_vector, explained = gabor[:, 2:4], gabor[:, 4:6], gabor[:, 6]
    is_gabor = (
        (explained >= GABOR_SHARE)
        & (widths.amin(1) <= NARROW * side)
        & (widths[:, 0] * wave_vector.norm(dim=1) <= PERIODS)
    )
    is_texture = ~is_gabor & (pixels >= SPREAD * side**2) & (frequency >= HIGH_FREQUENCY)
    kind = torch.full(pixels.shape, KINDS.index("other"))
    kind[is_gabor] = KINDS.index("Gabor")
    kind[is_texture] = KINDS.index("texture")
    return kind


def share_of_kind(record: Record, kind: str, measure: str | None = None) -> float:
    """Share of a kind in the number of fields, or in the sum of one of the record's arrays."""
    mine = record.arrays["kind"] == KINDS.index(kind)
    amount = record.arrays[measure] if measure else np.ones(len(mine))
    return float(amount[mine].sum(dtype=float) / amount.sum(dtype=float))


def gabors_of(record: Record) -> list[GaborFit]:
    """Gabor fits of a record by contribution, largest first."""
    arrays = record.arrays
    order = np.argsort(-arrays["contribution"].astype(float))
    mine = order[arrays["kind"][order] == KINDS.index("Gabor")]
    return gabor_fits(record.tensor("gabor")[torch.from_numpy(mine)])


def last_rise(record: Record) -> float:
    """What the last epoch gained in nats a patch of the training data."""
    *_, before, last = (row["elbo"] for row in record.numbers["history"] if row["phase"] == "em")
    return last - before


def octaves(record: Record) -> float:
    """Octaves between the 10 % lowest and the 10 % highest peak frequencies of the Gabors."""
    mine = record.arrays["kind"] == KINDS.index("Gabor")
    if not mine.any():
        return 0.0
    peaks = peak_frequency(record.tensor("dictionary")[:, torch.from_numpy(mine)])
    low, high = np.quantile(peaks.clamp(min=1e-2), [0.1, 0.9])
    return float(np.log2(high / low))


def evenness(record: Record) -> float:
    """Entropy of the Gabors' directions in eight bins, 1 if all are equally frequent."""
    counts = np.histogram([fit.direction for fit in gabors_of(record)], bins=8, range=(0, math.pi))[0]
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return abs(float((shares * np.log(shares)).sum() / math.log(8)))


def contributions(
    x: Float[Tensor, "N D"], posterior: GaussianPosterior, dictionary: Float[Tensor, "D H"]
) -> Float[Tensor, " H"]:
    """Rise of the mean expected squared error E‖x − W̃z‖² when a field is left out, other latents unchanged.

    For field h it is the mean of E[z_h²] + 2 E[z_h w̃_hᵀ(x − W̃z)], with the posterior's moments: positive if
    the field takes part in the reconstruction, 0 or slightly negative if it only adds its posterior's spread.
    """
    dictionary = dictionary.double()
    mean = posterior.mean.double()
    residual = x.double() - mean @ dictionary.T
    second_moment = (mean.square() + posterior.variance.double()).sum(0)
    aligned = (mean * (residual @ dictionary)).sum(0) - (dictionary * posterior.spread(dictionary)).sum(0)
    return (second_moment + 2 * aligned) / len(x)


def gabor_fits(gabor: Float[Tensor, "H 7"]) -> list[GaborFit]:
    """Fits from the rows of a record: center, widths, wave vector and share explained."""
    return [
        GaborFit((row, column), (along, across), (down, right), explained)
        for row, column, along, across, down, right, explained in gabor.tolist()
    ]
