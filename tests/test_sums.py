"""The table of models: rows are what they say, and the command prints them all."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from click.testing import CliRunner

from paperlib.cli import main
from paperlib.papers.entropy_sums import table
from paperlib.papers.entropy_sums.data import standardized
from paperlib.papers.entropy_sums.rows import Row

QUICK = ["ppca-wine", "ppca-wine-saddle", "factor-wine"]


@pytest.mark.parametrize("name", QUICK)
def test_quick_rows_are_as_expected(name):
    row = table.ROWS[name]()
    assert row.as_expected
    assert row.identity is None or row.identity <= 1e-10


def test_no_two_topics_have_rows_of_one_name():
    assert sum(len(topic.ROWS) for topic in table.TOPICS) == len(table.ROWS)


EQUAL = Row("a", "b", "exact", -1.0, -1.0, "entropy", "z→x", "H", "all", "entropy_sums/table")
APART = dataclasses.replace(EQUAL, model="c", entropy_sum=-3.0, exception="noise is fixed")


def test_a_row_is_as_expected_if_it_is_equal_or_else_an_exception():
    assert EQUAL.as_expected and APART.as_expected and APART.gap == 2.0
    assert not dataclasses.replace(EQUAL, exception="none").as_expected
    assert not dataclasses.replace(APART, exception="").as_expected


@pytest.mark.parametrize(("exception", "status"), [("noise is fixed", 0), ("", 1)])
def test_the_command_hides_nothing_and_fails_if_a_row_is_not_as_expected(monkeypatch, exception, status):
    rows = [EQUAL, dataclasses.replace(APART, exception=exception)]
    monkeypatch.setattr(table, "ROWS", {row.model: lambda row=row: row for row in rows})
    printed = CliRunner().invoke(main, ["sums"])
    assert printed.exit_code == status
    assert "c, b: gap 2; " + (exception or "NOT AS EXPECTED") in printed.output
    found = CliRunner().invoke(main, ["sums", "--json"])
    assert found.exit_code == status
    assert [(row["model"], row["gap"], row["kind"]) for row in json.loads(found.stdout)] == [
        ("a", 0.0, "entropy"),
        ("c", 2.0, "entropy"),
    ]


def test_data_are_standardized_without_what_is_constant():
    x = standardized("digits")
    assert x.shape == (1797, 61)
    torch.testing.assert_close(x.var(0, correction=0), torch.ones(61).double())
    assert x.mean(0).abs().max() < 1e-12
