"""What the pages on entropy sums compute: eigenvalues of PPCA, runs, exceptions, drawings."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from scipy import stats

from paperlib.models.gap import gap
from paperlib.models.linear_gaussian import PPCA
from paperlib.papers.entropy_sums.claims import find_all
from paperlib.papers.entropy_sums.data import standardized
from paperlib.papers.entropy_sums.exceptions.densities import DATA, FAMILIES
from paperlib.papers.entropy_sums.exceptions.models import (
    fixed_noise,
    floored_variances,
    rigid_posteriors,
    vanishing_noise,
)
from paperlib.papers.entropy_sums.graphs import draw_graph
from paperlib.papers.entropy_sums.linear_gaussian.figures import plot_stationary
from paperlib.papers.entropy_sums.linear_gaussian.spectrum import (
    bic,
    eigenvalues,
    entropy_sum,
    stationary_sets,
    ways_up,
)
from paperlib.papers.entropy_sums.rows import Row
from paperlib.papers.entropy_sums.shown import exceptions_table, models_table, numbers_table
from paperlib.papers.entropy_sums.temperature.experiment import learn, penalty_slope
from paperlib.system.errors import InputError

SCALES = torch.tensor([3.0, 2.0, 1.5, 1.0, 0.5]).double()


@pytest.fixture(scope="module")
def ellipsoid():
    """200 points in five dimensions of different scales."""
    return torch.randn(200, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * SCALES


@pytest.fixture(scope="module")
def wine():
    return standardized("wine")


# ---- eigenvalues


def test_the_stationary_sets_are_those_that_ppca_can_retain(ellipsoid):
    values, found = eigenvalues(ellipsoid), []
    for kept in (each for size in range(3) for each in combinations(range(5), size)):
        try:
            found.append((float(PPCA.stationary(ellipsoid, 2, kept).log_likelihood(ellipsoid)), kept))
        except InputError:
            continue
    assert [kept for _, kept in sorted(found)] == stationary_sets(values, 2)
    for elbo, kept in found:
        assert entropy_sum(values, kept) == pytest.approx(elbo, rel=1e-12)


def test_a_stationary_point_curves_up_wherever_a_larger_eigenvalue_is_free(ellipsoid):
    values = eigenvalues(ellipsoid)
    for kept in stationary_sets(values, 2):
        free = [k for k in range(5) if k not in kept]
        swaps = sum(values[j] > values[k] for k in kept for j in free)
        idle = (2 - len(kept)) * sum(values[j] > values[free].mean() for j in free)
        assert ways_up(PPCA.stationary(ellipsoid, 2, kept), ellipsoid) == swaps + idle


def test_bic_finds_the_number_of_latents():
    generator = torch.Generator().manual_seed(3)
    loadings = 2 * torch.randn(8, 3, generator=generator, dtype=torch.float64)
    true = PPCA.from_standard(loadings, torch.zeros(8).double(), torch.tensor(1.0).double())
    x, _ = true.sample(2000, generator)
    scores = bic(eigenvalues(x), len(x))
    assert list(scores) == list(range(8)) and min(scores, key=scores.get) == 3


def test_stationary_points_are_drawn_with_the_maximum_filled():
    axes = plot_stationary({(): -3.0, (0,): -2.0}, [1, 0]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["none", "1"]
    assert [line.get_markerfacecolor() == line.get_color() for line in axes.lines] == [False, True]


# ---- a run


def test_along_a_run_the_gap_is_the_slope_and_closes(wine):
    run = learn(wine[:, :4], 1, n_steps=120, learning_rate=0.05)
    np.testing.assert_allclose(run.curve("difference"), run.curve("derivative"), atol=1e-12)
    assert abs(run.curve("difference")[-1]) < 0.05 < 1 < abs(run.curve("difference")[0])
    assert run.curve("elbo")[-1] > run.curve("elbo")[0]


def test_a_penalty_leaves_its_own_slope(wine):
    run = learn(wine[:, :4], 1, n_steps=150, learning_rate=0.05, decay=0.3)
    assert run.curve("difference")[-1] == pytest.approx(penalty_slope(run.model, 0.3), abs=0.01)
    assert run.curve("difference")[-1] > 0.1


# ---- exceptions


@pytest.mark.parametrize("make", [lambda x: fixed_noise(x, 3, 0.5), lambda x: rigid_posteriors(x, 3, 0.05)])
def test_what_is_learned_of_a_rigid_model_is_stationary_but_its_gap_stays(wine, make):
    model, x, posterior = make(wine)
    loadings = model.loadings.clone().requires_grad_()
    moving = model.replace(loadings=loadings)
    (slope,) = torch.autograd.grad(moving.elbo(moving.statistics(x, posterior)), loadings)
    assert slope.abs().max() < 1e-8
    assert float(gap(model, x, posterior).difference) > 0.6


def test_a_fixed_noise_leaves_what_the_residual_says(wine):
    model, x, posterior = fixed_noise(wine, 3, 0.5)
    residual = model.statistics(x, posterior).residual(model.loadings, model.mean).sum()
    assert float(gap(model, x, posterior).difference) == pytest.approx(float(13 - residual / 0.5) / 2)


def test_a_prior_that_is_learned_lets_rigid_posteriors_be_exact(wine):
    found = gap(*rigid_posteriors(wine, 3, 0.05, learn_prior=True))
    assert abs(float(found.difference)) < 1e-12
    assert float(found.elbo) == pytest.approx(float(PPCA.stationary(wine, 3).log_likelihood(wine)), abs=1e-4)


def test_a_floor_on_variances_leaves_half_its_trace(wine):
    model, x, posterior = floored_variances(wine[:, :3], 2, 0.1)
    traces = model.covariances.inverse().diagonal(dim1=1, dim2=2).sum(1)
    expected = 0.05 * float(model.log_weights.exp() @ traces)
    assert float(gap(model, x, posterior).difference) == pytest.approx(expected, abs=1e-5)


def test_a_heywood_case_comes_nearer_without_arriving():
    x = standardized("diabetes")
    near, nearer = (vanishing_noise(x, 3, n_rounds) for n_rounds in (30, 300))
    assert nearer.model.noise.min() < near.model.noise.min() < 0.02
    assert 1e-4 < gap(*nearer).difference < gap(*near).difference


def test_densities_are_fitted_as_scipy_fits_them():
    x = DATA["wine, color intensity"]()
    for name, other in {"gamma": stats.gamma, "Weibull": stats.weibull_min}.items():
        expected = other(*other.fit(x, floc=0)).logpdf(x).mean()
        assert FAMILIES[f"{name}, shape and scale"].fit(x)[0] == pytest.approx(expected, abs=1e-7)


# ---- what is shown


@pytest.mark.parametrize(
    ("edges", "nodes", "arrows"),
    [("z→x", 2, 1), ("z₁→z₂, z₁→x₁, z₂→x₂", 4, 3), ("x", 1, 0), ("z₂→z₁, z₁→x", 3, 2)],
)
def test_graphs_have_a_circle_for_each_variable_and_an_arrow_for_each_edge(edges, nodes, arrows):
    drawing = ElementTree.fromstring(draw_graph(edges))
    circles = drawing.findall("circle")
    places = {(c.get("cx"), c.get("cy")) for c in circles}
    assert (len(circles), len(places), len(drawing.findall("line"))) == (nodes, nodes, arrows)
    assert len([c for c in circles if c.get("fill") == "#ccc"]) == edges.replace(" ", "").count("x")


@pytest.mark.parametrize(
    ("gap_of", "verdicts"),
    [(0.0, {"reproduced"}), (1.0, {"not reproduced"})],
)
def test_claims_are_judged_by_the_rows(gap_of, verdicts):
    row = Row("mixture, a", "wine", "hard", gap_of, 0.0, "pseudo entropy", "c→x", "H", "all", "a/b", 0.0)
    found = {claim.words: finding.verdict for claim, finding in find_all([row])}
    assert {found["Other base measures lead to pseudo entropies."]} == verdicts
    assert {found["At stationary points the ELBO is a sum of entropies."]} == verdicts
    assert found["There is a list of models with their sums."] == "partly"
    assert found["Sums can be used to compare models."] == "reproduced"


def test_a_rigid_row_makes_the_claim_on_any_family_hold_partly():
    row = Row("PPCA", "wine", "0.05·I fixed", 1.0, 0.0, "entropy", "z→x", "H", "all", "a/b", 0.0, "rigid")
    rows = [row, dataclasses.replace(row, elbo=0.0, variational="hard", exception="")]
    (found,) = [finding for claim, finding in find_all(rows) if claim.words.startswith("So it is")]
    assert found.verdict == "partly" and "+1.00" in found.ours


def test_tables_show_every_model_once_and_every_row():
    row = Row("PPCA, H = 3", "wine", "exact", -1.0, -1.0, "entropy", "z→x", "H", "all", "a/b", identity=1e-16)
    apart = Row("t", "wine", "none", -1.0, -3.0, "entropy", "x", "H", "none", "a/c", exception="it is rigid")
    assert [line[1] for line in models_table([row, row]).rows] == ["[PPCA](../a/b)"]
    assert [line[5:] for line in numbers_table([row, row]).rows] == [["+0e+00", "1e-16"]] * 2
    assert exceptions_table([apart]).rows[0][4:] == ["**+2.0000**", "it is rigid"]
