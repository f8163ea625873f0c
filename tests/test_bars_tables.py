"""Tables and figures of bars say what the records hold, whichever runs found the bars."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from paperlib.papers.sparse_codes.bars import figures, tables
from paperlib.papers.sparse_codes.bars.data import bar_fields
from paperlib.papers.sparse_codes.bars.judging import (
    above_truth,
    best_and_worst,
    failing,
    first_step_within,
    whatever_comes_out,
)
from paperlib.papers.sparse_codes.shown import NOT_COMPUTED
from paperlib.plotting import Table
from paperlib.records import Record

GAPS = {0: 0.125, 1: -0.5, 2: -1.25}  # of the joint runs' ELBOs to the truth's; only the first finds the bars
TRUTH = -10.0


def truth(seed: int, elbo: float = TRUTH) -> Record:
    return Record({"seed": seed}, {"elbo": elbo}, {}, {"cpu_seconds": 1.0})


def run(seed: int, gap: float, n_latents: int = 10) -> Record:
    """A run that ends `gap` above the truth; where that is below 0, a bar has no field, and one field two."""
    elbos = [TRUTH - 5, TRUTH + gap - 0.02, TRUTH + gap]
    entropies = {"posterior_entropy": -1.0, "prior_entropy": 2.0, "likelihood_entropy": -3.0}
    held = [1] * 10 + [0] * (n_latents - 10) if gap > 0 else [2, 0] + [1] * (n_latents - 2)
    numbers = {
        "elbo": TRUTH + gap,
        "elbo_full": TRUTH + gap + 0.25,
        "history": [{"step": k + 1, "elbo": elbo, **entropies} for k, elbo in enumerate(elbos)],
        "recovered": gap > 0,
        "recovered_strictly": False,
        "smallest_cosine": 0.8 + gap / 10,
        "bars_held": held,
        "matched": list(range(10)),
        "usage": [20.0 - h for h in range(n_latents)],
        "dead_fields": n_latents - 10,
    }
    config = {"seed": seed, "n_latents": n_latents, "iterations_per_call": 20}
    fields = bar_fields(5).numpy() / np.sqrt(5)
    extra = np.eye(25)[:, : n_latents - 10]  # a pixel has the cosine 1/√5 with its bars
    arrays = {"dictionary": np.concatenate([fields, extra], axis=1).astype(np.float16)}
    return Record(config, numbers, arrays, {"cpu_seconds": 2.0 + seed})


def joint() -> dict[str, Record]:
    records = {f"joint-seed{seed}": run(seed, gap) for seed, gap in GAPS.items()}
    return records | {f"truth-seed{seed}": truth(seed) for seed in GAPS}


def test_gaps_to_the_truth_are_of_the_same_seed():
    records = joint() | {"truth-seed1": truth(1, TRUTH - 2)}
    assert above_truth(records, "joint", "elbo") == {0: 0.125, 1: 1.5, 2: -1.25}
    assert above_truth(records, "joint") == {0: 0.375, 1: 1.75, 2: -1.0}
    assert above_truth(records, "em") == {}


def test_runs_to_look_at_are_chosen_by_their_outcome():
    records = joint()
    assert best_and_worst(records) == {"best": 0, "worst": 2}
    assert failing(records) == [2, 1]  # lowest first
    chosen = {"after40-seed0": run(0, 0.1), "more-seed1": truth(1), "truth-more-seed1": truth(1)}
    assert whatever_comes_out(records | chosen) == records


def test_first_step_within_a_distance():
    history = [{"step": k, "elbo": elbo} for k, elbo in enumerate([-9.0, -3.0, -1.05, -0.5], start=1)]
    assert first_step_within(history, -1.0, 0.1) == 3
    assert first_step_within(history, -1.0, 10) == 1
    assert first_step_within(history, 0.0, 0.1) is None


def test_a_row_for_each_joint_run():
    table = tables.seeds(joint())
    assert [len(row) for row in table.rows] == [len(table.head)] * 3
    first, second, _ = table.rows
    # it is first within 0.1 nats in its second call of 20 iterations, and has three of them
    assert first == ["0", "yes", "0.81", "+0.125", "40", "60", "0", "2"]
    assert second == ["1", "**no**", "0.75", "-0.500", "never", "60", "1", "3"]


def test_procedures_count_and_medians_tell_found_from_others():
    records = joint() | {f"{method}-seed0": run(0, 0.5) for method in tables.METHODS if method != "joint"}
    table = tables.procedures(records)
    assert [row[0] for row in table.rows] == list(tables.METHODS.values())
    assert table.rows[0][1:] == ["1 of 3", "0 of 3", "+0.375", "-0.625", "3.0"]
    assert table.rows[1][1:] == ["1 of 1", "0 of 1", "+0.750", "–", "2.0"]


def test_restarts_are_sorted_and_leave_out_the_end():
    records = {"truth-seed0": truth(0), "restarts-seed0": run(0, 0.5)}
    assert tables.restarts(records).rows == [["0", "+0.480, -5.000"]]


def test_the_price_of_a_family_is_that_of_the_truth():
    records = joint()
    for family, price in {"low-rank": 0.25, "diagonal": 2.0}.items():
        records |= {f"{family}-seed0": run(0, 0.5), f"truth-{family}-seed0": truth(0, TRUTH - price)}
    rows = {row[0]: row[1:] for row in tables.families(records).rows}
    assert rows["full"] == ["1 of 3", "0.75", "-0.500", "-0.250", "+0.000"]
    assert rows["diagonal"] == ["1 of 1", "0.85", "+0.500", "+0.750", "-2.000"]


def test_extra_fields_are_those_that_no_bar_needs():
    records = {"truth-seed0": truth(0)}
    records |= {f"{method}12-seed0": run(0, 0.5, 12) for method in ("joint", "restarts")}
    table = tables.extra_fields(records)
    # usages fall from 20 to 9, the last two are extra
    assert [row[0] for row in table.rows] == ["12", "12"]
    assert table.rows[0][2:] == ["1 of 1", "+0.750", "15.5", "9.00 to 10.0", "0.45 to 0.45", "2 of 2"]


def test_failing_optima_and_what_more_data_make_of_them():
    records = joint()
    rows = tables.optima(records).rows
    assert rows == [["1", "1", "8", "1", "0", "-0.250"], ["2", "1", "8", "1", "0", "-1.000"]]
    records |= {"more-seed2": run(2, 0.5), "truth-more-seed2": truth(2)}
    assert tables.more_data(records).rows == [["2", "-1.000", "+0.500", "yes"]]


def test_where_no_run_failed_a_sentence_says_so():
    records = {"joint-seed0": run(0, 0.5), "truth-seed0": truth(0)}
    assert tables.optima(records) == tables.more_data(records) == tables.ALL_FOUND


TABLES = (tables.procedures, tables.families, tables.extra_fields, tables.optima, tables.more_data)


@pytest.mark.parametrize("show", [figures.plot_climb, *TABLES])
def test_a_note_stands_where_nothing_was_computed(show):
    assert show({}) is NOT_COMPUTED


def test_the_climb_has_a_line_for_each_run_and_one_for_the_truth():
    figure = figures.plot_climb(joint())
    climb, terms = figure.axes
    assert len(climb.lines) == 3 + 1 and len(terms.lines) == 3 * 3
    assert climb.lines[0].get_xdata().tolist() == [20, 40, 60]
    assert climb.lines[0].get_ydata()[-1] == pytest.approx(0.125)
    assert [text.get_text() for text in climb.get_legend().texts] == ["all bars found", "not all"]


def test_fields_stand_beside_the_bars_in_their_order():
    records = joint() | {"after40-seed0": run(0, 0.1), "after200-seed0": run(0, 0.1)}
    shuffled = records["joint-seed0"].arrays["dictionary"]
    shuffled[:] = -shuffled[:, ::-1]
    figure = figures.compare_with_bars(records, "best")
    titles = ["the bars", "40 iterations", "200 iterations", "end"]
    assert [axes.get_title() for axes in figure.axes] == titles
    bars, *_, end = (axes.images[0].get_array().filled(0) for axes in figure.axes)
    assert np.allclose(bars, end, atol=1e-2)


def test_fields_of_other_sizes_are_sorted_by_their_use():
    records = {f"{method}12-seed0": run(0, 0.5, 12) for method in ("joint", "restarts")}
    figure = figures.compare_sizes(records, [12])
    assert isinstance(figure, Figure)
    assert [axes.get_title() for axes in figure.axes] == ["joint, H = 12", "restarts, H = 12"]


def test_tables_have_as_many_cells_as_columns():
    table = tables.optima(joint())
    assert isinstance(table, Table)
    assert {len(row) for row in table.rows} == {len(table.head)}
