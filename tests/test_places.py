"""The map: what each figure and each page took, as its records say."""

from __future__ import annotations

import pytest

from paperlib.papers.sparse_codes.places import (
    FIGURES,
    core_hours,
    figures_table,
    pages_table,
    read_all_records,
)
from paperlib.records import Record, Results
from paperlib.records.record import Outcome


def record(seconds: float, memory: int, commit: str = "0123456789abcdef") -> Record:
    provenance = {"cpu_seconds": seconds, "peak_memory_mb": memory, "device": "a core", "commit": commit}
    return Record({}, {}, {}, provenance)


FOUND = {
    "annealing": {"em-none-0": record(1000, 50), "paper-none-0": record(800, 2000, "f" * 40)},
    "bars": {"joint-seed0": record(1800, 100)},
}


def test_figures_count_the_records_they_are_drawn_from():
    table = figures_table(FOUND)
    assert [row[0] for row in table.rows] == [place.name for place in FIGURES]
    rows = {row[0]: row[2:] for row in table.rows}
    assert rows["Fig. 1"] == ["[model](#fig-model)", "drawn by code", "–", "–", "–", "–"]
    assert rows["Fig. 4"] == ["[annealing](#fig-development)", "`paper-*`", "1", "800", "2,000", "a core"]
    assert rows["Fig. 12"][2:] == ["–"] * 4
    assert {len(row) for row in table.rows} == {len(table.head)}


def test_pages_sum_over_all_of_their_records():
    assert pages_table(FOUND).rows == [
        ["annealing", "2", "1,800", "2,000", "a core", "01234567, ffffffff"],
        ["bars", "1", "1,800", "100", "a core", "01234567"],
    ]
    assert core_hours(FOUND) == pytest.approx(1)


def answer() -> Outcome:
    return Outcome({"answer": 42})


def test_records_are_found_by_page_and_name(tmp_path):
    folder = tmp_path / "results" / "paper" / "bars"
    Results(folder).collect(answer, {"only-0": {}})
    found = read_all_records(folder.parent)
    assert {page: list(records) for page, records in found.items()} == {"bars": ["only-0"]}
