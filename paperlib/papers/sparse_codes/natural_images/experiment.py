"""Learning from natural image patches, traced epoch by epoch and judged on other patches (Section 4.2, E.4).

One experiment for Figs. 3, 4 and 8 to 12 and Table 1: the paper's own EM, fast EM with diagonal or full
covariances, and amortized learning, each without annealing or with one of its kinds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from paperlib.data import Images, PatchSampler
from paperlib.elbo.encoders import Encoder
from paperlib.elbo.history import Snapshot
from paperlib.elbo.posteriors import GaussianPosterior
from paperlib.models.sparse_coding.inference import closed_form_scales, fit_posterior
from paperlib.models.sparse_coding.judging import GINI_POINTS, sampled_gini
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers import AmortizedResult, FitResult, fit_amortized, fit_em
from paperlib.papers.sparse_codes.fields.gabor import fit_gabors
from paperlib.papers.sparse_codes.fields.measures import (
    LEAST_INFORMATION,
    effective_pixels,
    fine_fields,
    latent_information,
)
from paperlib.papers.sparse_codes.judging import (
    entropy_weights,
    held_out_patches,
    judge_dictionary,
    judge_posterior,
    optimal_family,
)
from paperlib.papers.sparse_codes.learners.paper_em import fit_paper_em
from paperlib.records.record import Outcome
from paperlib.system.validation import check_choice

METHODS: dict[str, Callable[..., FitResult]] = {
    "paper": fit_paper_em,
    "em": fit_em,
    "full": partial(fit_em, family="full"),
    "amortized": fit_amortized,
    "low-rank": partial(fit_amortized, family="low-rank"),
}
TRACED_POINTS = 1_024  # of the test patches, on which they are judged while they are learned
TRACED_EPOCHS = 20  # at most
COLLAPSED = LEAST_INFORMATION + 0.01  # nats a data point; latents that tell less have collapsed


def learn_images(
    *,
    images: Images,
    method: str,
    annealing: str | list[float],
    seed: int,
    patch_size: int,
    n_patches: int,
    n_latents: int,
    n_epochs: int,
    n_test: int,
    keep_fields: bool = False,
    **options: Any,
) -> Outcome:
    """Learn a dictionary from patches and judge it on others.

    Parameters
    ----------
    images : Images
        Where patches come from.
    method : {"paper", "em", "full", "amortized", "low-rank"}
        The paper's EM, `fit_em` with diagonal or full covariances, `fit_amortized` with diagonal or low-rank
        ones.
    annealing : str or list of float
        Kind of `paperlib.elbo.annealing.schedule`, or weights γ of the prior's entropy by epoch.
    seed : int
        Of the patches, the first dictionary and the order of visits.
    patch_size, n_patches, n_latents, n_epochs, n_test : int
        Side of a patch, N, H, passes, and patches to judge on.
    keep_fields : bool
        Keep the dictionary after every epoch.
    **options
        Passed on to the trainer.

    Returns
    -------
    Outcome
        `history`, a row an epoch (see `Trace`) and one for the end; `judged`, by family (and `encoder`), as
        of `judge_dictionary`; `gabor`, the share of each field that a Gabor function explains.  Arrays:
        `dictionary` (D, H), `prior_scales` (H,), and with `keep_fields` also `fields` (epochs, D, H) and by
        epoch the `scales` λ/σ and the `information` of latents (epochs, H).

    Raises
    ------
    InputError
        If the method is unknown.
    """
    check_choice("method", method, METHODS)
    x = PatchSampler(images, patch_size, seed).draw(n_patches)
    x_test = held_out_patches(images, patch_size, n_test)
    traced = x_test[:TRACED_POINTS]
    family, interval = optimal_family(method), -(-n_epochs // TRACED_EPOCHS)
    trace = Trace(x[-GINI_POINTS:], traced, family, interval, keep_fields)
    result = METHODS[method](
        x, n_latents, n_epochs=n_epochs, annealing=entropy_weights(annealing), callback=trace, progress=False,
        generator=torch.Generator().manual_seed(seed), **options,
    )  # fmt: skip
    end = result.history[-1] | {"seconds": trace.lap(), "dead_fields": result.dead_fields.numel()}
    dictionary = result.model.dictionary
    judged = {family: judge_dictionary(x_test, dictionary, family) for family in ("diagonal", "full")}
    encoder = result.encoder if isinstance(result, AmortizedResult) else None
    if encoder is not None:
        with torch.no_grad():
            judged["encoder"] = judge_posterior(x_test, dictionary, encoder(x_test))
    end["held_out"] = trace.held_out(dictionary, encoder)
    fits = fit_gabors(dictionary.T.reshape(-1, patch_size, patch_size))
    numbers = {
        "history": [*trace.rows, end],
        "judged": judged,
        "gabor": [round(fit.explained, 4) for fit in fits],
    }
    arrays = {"dictionary": dictionary, "prior_scales": result.model.prior_scales, **trace.arrays()}
    return Outcome(numbers, {key: value.numpy() for key, value in arrays.items()})


class Trace:
    """Callback of every trainer: the state after an epoch as a row of numbers.

    Rows are those of the trainer's history (`elbo` and entropies of the posteriors gathered in the pass) with
    `seconds` of CPU time, `gini` and `collapsed` latents of the present posteriors of the last training
    patches, which the paper's EM, whose order is fixed, has visited last; `pixels` (median effective number
    of a field's), how many fields are `fine` and, every few epochs, `held_out`, the ELBO of TRACED_POINTS
    test patches: by the encoder where there is one, else with optimal posteriors of the family.
    """

    def __init__(self, x: Tensor, x_test: Tensor, family: str, interval: int, keep_fields: bool):
        self.x, self.x_test, self.family = x, x_test, family
        self.interval, self.keep_fields = interval, keep_fields
        self.rows: list[dict] = []
        self.kept: list[dict[str, Tensor]] = []
        self.seconds, self.started = 0.0, time.process_time()

    def lap(self) -> float:
        """CPU seconds of training so far."""
        self.seconds += time.process_time() - self.started
        self.started = time.process_time()
        return round(self.seconds, 3)

    def __call__(self, now: Snapshot) -> None:
        row = now.history[-1] | {"seconds": self.lap()}
        encoder, dictionary = now.encoder, now.dictionary.clone()
        posterior = self.present(now)
        stats = PosteriorStatistics.from_batch(self.x, posterior, dictionary)
        information = latent_information(posterior)
        row["gini"], row["gini_sd"] = sampled_gini(posterior)
        row["pixels"] = float(effective_pixels(dictionary).median())
        row["fine"] = len(fine_fields(dictionary))
        row["collapsed"] = int((information < COLLAPSED).sum())
        if len(self.rows) % self.interval == 0:
            row["held_out"] = self.held_out(dictionary, encoder)
        self.rows.append(row)
        if self.keep_fields:
            prior_scales, noise_variance = closed_form_scales(stats, torch.float32)
            scales = prior_scales / noise_variance.sqrt()
            self.kept.append({"fields": dictionary, "scales": scales, "information": information})
        self.started = time.process_time()

    @torch.no_grad()
    def present(self, now: Snapshot) -> GaussianPosterior:
        """Posteriors of the last training patches as they are."""
        if now.encoder is not None:
            return now.encoder(self.x)
        assert now.posterior is not None  # trainers without an encoder keep them
        return now.posterior[-len(self.x) :]

    @torch.no_grad()
    def held_out(self, dictionary: Tensor, encoder: Encoder | None) -> float:
        """ELBO of the test patches."""
        if encoder is None:
            dictionary = normalize_columns(dictionary)
            stats = fit_posterior(self.x_test, dictionary, self.family, tolerance=1e-2)[1]
        else:
            stats = PosteriorStatistics.from_batch(self.x_test, encoder(self.x_test), dictionary)
        return float(entropy_elbo(stats))

    def arrays(self) -> dict[str, Tensor]:
        """What was kept of all epochs, stacked."""
        names = self.kept[0] if self.kept else ()
        return {name: torch.stack([epoch[name].float() for epoch in self.kept]) for name in names}
