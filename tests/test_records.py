"""Results of record: written whole, and taken again only if they are what was asked for and untouched."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from paperlib.data import Images, Matrix
from paperlib.records import (
    Outcome,
    Record,
    Results,
    by_seed,
    over_seeds,
    read_complete,
    read_records,
    spread,
    values,
)
from paperlib.records.record import FIELDS, read_record
from paperlib.system.errors import InputError

ROOT = Path(__file__).parents[1]
CALLS: list[int] = []
IMAGES = Images((np.arange(12.0).reshape(3, 4),), "test")


def square(*, number: int, seed: int = 0) -> Outcome:
    CALLS.append(number)
    return Outcome({"square": number**2, "half": 0.5}, {"field": np.full((2, 3), number / 3)})


def brightest(*, images: Images, seed: int) -> Outcome:
    return Outcome({"brightest": float(images.pixels[0].max())})


@pytest.fixture
def folder(tmp_path):
    CALLS.clear()
    return tmp_path / "results" / "smoke" / "page"


def test_a_record_is_computed_once_and_comes_back_as_it_was(folder):
    first = Results(folder).collect(square, {"three": {"number": 3}})["three"]
    again = Results(folder).collect(square, {"three": {"number": 3}})["three"]
    assert CALLS == [3]
    assert first.numbers == again.numbers == {"square": 9, "half": 0.5}
    assert first.config == {"number": 3}
    assert np.array_equal(first.arrays["field"], again.arrays["field"])
    assert first.arrays["field"].dtype == np.float16
    assert set(json.loads((folder / "three.json").read_text())) == set(FIELDS)


def test_without_a_folder_nothing_is_kept(monkeypatch):
    CALLS.clear()
    monkeypatch.delenv("PAPERLIB_RESULTS", raising=False)
    for _ in range(2):
        assert Results().collect(square, {"a": {"number": 2}})["a"].numbers["square"] == 4
    assert CALLS == [2, 2]


def test_another_configuration_or_other_images_are_computed_anew(folder):
    Results(folder).collect(square, {"a": {"number": 3}})
    Results(folder).collect(square, {"a": {"number": 4}})
    assert CALLS == [3, 4]
    Results(folder).collect(brightest, {"b": {"seed": 0}}, IMAGES)
    other = Images((np.full((3, 4), 99.0),), "test")
    assert Results(folder).collect(brightest, {"b": {"seed": 0}}, other)["b"].numbers == {"brightest": 99.0}


def test_what_another_checkout_computed_is_taken_only_on_request(folder, tmp_path):
    Results(folder).collect(square, {"a": {"number": 3}})
    for mark in (tmp_path / "_build").rglob("a"):
        mark.unlink()
    Results(folder, reuse=True).collect(square, {"a": {"number": 3}})
    assert CALLS == [3]
    Results(folder).collect(square, {"a": {"number": 3}})
    assert CALLS == [3, 3]


def test_an_edited_record_is_computed_anew(folder):
    Results(folder).collect(square, {"a": {"number": 3}})
    path = folder / "a.json"
    path.write_text(path.read_text().replace('"square": 9', '"square": 8'))
    assert Results(folder).collect(square, {"a": {"number": 3}})["a"].numbers["square"] == 9


def test_changed_arrays_are_refused(folder):
    Results(folder).collect(square, {"a": {"number": 3}})
    np.savez(folder / "a.npz", field=np.zeros((2, 3), np.float16))
    with pytest.raises(InputError, match="was changed"):
        read_record(folder / "a.json")


@pytest.mark.parametrize("name", ["a.json", "a.npz"])
@pytest.mark.parametrize("damage", [None, b"", b"null", b"{}", b"\xff\x00"])
def test_a_damaged_record_counts_as_missing_with_a_note(name, damage, folder, caplog):
    Results(folder).collect(square, {"a": {"number": 3}})
    (folder / name).unlink() if damage is None else (folder / name).write_bytes(damage)
    assert read_records(folder) == {}
    assert Results(folder, reuse=True).collect(square, {"a": {"number": 3}})["a"].numbers["square"] == 9
    assert CALLS == [3, 3] and ("counts as missing" in caplog.text or not (damage or name == "a.npz"))


@pytest.mark.parametrize("done", range(4))
def test_whenever_writing_is_killed_a_record_is_whole_or_missing(done, folder, monkeypatch):
    """After so many files were moved into place."""
    Results(folder).collect(square, {"a": {"number": 3}})
    moves = iter([os.replace] * done)

    def replace(*paths):
        move = next(moves, None)
        if move is None:
            raise KeyboardInterrupt
        move(*paths)

    with monkeypatch.context() as patched, contextlib.suppress(KeyboardInterrupt):
        patched.setattr(os, "replace", replace)
        Results(folder).collect(square, {"a": {"number": 4}})
    assert [record.numbers["square"] for record in read_records(folder).values()] == [16] * (done > 1)
    assert Results(folder).collect(square, {"a": {"number": 4}})["a"].numbers["square"] == 16


def test_experiments_get_images_if_they_use_them_and_only_then(folder):
    with pytest.raises(InputError, match="images"):
        Results(folder).collect(brightest, {"a": {"seed": 0}})
    with pytest.raises(InputError, match="images"):
        Results(folder).collect(square, {"a": {"number": 1}}, IMAGES)


def test_numbers_that_are_not_finite_are_no_result(folder):
    def diverged(*, seed: int) -> Outcome:
        return Outcome({"elbo": float("nan")})

    with pytest.raises(InputError, match=r"^elbo of .*diverged is nan; JSON cannot hold it\.$"):
        Results(folder).collect(diverged, {"a": {"seed": 0}})
    assert read_records(folder) == {}


def test_a_name_that_leaves_the_folder_is_refused(folder):
    with pytest.raises(InputError, match="name"):
        Results(folder).collect(square, {"../a": {"number": 1}})


def named(name: str) -> object:
    """What a qualified name means."""
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function, None)


def test_the_code_of_every_committed_record_is_where_the_table_says():
    moved = json.loads((ROOT / "results" / "moved.json").read_text())
    paths = (ROOT / "results" / "paper").rglob("*.json")
    experiments = {json.loads(path.read_text())["experiment"] for path in paths}
    assert set(moved) <= experiments, "an entry that no record needs"
    assert not [name for name in experiments if not callable(named(moved.get(name, name)))]


def test_a_record_is_found_where_its_experiment_moved(folder):
    Results(folder).collect(square, {"a": {"number": 3}})
    path = folder / "a.json"
    content = json.loads(path.read_text())
    assert content["experiment"] == f"{__name__}.square"
    path.write_text(json.dumps(content | {"experiment": "old"}))
    with_table = folder.parents[1] / "moved.json"
    for table, calls in (({"old": content["experiment"]}, [3]), ({"old": "elsewhere.square"}, [3, 3])):
        with_table.write_text(json.dumps(table))
        Results(folder, reuse=True).collect(square, {"a": {"number": 3}})
        assert calls == CALLS


def largest(*, data: Matrix, seed: int) -> Outcome:
    CALLS.append(seed)
    return Outcome({"largest": float(data.values.max())})


def test_any_source_of_data_will_do(folder):
    matrix = Matrix(np.arange(6.0).reshape(2, 3), "test")
    for _ in range(2):
        found = Results(folder).collect(largest, {"a": {"seed": 0}}, matrix)["a"]
    assert CALLS == [0] and found.numbers == {"largest": 5.0}
    assert found.provenance["images"] == matrix.identity


def test_what_is_bound_to_an_experiment_leaves_it_the_same(folder):
    Results(folder).collect(square, {"a": {"number": 3}})
    Results(folder).collect(partial(square, seed=0), {"a": {"number": 3}})
    assert CALLS == [3]


EXPERIMENT = """
from paperlib.records import Outcome
def experiment(*, seed):
    print("computed")
    from paperlib import {used}
    return Outcome({{"one": 1}})
