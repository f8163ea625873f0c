"""Tables and figures of learning from images say what the records hold."""

from __future__ import annotations

import numpy as np
import pytest

from paperlib.papers.sparse_codes.natural_images import figures, tables
from paperlib.papers.sparse_codes.natural_images.methods import LABELS, PAPERS_EM
from paperlib.papers.sparse_codes.shown import NOT_COMPUTED, Text
from paperlib.records import Record

N_EPOCHS = 2


def learned(name: str, seed: int, elbo: float, source: str = "photos") -> Record:
    """A run of two epochs on patches of 2×2 pixels, of three fields, whose measures follow from its ELBO."""
    histories = [
        {
            "step": k,
            "seconds": 10.0 * k,
            "held_out": elbo - 3 + k,
            "pixels": 2.0 + k,
            "gini": 0.5,
            "dead_fields": 1,
        }
        for k in (1, 2, 3)
    ]
    families = {"diagonal": 0.0, "full": 0.5} | ({"encoder": -1.0} if name.startswith("amortized") else {})
    judged = {
        family: {
            "elbo": elbo + more,
            "minibatch_elbo": elbo + more + 0.25,
            "gini": 0.25,
            "blocks": [elbo - 5, elbo + 5],
        }
        for family, more in families.items()
    }
    numbers = {"history": histories, "judged": judged, "gabor": [0.9, 0.25, 0.75]}
    config = {"method": "full" if name == "full-none" else name.partition("-")[0], "seed": seed}
    config |= {"patch_size": 2, "n_patches": 1000, "n_latents": 3, "n_epochs": N_EPOCHS}
    dictionary = np.eye(4)[:, :3].astype(np.float16)
    arrays = {"dictionary": dictionary, "prior_scales": np.array([1.0, 3.0, 2.0], np.float16)}
    arrays |= {"fields": np.stack([dictionary] * N_EPOCHS)}
    return Record(config, numbers, arrays, {"images": {"source": source}})


def groups(*names: str, source: str = "photos") -> dict[str, list[Record]]:
    """Two seeds of each method, whose ELBOs are 4 nats higher with annealing."""
    height = {name: 100.0 + 4 * name.endswith("prior") for name in names}
    return {name: [learned(name, s, height[name] + s, source) for s in (0, 1)] for name in names}


def test_ends_are_judged_by_the_method_s_own_posteriors():
    table = tables.ends(groups(*reversed(LABELS)))
    assert [row[0] for row in table.rows] == list(LABELS.values())
    rows = {name: row[1:] for name, row in zip(LABELS, table.rows, strict=True)}
    common = ["0.250 ± 0.000", "1.0 ± 0.0", "15.0 ± 0.0", "2"]  # 30 seconds in 2 epochs
    first = ["100.50 ± 0.71", "100.75 ± 0.71", "100.50 ± 0.71", "101.00 ± 0.71"]
    assert rows["paper-none"] == first + common
    assert rows["amortized-none"][:3] == ["99.50 ± 0.71", "99.75 ± 0.71", "100.50 ± 0.71"]
    assert rows["full-none"][0] == "101.00 ± 0.71"
    assert {len(row) for row in table.rows} == {len(table.head)}


def test_gains_are_paired_differences():
    text = tables.gains(groups("paper-none", "paper-prior", "em-none", "em-prior")).markdown
    assert text.splitlines() == [
        "- In *the paper's EM*: +4.00 ± 0.00 nats a patch.",
        "- In *fast EM*: +4.00 ± 0.00 nats a patch.",
    ]


def test_what_is_not_there_is_left_out_of_comparisons_of_sizes():
    here = groups(*PAPERS_EM)
    first = tables.after_one_epoch({"here": here, "paper's size": {}})
    labels = [f"{LABELS[name]}, here" for name in PAPERS_EM]
    assert [row[0] for row in first.rows] == labels
    assert first.rows[0][1:] == ["3 ± 0", "1", "1", "0.500 ± 0.000"]
    shares = tables.gabors({"here": here, "paper's size": {}})
    assert [row[0] for row in shares.rows] == labels
    assert shares.rows[0][1:] == ["0.75 ± 0.00", "67 ± 0"]


def test_only_the_same_images_stand_beside_the_authors_numbers():
    assert isinstance(tables.beside_authors(groups("paper-prior")), Text)
    ((label, theirs, ours),) = tables.beside_authors(groups("paper-prior", source="olshausen.mat")).rows
    assert (label, theirs, ours) == (LABELS["paper-prior"], "106.3", "104.50 ± 0.71")


def test_minibatches_are_of_the_first_method_of_the_table():
    assert "between 95.0 and 105.0 nats" in tables.minibatches(groups("full-none", "paper-none")).markdown


@pytest.mark.parametrize("show", [figures.plot_curves, tables.ends, tables.gains, tables.beside_authors])
def test_a_note_stands_where_nothing_was_computed(show):
    assert show({}) is NOT_COMPUTED


def test_learning_curves_have_a_line_for_each_seed():
    figure = figures.plot_curves(groups("em-none", "paper-none"))
    passes, seconds = figure.axes
    assert [text.get_text() for text in figure.legends[0].texts] == ["(A) the paper's EM", "(A) fast EM"]
    assert len(passes.lines) == len(seconds.lines) == 2 * 2 * 2  # a line and a star each
    assert figure.get_suptitle() == "1,000 patches of 2², H = 3 (images: photos)"


def test_final_fields_are_sorted_by_their_prior_scales():
    figure = figures.compare_ends(groups("paper-none"), PAPERS_EM)
    (axes,) = figure.axes  # the other one is not there
    mosaic = axes.images[0].get_array().filled(0)
    # fields are single pixels, their scales 1, 3 and 2: the second one first
    assert mosaic[1:3, 1:3].tolist() == [[0, 1], [0, 0]]
    assert axes.get_title() == LABELS["paper-none"]


def test_fields_after_the_first_epoch_are_of_both_runs():
    figure = figures.compare_first_epoch(groups(*PAPERS_EM))
    assert [axes.get_title() for axes in figure.axes] == [LABELS[name] for name in PAPERS_EM]
    assert figure.get_suptitle().startswith("After one epoch, 1,000 patches")
