"""`make torture` in small: what it does works, and a few cases of each quick kind hold."""

import pytest
import torture


@pytest.mark.parametrize("kind", ["foreign", "downloads", "numbers"])
def test_the_first_cases_hold(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(torture, "WORK", tmp_path, raising=False)
    assert [torture.attempt(kind, 0, number) for number in range(4)] == [(1, "")] * 4


def test_what_breaks_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(torture, "WORK", tmp_path, raising=False)
    broken = (lambda rng, folder: torture.hold(False, "a bridge"), 1, "bridges")
    monkeypatch.setitem(torture.KINDS, "bridges", broken)
    assert "Broken: a bridge" in torture.attempt("bridges", 0, 0)[1]