"""
ASKED = "from experiments import experiment; from paperlib.records import Results; from pathlib import Path; "
ASKED += "Results(Path('results/smoke/page').resolve()).collect(experiment, {'a': {'seed': 0}})"


def test_a_record_is_up_to_date_until_code_changes_that_its_experiment_imports(tmp_path):
    package = tmp_path / "paperlib"
    shutil.copytree(ROOT / "paperlib", package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "experiments.py").write_text(EXPERIMENT.format(used="through"))
    (package / "through.py").write_text("from paperlib import inside")
    (package / "inside.py").write_text("")

    def computes() -> bool:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        run = [sys.executable, "-c", ASKED]
        done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout == "computed\n"

    assert computes()
    (package / "runs.py").write_text("# no part of it\n")
    assert not computes()
    (package / "inside.py").write_text("# imported through another, inside a function\n")
    assert computes()


def test_an_experiment_without_a_file_is_refused(folder):
    shell: dict = {"__name__": "__main__", "Outcome": Outcome}
    exec("def typed(*, seed): return Outcome({})", shell)
    typed = shell["typed"]
    typed.__module__ = "nowhere"
    with pytest.raises(InputError, match="put it into a module"):
        Results(folder).collect(typed, {"a": {"seed": 0}})


def test_summaries_over_seeds():
    records = {
        f"{name}-{seed}": Record({"seed": seed}, {"a": {"b": base + seed}}, {}, {})
        for name, base in (("x", 1.0), ("y", 3.0))
        for seed in (2, 0, 1)
    }
    groups = by_seed(records)
    assert values(groups["x"], "a", "b") == [1.0, 2.0, 3.0]
    assert spread(values(groups["x"], "a", "b")) == "2.00 ± 1.00"
    assert spread([1.234], 1) == "1.2"


def test_configurations_over_seeds_are_those_that_groups_by_seed_have():
    methods = {"plain": {}, "long": {"n_epochs": 9}}
    configs = over_seeds(methods, [3, 0], n_epochs=2)
    assert list(configs) == ["plain-3", "long-3", "plain-0", "long-0"]
    assert configs["plain-3"] == {"seed": 3, "n_epochs": 2} and configs["long-0"]["n_epochs"] == 9
    groups = by_seed({name: Record(config, {}, {}, {}) for name, config in configs.items()})
    assert {name: [run.config["seed"] for run in runs] for name, runs in groups.items()} == {
        name: [0, 3] for name in methods
    }


def test_arrays_are_tensors_of_single_precision():
    record = Record({}, {}, {"dictionary": np.array([[0.5, 2.0]], np.float16)}, {})
    torch.testing.assert_close(record.tensor("dictionary"), torch.tensor([[0.5, 2.0]]))


def test_results_are_shown_once_every_method_has_some(tmp_path):
    results = Results(tmp_path / "results" / "paper" / "page")
    here = Results().collect(square, {f"{name}-0": {"number": 1, "seed": 0} for name in "ab"})
    some = results.collect(square, {f"a-{seed}": {"number": 2, "seed": seed} for seed in range(2)})
    assert read_complete(results.folder, like=here) == {}
    more = results.collect(square, {"b-1": {"number": 2, "seed": 1}})
    assert read_complete(results.folder, like=here).keys() == {*some, *more}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "results" / "paper").rglob("*.json")), ids=lambda path: path.stem
)
def test_committed_results_are_whole(path):
    record = read_record(path)
    assert record.numbers
    assert "seed" in record.config
    assert record.provenance["commit"]
    assert record.provenance["cpu_seconds"] > 0
    assert not [key for key in record.provenance if key not in FIELDS]


def test_a_committed_learning_curve_ends_on_the_patches_it_was_drawn_on():
    curves = {}
    for path in (ROOT / "results" / "paper").rglob("*.json"):
        history = json.loads(path.read_text())["numbers"].get("history", [])
        curves[path.relative_to(ROOT)] = [row["held_out"] for row in history if "held_out" in row]
    curves = {name: curve for name, curve in curves.items() if curve}
    assert curves
    for name, (*_, before, last, end) in curves.items():
        # what follows the epochs can only gain, much only where they still did
        assert last - 0.5 < end < last + max(3, 10 * (last - before)), name
