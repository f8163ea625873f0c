"""Tables, sentences and figures of the learners' judgements, on records whose numbers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paperlib.papers.sparse_codes.learners.sparsenet import Cost
from paperlib.papers.sparse_codes.shown import NOT_COMPUTED
from paperlib.papers.sparse_codes.sparsenet import figures, tables
from paperlib.papers.sparse_codes.sparsenet.groups import by_learner, weight_grids
from paperlib.records import Record

PRIOR_SCALE = 0.7  # of all fields


def record(elbo, *, full=None, seed=0, source="photos", more=None, **config):
    sizes = {"patch_size": 4, "n_patches": 100, "n_latents": 3, "n_test": 50, "seed": seed}
    fields = np.zeros((16, 2), np.float16)
    fields[0, 0], fields[:, 1] = 1, 0.25  # a pixel, and the same everywhere
    entropies = {"likelihood": -9.0, "posterior": -2.0, "prior": 2 * (1 + math.log(2 * PRIOR_SCALE))}
    judged = {"gini": 0.5, "gini_sd": 0.1, "dead_fields": 1, "entropies": entropies, "noise_variance": 0.02}
    numbers = {
        "judged": {"diagonal": judged | {"elbo": elbo}, "full": judged | {"elbo": full or elbo + 1}},
        "fields": 2, "outside": 0.25, "learning_seconds": 8.0, "gain": 2.0, "cost": 177.76,
        "milliseconds": 5.0,
    }  # fmt: skip
    provenance = {"images": {"source": source}}
    return Record(sizes | config, numbers | (more or {}), {"dictionary": fields}, provenance)


@pytest.fixture
def records():
    runs = {
        "sparsenet-0": record(90.0, learner="sparsenet", n_batches=10, learning_rate=1.0),
        "sparsenet-1": record(94.0, learner="sparsenet", n_batches=10, learning_rate=1.0, seed=1),
        "sparsenet-1.1-0": record(95.0, learner="sparsenet", n_batches=10, learning_rate=1.0, sparsity=1.1),
        "em-none-0": record(100.0, full=100.5, learner="em"),
        "pca-0": record(97.0, full=104.0, learner="pca"),
        "ica-0": record(96.0, learner="ica"),
        "minibatch-0.1-0": record(91.0, learner="minibatch", alpha=0.1),
        "minibatch-0.2-0": record(93.0, learner="minibatch", alpha=0.2),
    }
    return runs


def test_runs_are_sorted_by_learner_and_by_weight(records):
    assert [run.config["seed"] for run in by_learner(records)["sparsenet, β = 2.2"]] == [0, 1]
    beta, alpha = weight_grids(records).values()
    assert list(beta) == [Cost.sparsity, 1.1] and list(alpha) == [0.1, 0.2]
    del records["minibatch-0.2-0"]
    assert list(weight_grids(records)) == [r"sparsenet's $\beta$"]


def test_scores_are_sorted_and_every_number_is_in_its_column(records):
    table = tables.score_table(records)
    assert [row[0] for row in table.rows][:3] == ["entropy ELBO", "PCA", "FastICA"]
    cells = next(row for row in table.rows if row[0] == "sparsenet, β = 2.2")
    row = dict(zip(table.head, cells, strict=True))
    assert row["ELBO, diagonal"] == "92.00 ± 2.83"
    assert row["ELBO, full"] == "93.00 ± 2.83"
    assert row["mean $H[q]$"] == "-2.0"
    assert row["outside [%]"] == "25.0"
    assert row["localized [%]"] == "50"  # one of two
    assert row["Gini index"] == "0.500 ± 0.100"
    assert row["dead fields"] == "2"  # one dead, one of three not found
    assert row["seconds"] == "8"


def test_the_verdict_compares_means_over_seeds(records):
    text = tables.verdict(records).markdown
    assert "score 8.0 nats a patch less" in text
    assert "and 7.5 less with full ones" in text
    assert "highest ELBO has *entropy ELBO* with diagonal and *PCA* with full" in text
    assert "add least for *entropy ELBO* (0.5 nats) and most for *PCA* (7.0)" in text
    assert text.endswith("Runs: 100 patches of 4², H = 3 (images: photos).")


def test_weights_assumed_and_found(records):
    (row, other) = tables.weight_table(records).rows
    assert row == ["sparsenet, β = 2.2", f"{1 / Cost().precision:.4f}", "0.0200",
                   f"{2 * Cost().prior_median:.3f}", f"{PRIOR_SCALE * math.log(2):.3f}", "90.0"]  # fmt: skip
    assert other[3] == f"{2 * Cost(sparsity=1.1).prior_median:.3f}"


def test_the_best_weight_against_the_objective_without_one(records):
    beta, alpha = tables.weight_verdict(records).markdown.split("\n")
    assert "2 values of sparsenet's" in beta and "is 1.1, 3.0 nats above the worst" in beta
    assert "(one weight's seeds: up to 4.0) and 5.0 nats below the entropy ELBO" in beta
    assert "is 0.2, 2.0 nats above the worst and 7.0 nats below" in alpha


def test_only_the_original_s_sizes_and_images_are_compared_with_it(records):
    assert "cannot be compared" in tables.held_to_the_original(records)._repr_markdown_()
    sizes = {"patch_size": 16, "n_latents": 100, "n_test": 10_240, "n_batches": 10_000, "learning_rate": 1.0}
    same = record(98.0, source="file olshausen.npy", learner="sparsenet", **sizes)
    cost, elbo, time = tables.held_to_the_original({"sparsenet-0": same}).rows
    assert cost[1:] == ["176", "177.8", "+1.0 %"]
    assert elbo[1:] == ["97.0", "98.0", "+1.0 nats"]
    assert time[1:] == ["54", "5.0", ""]


@pytest.mark.parametrize(
    ("draw", "panels"), [(figures.draw_fields, 5), (figures.draw_scores, 2), (figures.draw_weights, 2)]
)
def test_figures_are_drawn_from_records(draw, panels, records):
    figure = draw(records)
    assert len(figure.axes) == panels
    assert "100 patches of 4²" in figure.get_suptitle()
    assert draw({}) is NOT_COMPUTED


def test_without_records_there_is_a_note():
    shown = [tables.score_table, tables.verdict, tables.weight_table, tables.weight_verdict]
    assert {table({}) for table in [*shown, tables.held_to_the_original]} == {NOT_COMPUTED}
