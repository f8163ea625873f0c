"""Amortization (Section 4.2, Appendix E.3): how far encoders stay behind optimal posteriors.

The ELBO of a patch is log p(x) − KL(q ‖ p(z|x)).  So for one dictionary, one λ and one σ² the difference of
two posteriors' ELBOs is a difference of KL divergences, and what an encoder loses splits into two gaps
(Cremer, Li & Duvenaud 2018): the approximation gap, from the best full-covariance Gaussian down to the best
of the encoder's family, and the amortization gap, from there down to what the encoder says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.data import Images, PatchSampler
from paperlib.elbo.posteriors import FAMILIES, GaussianPosterior, concatenate
from paperlib.models.contract import elbo_of_points
from paperlib.models.sparse_coding.inference import STEPWISE, infer_lbfgs
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.objectives import classical_elbo, entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers import AmortizedResult, fit_amortized, infer_amortized
from paperlib.papers.sparse_codes.judging import entropy_weights, held_out_patches, judge_dictionary
from paperlib.records.record import Outcome, Record
from paperlib.system.errors import InputError
from paperlib.system.validation import check_positive

ITERATIONS = (1, 2, 3, 5, 10, 20)  # of E-steps that start from an encoder, or from nothing
POINTS_AT_ONCE = 256  # that L-BFGS works on


def amortization_gap(
    images: Images,
    *,
    family: str = "diagonal",
    refinement_steps: int = 0,
    annealing: str | list[float] = "none",
    n_epochs: int = 30,
    n_patches: int = 51_200,
    patch_size: int = 16,
    n_latents: int = 100,
    n_test: int = 2_048,
    seed: int = 0,
) -> Outcome:
    """Learn with an encoder, then compare it with per-patch optima of its own dictionary, λ and σ².

    Parameters
    ----------
    family, refinement_steps, n_epochs
        As of `fit_amortized`.
    annealing : str or list of float
        Kind of `paperlib.elbo.annealing.schedule`, or weights γ of the prior's entropy by epoch.
    n_patches, n_test : int
        Patches to learn from, and others to judge on.  Gaps are also taken on the first `n_test` of the
        former.
    patch_size, n_latents : int
        √D and H.
    seed : int
        Of the training patches, the first dictionary and encoder, and the order of visits.

    Returns
    -------
    Outcome
        ELBOs in nats a patch.  `test`: of the encoder, and the optima of all families, at the learned λ and
        σ²; `training`: of the encoder and of its family's optimum, there; `iterations`: numbers of iterations
        of an E-step, with `from_encoder` and `from_nothing` (for families that have such an E-step);
        `of_record`: with λ and σ² in closed form from the test patches; `history`: ELBOs by pass;
        `microseconds`: CPU time of inference a patch.  Arrays: a test patch's `gap` and `contrast`.

    Raises
    ------
    InputError
        As of `fit_amortized`, or if `n_test` is not positive or larger than `n_patches`.
    """
    check_positive(n_test=n_test)
    if n_test > n_patches:
        raise InputError(f"n_test is {n_test}, more than the {n_patches} patches to learn from.")
    x = PatchSampler(images, patch_size, seed=seed).draw(n_patches)
    x_test = held_out_patches(images, patch_size, n_test)
    result = fit_amortized(
        x, n_latents, family=family, refinement_steps=refinement_steps, annealing=entropy_weights(annealing),
        n_epochs=n_epochs, generator=torch.Generator().manual_seed(seed), progress=False,
    )  # fmt: skip
    (encoded, stats), encoder_time = _timed(lambda: infer_amortized(x_test, result.encoder, result.model))
    dictionary = result.model.dictionary
    test = {"encoder": elbo_of_points(result.model, x_test, encoded)}
    seconds = {"encoder": encoder_time}
    for name in FAMILIES:
        optimum, seconds[name] = _timed(partial(optimal_posterior, x_test, result.model, name))
        test[name] = elbo_of_points(result.model, x_test, optimum)
    numbers = {
        "test": {name: float(elbos.mean()) for name, elbos in test.items()},
        "training": _training_gap(x[:n_test], result),
        "of_record": {
            "encoder": float(entropy_elbo(stats)),
            **{name: judge_dictionary(x_test, dictionary, name)["elbo"] for name in ("diagonal", "full")},
        },
        **_iterations(x_test, result),
        "history": [{key: row[key] for key in ("step", "seconds", "elbo")} for row in result.history],
        "microseconds": {name: value / n_test * 1e6 for name, value in seconds.items()},
    }
    arrays = {"gap": test[family] - test["encoder"], "contrast": x_test.square().mean(1).sqrt()}
    return Outcome(numbers, {name: values.numpy() for name, values in arrays.items()})


def gaps(record: Record) -> tuple[float, float]:
    """Approximation and amortization gap of a record in nats, on other patches."""
    test, family = record.numbers["test"], record.config["family"]
    return test["full"] - test[family], test[family] - test["encoder"]


def training_gap(record: Record) -> float:
    """Amortization gap of a record in nats, on training patches."""
    training = record.numbers["training"]
    return training["optimum"] - training["encoder"]


def optimal_posterior(
    x: Float[Tensor, "N D"], model: SparseCodingModel, family: str, *, max_iterations: int = 100
) -> GaussianPosterior:
    """The family's best posteriors for the model's own λ and σ², each patch for itself.

    Parameters
    ----------
    x : tensor (N, D)
        Data.
    family : {"diagonal", "low-rank", "full"}
        For low rank the ELBO is not concave and the optimum may be a local one.
    max_iterations : int
        Of the family's E-step; 100 leave less than 10⁻³ nats.

    Raises
    ------
    InputError
        If the family is unknown, shapes disagree or data are not finite.
    """
    if family in STEPWISE:
        return STEPWISE[family](x, model, n_steps=max_iterations)
    return concatenate([
        infer_lbfgs(batch, model, family, max_iterations=max_iterations) for batch in x.split(POINTS_AT_ONCE)
    ])  # fmt: skip


def _training_gap(x: Float[Tensor, "N D"], result: AmortizedResult) -> dict[str, float]:
    posteriors = {
        "encoder": infer_amortized(x, result.encoder, result.model)[0],
        "optimum": optimal_posterior(x, result.model, result.encoder.family),
    }
    return {name: float(elbo_of_points(result.model, x, q).mean()) for name, q in posteriors.items()}


def _iterations(x: Float[Tensor, "N D"], result: AmortizedResult) -> dict[str, list]:
    """ELBO after some iterations of the E-step, started at the encoder's posteriors and at none."""
    model, encoder = result.model, result.encoder
    if encoder.family not in STEPWISE:
        return {}
    scales = (model.prior_scales, model.noise_variance)

    def elbo(posterior: GaussianPosterior) -> float:
        stats = PosteriorStatistics.from_batch(x, posterior, model.dictionary)
        return float(classical_elbo(stats, *scales))

    return {
        "iterations": list(ITERATIONS),
        "from_encoder": [elbo(infer_amortized(x, encoder, model, refinement_steps=n)[0]) for n in ITERATIONS],
        "from_nothing": [
            elbo(optimal_posterior(x, model, encoder.family, max_iterations=n)) for n in ITERATIONS
        ],
    }


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """A result, and its CPU seconds on all threads."""
    started = time.process_time()
    return function(), time.process_time() - started
