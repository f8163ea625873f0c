"""Bars (Section 4.1, E.2; Figs. 2 and 5): is every bar learned, how often, how fast, and if not, what is?

Everything follows from a seed: the data from 1000 + seed, so that procedures meet the same ten data sets,
and the first dictionary from the seed itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.models.sparse_coding.inference import fit_posterior, infer_full
from paperlib.models.sparse_coding.objectives import entropies, entropy_elbo
from paperlib.models.sparse_coding.trainers import FitResult, fit_em
from paperlib.models.sparse_coding.trainers.polish import polish_dictionary
from paperlib.papers.sparse_codes.bars.data import BarsData, bars
from paperlib.papers.sparse_codes.fields.matching import is_recovered, match_fields
from paperlib.papers.sparse_codes.learners.joint import fit_jointly
from paperlib.papers.sparse_codes.learners.restarts import fit_restarts
from paperlib.records.record import Outcome
from paperlib.system.validation import check_choice

PROCEDURES: dict[str, Callable[..., FitResult]] = {
    "joint": fit_jointly, "restarts": fit_restarts, "em": fit_em,
}  # fmt: skip
HELD = 0.5  # |cos| above which a field holds a bar: two bars of equal share have 0.63 to 0.77 each
KEPT = ("step", "elbo", "posterior_entropy", "prior_entropy", "likelihood_entropy", "prior_weight")
TOLERANCE = 1e-5  # of the posteriors for a dictionary that is given, in nats a data point


def learn_bars(
    *, procedure: str, seed: int, n_points: int = 1000, n_latents: int = 10, **options: Any
) -> Outcome:
    """Learn the bars of one data set, and say which of them the fields hold.

    Parameters
    ----------
    procedure : {"joint", "restarts", "em"}
        `fit_jointly` (the paper's), `fit_restarts` or `fit_em`.
    seed : int
        Of the data and of the first dictionary.
    n_points, n_latents : int
        N, and H; there are ten bars.
    **options
        Of the trainer.

    Returns
    -------
    Outcome
        Numbers: `elbo` (of the trainer's own posteriors) and `elbo_full` (of full ones) in nats a data point,
        `history` of the ELBO and its entropies, those of `describe_recovery`.  Array: `dictionary` (D, H).

    Raises
    ------
    InputError
        If the procedure is unknown, or the trainer refuses its options.
    """
    check_choice("procedure", procedure, PROCEDURES)
    data = make_bars(seed, n_points)
    result = PROCEDURES[procedure](data.x, n_latents, generator=seeded(seed), progress=False, **options)
    dictionary = result.model.dictionary
    _, full = fit_posterior(data.x, dictionary, "full", start=result.posterior, tolerance=TOLERANCE)
    numbers = {
        "elbo": result.elbo,
        "elbo_full": float(entropy_elbo(full)),
        "history": [{key: round(row[key], 5) for key in KEPT} for row in result.history],
        **describe_recovery(result, data.model.dictionary),
    }
    return Outcome(numbers, {"dictionary": dictionary.numpy()})


def score_truth(*, seed: int, n_points: int = 1000, family: str = "full") -> Outcome:
    """ELBO and entropies of the generating dictionary itself, with posteriors inferred to convergence.

    The ELBO's scales are the optimal ones for these data, as they are for a learned dictionary.
    """
    data = make_bars(seed, n_points)
    terms = entropies(fit_posterior(data.x, data.model.dictionary, family, tolerance=TOLERANCE)[1])
    named = {f"{name}_entropy": float(value) for name, value in vars(terms).items()}
    return Outcome({"elbo": float(terms.elbo), **named})


def climb_with_more_data(
    *, seed: int, n_points: int = 1000, n_more: int = 10_000, iterations: int = 60, **options: Any
) -> Outcome:
    """Start a climb on `n_more` data points where joint L-BFGS ended on `n_points` of the same bars.

    Returns
    -------
    Outcome
        Numbers: `recovered` and `elbo` after the climb (full posteriors, `n_more` data points).
    """
    few, many = make_bars(seed, n_points), make_bars(seed, n_more)
    result = fit_jointly(few.x, 10, generator=seeded(seed), progress=False, **options)
    posterior, _ = fit_posterior(many.x, result.model.dictionary, "full")
    dictionary, _, stats = polish_dictionary(
        many.x, result.model.dictionary, posterior, e_step=partial(infer_full, n_steps=1),
        iterations=iterations, progress=False,
    )  # fmt: skip
    recovered = is_recovered(dictionary, many.model.dictionary)
    return Outcome({"recovered": recovered, "elbo": float(entropy_elbo(stats))})


def describe_recovery(result: FitResult, truth: Float[Tensor, "D H"]) -> dict[str, Any]:
    """Which fields hold which bars, and how much they are used.

    Returns
    -------
    dict
        `recovered` and `recovered_strictly` (all |cos| above 0.7 and 0.9, one to one), `smallest_cosine` of
        the best match, `bars_held` by each field, `matched` (the fields that the bars are matched with, in
        the bars' order), `usage` λ_h/σ of each field, and the number of `dead_fields`.
    """
    learned, model = result.model.dictionary, result.model
    match = match_fields(learned, truth)
    return {
        "recovered": is_recovered(learned, truth),
        "recovered_strictly": is_recovered(learned, truth, threshold=0.9),
        "smallest_cosine": float(match.cosine.min()),
        "bars_held": ((truth.T @ learned).abs() > HELD).sum(0).tolist(),
        "matched": match.permutation.tolist(),
        "usage": (model.prior_scales / model.noise_variance.sqrt()).tolist(),
        "dead_fields": len(result.dead_fields),
    }


def per_seed(method: str, seeds: Iterable[int], **config: Any) -> dict[str, dict[str, Any]]:
    """Configurations of a method for some seeds, by the names of their records."""
    return {f"{method}-seed{seed}": {"seed": seed, **config} for seed in seeds}


def make_bars(seed: int, n_points: int) -> BarsData:
    """The data set of a seed, as in E.2."""
    return bars(n_points, generator=seeded(1000 + seed))


def seeded(seed: int) -> torch.Generator:
    """Generator of random numbers that nothing else shares."""
    return torch.Generator().manual_seed(seed)
