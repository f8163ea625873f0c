"""The bars experiments: which bars fields hold, fair ELBOs, and a loss that L-BFGS can follow to the end."""

from __future__ import annotations

import math

import pytest
import torch
from problems import random_problem

from paperlib.elbo.posteriors import FAMILIES
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.models.sparse_coding.objectives import entropy_elbo
from paperlib.models.sparse_coding.statistics import PosteriorStatistics
from paperlib.models.sparse_coding.trainers import FitResult
from paperlib.papers.sparse_codes.bars.data import bar_fields
from paperlib.papers.sparse_codes.bars.experiment import (
    climb_with_more_data,
    describe_recovery,
    learn_bars,
    make_bars,
    per_seed,
    score_truth,
)
from paperlib.records import Outcome
from paperlib.system.errors import InputError

QUICK = {"annealing": "none", "max_calls": 1, "iterations_per_call": 10}


def result_with(dictionary: torch.Tensor) -> FitResult:
    """A result that has these fields, on a few data points."""
    x = make_bars(0, 20).x
    posterior, stats = fit_posterior(x, dictionary, "diagonal", max_rounds=1)
    return FitResult.from_posterior(dictionary, posterior, stats, [])


def test_bars_themselves_are_recovered_in_any_order_and_with_any_sign():
    truth = normalize_columns(bar_fields(5))
    order, signs = torch.randperm(10), torch.randn(10).sign()
    described = describe_recovery(result_with(signs * truth[:, order]), truth)
    assert described["recovered"] and described["recovered_strictly"]
    assert described["smallest_cosine"] == pytest.approx(1, abs=1e-6)
    assert described["bars_held"] == [1] * 10
    assert [int(order[field]) for field in described["matched"]] == list(range(10))
    assert len(described["usage"]) == 10


@pytest.mark.parametrize(("first", "second"), [(0, 1), (0, 5)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_field_of_two_bars_holds_two_whether_they_cross_or_not(first, second, sign):
    truth = normalize_columns(bar_fields(5))
    learned = truth.clone()
    learned[:, first] = truth[:, first] + sign * truth[:, second]
    described = describe_recovery(result_with(normalize_columns(learned)), truth)
    assert described["bars_held"] == [2 if field == first else 1 for field in range(10)]
    assert not described["recovered_strictly"]


def test_noise_holds_no_bar():
    truth = normalize_columns(bar_fields(5))
    pixels = torch.eye(25)[:, :10]  # |cos| of a pixel with its two bars is 1/√5
    described = describe_recovery(result_with(pixels), truth)
    assert described["bars_held"] == [0] * 10 and not described["recovered"]


def test_full_posteriors_bound_the_learned_elbo_and_the_truth_from_above():
    learned = learn_bars(procedure="joint", seed=1, n_points=60, family="diagonal", **QUICK)
    assert isinstance(learned, Outcome) and learned.arrays["dictionary"].shape == (25, 10)
    numbers = learned.numbers
    assert numbers["elbo_full"] > numbers["elbo"] == pytest.approx(numbers["history"][-1]["elbo"], abs=1e-4)
    full, diagonal = (score_truth(seed=1, n_points=60, family=f).numbers for f in ("full", "diagonal"))
    assert full["elbo"] > diagonal["elbo"]
    assert full["elbo"] == pytest.approx(
        full["posterior_entropy"] - full["prior_entropy"] - full["likelihood_entropy"], abs=1e-9
    )


def test_the_elbo_with_full_posteriors_is_that_of_the_dictionary_returned():
    learned = learn_bars(procedure="em", seed=0, n_points=80, annealing="prior", n_epochs=3, batch_size=20)
    dictionary = torch.from_numpy(learned.arrays["dictionary"])
    stats = fit_posterior(make_bars(0, 80).x, dictionary, "full", tolerance=1e-6)[1]
    assert learned.numbers["elbo_full"] == pytest.approx(float(entropy_elbo(stats)), abs=1e-2)


def test_the_same_configuration_gives_the_same_numbers():
    first, second = (learn_bars(procedure="joint", seed=2, n_points=40, **QUICK) for _ in range(2))
    assert first.numbers == second.numbers


def test_a_climb_with_more_data_ends_at_an_elbo_of_these_data():
    outcome = climb_with_more_data(seed=0, n_points=40, n_more=80, iterations=2, **QUICK)
    assert isinstance(outcome.numbers["recovered"], bool)
    assert math.isfinite(outcome.numbers["elbo"])


def test_configurations_differ_in_their_seeds_only():
    configs = per_seed("em", [3, 5], n_points=7)
    assert configs == {f"em-seed{seed}": {"seed": seed, "n_points": 7} for seed in (3, 5)}


def test_unknown_procedures_and_families_are_refused():
    with pytest.raises(InputError, match="Unknown procedure 'guess'"):
        learn_bars(procedure="guess", seed=0)
    with pytest.raises(InputError, match="Unknown posterior family"):
        score_truth(seed=0, n_points=10, family="banana")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_trace_of_float32_posteriors_is_summed_without_rounding(family):
    """Joint L-BFGS stops where the loss changes by rounding only, so there must not be much of it."""
    x, posterior, dictionary = random_problem(family, 0, n_points=500)
    rounded = x.float(), posterior.to(torch.float32), dictionary.float()
    trace = PosteriorStatistics.from_batch(*rounded).trace
    exact = PosteriorStatistics.from_batch(
        rounded[0].double(), rounded[1].to(torch.float64), rounded[2].double()
    )
    assert float(trace) == pytest.approx(float(exact.trace), rel=1e-7 if family == "diagonal" else 1e-12)
