"""What pages share: titles name what was computed, and a note stands where nothing was."""

from __future__ import annotations

import pytest

from paperlib.papers.sparse_codes.shown import (
    NOT_COMPUTED,
    Text,
    if_computed,
    one_of,
    patch_shape,
    runs_of,
    setting,
)
from paperlib.plotting import Table
from paperlib.records import Record


def record(seed: int = 0, **config) -> Record:
    sizes = {"n_patches": 204_800, "patch_size": 16, "n_latents": 100, "seed": seed}
    return Record(sizes | config, {}, {}, {"images": {"source": "photos"}})


def test_the_setting_says_what_a_title_has_to():
    groups = {"first": [record(), record(1)], "second": [record(n_latents=7)]}
    assert one_of(groups) is groups["first"][0]
    assert setting(groups) == "204,800 patches of 16², H = 100 (images: photos)"
    assert patch_shape(groups) == (16, 16)


def test_what_is_not_computed_has_a_note_in_its_place():
    @if_computed
    def table(records: dict, *names: str, last: str = "") -> Table:
        """The names."""
        return Table([*names, last], [])

    assert table({"a": record()}, "first", last="second") == Table(["first", "second"], [])
    assert table({}, "first") is NOT_COMPUTED
    assert table.__doc__ == "The names."


def test_a_text_is_shown_as_it_is():
    assert Text("**so**")._repr_markdown_() == "**so**"
    assert "make reproduce PROFILE=paper" in NOT_COMPUTED._repr_markdown_()


@pytest.mark.parametrize(("method", "seeds"), [("joint", [0, 12]), ("joint12", [3]), ("none", [])])
def test_runs_are_found_by_method_and_seed(method, seeds):
    names = {"joint-seed12": 12, "joint-seed0": 0, "joint12-seed3": 3, "more-joint-seed1": 1}
    records = {name: record(seed) for name, seed in names.items()}
    assert list(runs_of(records, method)) == seeds
