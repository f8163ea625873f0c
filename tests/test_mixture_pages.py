"""What the pages of mixtures and of base measures compute and draw, on few points."""

from __future__ import annotations

import pytest
import torch

from paperlib.models.exponential_families import Poisson
from paperlib.models.mixtures import FamilyMixture, FullGaussianMixture, kmeans_classes
from paperlib.papers.entropy_sums.base_measures.experiment import learn_counts, true_entropy_sum
from paperlib.papers.entropy_sums.base_measures.figures import plot_counts, plot_growing
from paperlib.papers.entropy_sums.base_measures.tables import errors_table
from paperlib.papers.entropy_sums.mixtures import data
from paperlib.papers.entropy_sums.mixtures.experiment import climb, truncate
from paperlib.papers.entropy_sums.mixtures.figures import plot_climb, plot_responsibilities, plot_truncation
from paperlib.records import Results
from paperlib.system.errors import InputError


def test_the_gap_opens_in_e_steps_and_closes_in_m_steps():
    records = Results().collect(climb, {"full": {"form": "full", "n_classes": 2, "n_rounds": 6, "seed": 0}})
    elbo, total = (torch.tensor(records["full"].numbers[key]) for key in ("elbo", "entropy_sum"))
    gaps = (elbo - total).abs()
    assert gaps[::2].min() > 1e-5 and gaps[1::2].max() < 1e-12
    assert (elbo.diff() > 0).all()
    left, right = plot_climb(records).axes
    assert len(left.lines) == 2 and len(right.lines) == 1


def test_learning_on_regains_what_truncation_cost_and_closes_its_gap():
    configs = {f"{k}": {"form": "isotropic", "n_classes": 3, "n_kept": k, "seed": 0} for k in (1, 3)}
    records = Results().collect(truncate, configs)
    hard, exact = (records[name].numbers for name in ("1", "3"))
    assert hard["elbo"] < hard["elbo_learned"] < exact["elbo"] <= exact["elbo_learned"] + 1e-12
    assert abs(hard["elbo"] - hard["entropy_sum"]) > 1e-3
    assert hard["elbo_learned"] == pytest.approx(hard["sum_learned"], abs=1e-12)
    assert [len(axes.lines) for axes in plot_truncation(records).axes] == [2, 2]


def test_an_unknown_form_is_refused():
    with pytest.raises(InputError, match="full, shared, isotropic"):
        climb(form="round", n_classes=2, n_rounds=1, seed=0)


def test_entropies_are_off_by_what_the_base_measure_says_unless_the_model_is_true():
    x = data.counts()[:200]
    model = FamilyMixture.from_classes(x, kmeans_classes(x, 2), Poisson())
    posterior = model.posterior(x)
    model = model.fitted(model.statistics(x, posterior))
    (row,) = errors_table({"Poisson": (model, x, posterior)}).rows
    log_factorials = torch.lgamma(x + 1).sum(1).mean()
    of_model = -posterior.probabilities.mean(0) @ Poisson().mean_log_base(model.natural).sum(1)
    assert float(row[-1]) == pytest.approx(float(of_model - log_factorials), abs=1e-4)
    assert float(row[-1]) == pytest.approx(
        float(row[1]) - float(true_entropy_sum(model, posterior)), abs=1e-4
    )


def test_errors_fall_with_more_data_of_a_true_model_only():
    runs = {}
    for label, n_successes in {"true": None, "wrong": 3.0}.items():
        configs = {f"{n}": {"n_points": n, "seed": 0, "n_successes": n_successes} for n in (50, 5000)}
        runs[label] = list(Results().collect(learn_counts, configs).values())
    off = {label: [abs(r.numbers["elbo"] - r.numbers["true"]) for r in of] for label, of in runs.items()}
    assert off["true"][1] < 0.03 and off["wrong"][1] > 0.5
    for record in runs["true"] + runs["wrong"]:
        assert record.numbers["elbo"] == pytest.approx(record.numbers["pseudo"], abs=1e-12)
    assert len(plot_growing(runs).axes[0].lines) == 4


def test_pictures_have_a_part_for_each_model():
    plane = data.wine()[:, :2]
    fits = {name: FullGaussianMixture.from_classes(plane, kmeans_classes(plane, 3)) for name in "ab"}
    drawn = plot_responsibilities(
        plane, {name: (model, model.posterior(plane)) for name, model in fits.items()}
    )
    assert [len(axes.lines) for axes in drawn.axes] == [3, 3]
    x = data.counts()[:200]
    model = FamilyMixture.from_classes(x, kmeans_classes(x, 2), Poisson())
    assert len(plot_counts(x, {"Poisson": model}, [0, 1]).axes) == 2
