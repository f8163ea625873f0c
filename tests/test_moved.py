"""Code written for version 0.1 still finds its modules, and hears of their new names."""

from __future__ import annotations

import importlib
import sys

import pytest

from paperlib.system.moved import MOVED, new_name


@pytest.mark.parametrize("old", [*MOVED, "paperlib.trainers.em", "paperlib.inference.full"])
def test_an_old_name_is_the_module_of_today(old):
    sys.modules.pop(old, None)  # of another test
    with pytest.warns(DeprecationWarning, match=f"^{old} is now {new_name(old)}$"):
        module = importlib.import_module(old)
    assert module is importlib.import_module(new_name(old))
    assert module.__name__ == module.__spec__.name == new_name(old)


@pytest.mark.parametrize("name", ["bars", "BarsData", "bar_fields"])
def test_names_that_left_the_data_are_still_there(name):
    from paperlib import data
    from paperlib.papers.sparse_codes.bars import data as bars

    vars(data).pop("bars", None)  # the module, where a test has imported it
    with pytest.warns(DeprecationWarning, match="bars"):
        assert getattr(data, name) is getattr(bars, name)


def test_what_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        importlib.import_module("paperlib.nothing")
