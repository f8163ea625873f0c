"""Schedules of the entropies' weights."""

from __future__ import annotations

import pytest

from paperlib.elbo.annealing import KINDS, schedule
from paperlib.elbo.terms import EntropyWeights
from paperlib.system.errors import InputError


def test_the_papers_schedules():
    gammas = [weights.prior for weights in schedule("prior", 10)]
    deltas = [weights.likelihood for weights in schedule("likelihood", 10)]
    assert gammas == pytest.approx([10, 8, 6, 4, 2, 1, 1, 1, 1, 1])
    assert [1 / delta for delta in deltas] == pytest.approx([7, 6, 5, 4, 3, 2, 1, 1, 1, 1])
    assert schedule("none", 10) == [EntropyWeights()] * 10


@pytest.mark.parametrize(
    ("kind", "annealed"),
    [
        ("none", set()),
        ("prior", {"prior"}),
        ("likelihood", {"likelihood"}),
        ("energy", {"prior", "likelihood"}),
    ],
)
def test_only_the_named_entropies_are_annealed(kind, annealed):
    for weights in schedule(kind, 7)[:2]:
        changed = {name for name in ("posterior", "prior", "likelihood") if getattr(weights, name) != 1}
        assert changed == annealed
    if kind == "energy":
        assert all(weights.prior == weights.likelihood for weights in schedule(kind, 7))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_epochs", [1, 2, 3, 10, 19, 200])
def test_any_number_of_epochs_ends_at_the_elbo(kind, n_epochs):
    weights = schedule(kind, n_epochs)
    assert len(weights) == n_epochs
    assert weights[-1] == EntropyWeights()


def test_other_lengths_interpolate_the_papers_schedule():
    gammas = [weights.prior for weights in schedule("prior", 19)]
    assert gammas[::2] == pytest.approx([10, 8, 6, 4, 2, 1, 1, 1, 1, 1])
    assert gammas[1] == pytest.approx(9)
    assert gammas == sorted(gammas, reverse=True)
    deltas = [weights.likelihood for weights in schedule("likelihood", 50)]
    assert deltas[0] == pytest.approx(1 / 7)
    assert deltas == sorted(deltas)


def test_bad_requests_are_refused():
    with pytest.raises(InputError, match="'beta'; choose one of none, prior, likelihood, energy"):
        schedule("beta", 10)
    with pytest.raises(InputError, match="at least 1, not 0"):
        schedule("none", 0)


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_weights_must_be_positive(weight):
    with pytest.raises(InputError, match="prior must be positive"):
        schedule([EntropyWeights(prior=weight)], 1)
