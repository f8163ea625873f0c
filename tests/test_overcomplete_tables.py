"""Overcomplete dictionaries: which are learned, and tables and figures of records whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest

from paperlib.papers.sparse_codes.overcomplete import figures, tables
from paperlib.papers.sparse_codes.overcomplete.conditions import (
    THREE,
    by_condition,
    by_length,
    configurations,
    named,
)
from paperlib.papers.sparse_codes.overcomplete.experiment import KINDS
from paperlib.papers.sparse_codes.shown import NOT_COMPUTED
from paperlib.records import Record

SIZES = [[5, 80, [2, 4], 2], [6, 40, [4], 1]]
GABOR = [1.0, 1.0, 0.5, 0.7, 0.0, 0.25, 0.9]  # center, widths, wave vector, share explained


def run(config):
    """A Gabor, two textures, one of them unused, and others; learned in `n_epochs` epochs."""
    n_latents = config["n_latents"]
    kind = np.array(
        [KINDS.index(kind) for kind in ("Gabor", "texture", "texture", "other", "other", "other")]
    )
    arrays = {
        "dictionary": np.eye(4)[:, np.arange(n_latents) % 4],
        "kind": kind[:n_latents],
        "used": np.array([1, 1, 0, 1, 1, 1])[:n_latents],
        "contribution": np.array([0.1, 0.2, 0.1, 0.3, 0.2, 0.1])[:n_latents],
        "frequency": np.full(n_latents, 0.3),
        "pixels": np.arange(1.0, n_latents + 1),
        "gabor": np.tile(GABOR, (n_latents, 1)),
    }
    numbers = {
        "history": [{"phase": "em", "elbo": elbo} for elbo in (1.0, 2.0, 4.5)],
        "judged": {"elbo": 10.0 + config["seed"], "gini": 0.6},
        "without_textures": {"elbo": 7.0, "unexplained": 0.4},
        "unexplained": 0.3, "gini_learning": 0.5, "learning_seconds": 60.0,
    }  # fmt: skip
    stored = {name: np.asarray(value, np.float16) for name, value in arrays.items()}
    return Record(config, numbers, stored, {"images": {"source": "photos"}})


@pytest.fixture
def records():
    configs = configurations(SIZES, more_gammas=[3], polish=7, patch_size=2, n_test=9)
    found = {name: run(config) for name, config in configs.items()}
    codes = {
        f"{name[:-2]}-codes-{name[-1]}": Record(config, {"gini_means": 0.8, "active": 2.0}, {}, {})
        for name, config in configs.items()
        if "to1in" not in name
    }
    return found | codes


def test_every_size_has_its_conditions_and_the_first_one_more():
    configs = configurations(SIZES, more_gammas=[1.5], polish=7, patch_size=2, n_test=9)
    first = {"none", "to1", "to2", "to1.5", "polished"}
    assert {name.split("-")[1] for name in configs if name.startswith("h5-")} == first | {"to1in2"}
    assert {name for name in configs if name.startswith("h6-")} == {"h6-none-0", "h6-to1-0", "h6-to2-0"}
    assert configs["h5-to2-1"] == {
        "first_gamma": 10, "last_gamma": 2, "polish": 0, "seed": 1, "n_patches": 80, "n_latents": 5,
        "n_epochs": 4, "patch_size": 2, "n_test": 9,
    }  # fmt: skip
    assert configs["h5-polished-0"]["polish"] == 7
    assert (configs["h5-to1in2-0"]["n_epochs"], configs["h5-to1in2-0"]["last_gamma"]) == (2, 1)


def test_records_are_sorted_by_size_and_by_how_the_weight_ends(records):
    tree = by_condition(records)
    assert list(tree) == [5, 6]
    assert list(tree[5]) == [
        "no annealing", "annealed to 1", "annealed to 1, polished", "stays at 2", "stays at 3",
    ]  # fmt: skip
    assert [record.config["seed"] for record in tree[5]["stays at 2"]] == [0, 1]
    assert list(named(records))[-1] == "H = 6, stays at 2"
    del records["h6-none-0"]
    assert list(by_condition(records)) == [5]


def test_lengths_are_those_of_sizes_with_shorter_runs(records):
    runs = by_length(records)
    assert list(runs) == [f"H = 5, {end}" for end in (
        "annealed to 1, 2 epochs", "annealed to 1, 4 epochs", "no annealing, 4 epochs")]  # fmt: skip
    assert tables.shares_of_textures(runs).markdown.count("40 % textures") == 3
    del records["h5-to1in2-0"]
    assert by_length(records) == {}


def row(table, *start):
    cells = next(row for row in table.rows if tuple(row[:2]) == start)
    return dict(zip(table.head, cells, strict=True))


def test_kinds_worth_and_sparseness_have_a_row_for_each_condition(records):
    looks = row(tables.looks(records), "5", "no annealing")
    assert looks["Gabors [%]"] == "20 ± 0" and looks["textures [%]"] == "40 ± 0"
    assert looks["unused [%]"] == "20 ± 0" and looks["median fit"] == "0.90 ± 0.00"
    assert looks["median pixels"] == "3 ± 0" and looks["seeds"] == "2"
    worth = row(tables.worth(records), "5", "stays at 2")
    assert worth["ELBO"] == "10.5 ± 0.7" and worth["without textures"] == "-3.5 ± 0.7"
    assert worth["unexplained [%]"] == "30.0 ± 0.0" and worth["without textures [%]"] == "40.0 ± 0.0"
    assert worth["last epoch's gain"] == "2.5 ± 0.0" and worth["seconds"] == "60 ± 0"
    sparse = row(tables.sparseness(records), "6", "annealed to 1")
    assert list(sparse.values()) == ["6", "annealed to 1", "0.600", "0.800", "2", "5"]
    assert len(tables.looks(records).rows) == len(tables.worth(records).rows) == 8


def test_fields_are_drawn_by_contribution(records):
    conditions = by_condition(records)[5]
    figure = figures.draw_fields(conditions, ["stays at 2"])
    first = figure.axes[0].images[0].get_array()[1:3, 1:3]
    np.testing.assert_allclose(first, [[0, 0], [0, 1]])  # the fourth field contributes most
    assert figure.get_suptitle() == "H = 5, 2×2 pixels, N = 80, 4 epochs (images: photos)"
    for draw in (figures.draw_contributions, figures.draw_gabors):
        assert len(draw(conditions).axes) >= len(THREE)


def test_bars_of_kinds_are_means_over_seeds(records):
    figure = figures.draw_kinds(named(records))
    used = {bar.get_label(): bar.patches[0].get_width() for bar in figure.axes[0].containers}
    assert [used["texture"], used["texture, unused"]] == pytest.approx([0.2, 0.2])
    assert used["other"] == pytest.approx(0.4)
    contributed = [bar.patches[0].get_width() for bar in figure.axes[1].containers]
    np.testing.assert_allclose(contributed, [0.1 / 0.9, 0.3 / 0.9, 0.5 / 0.9], rtol=1e-2)


def test_thresholds_are_those_of_the_classification():
    assert [row[0] for row in tables.thresholds().rows] == [
        "Gabor fit", "narrow", "few periods", "spread", "high frequency",
    ]  # fmt: skip


def test_without_records_there_is_a_note():
    shown = (tables.looks, tables.worth, tables.sparseness, figures.draw_kinds)
    assert {show({}) for show in shown} == {NOT_COMPUTED}
