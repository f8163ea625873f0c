"""Image patches: the data points x of the paper's experiments on natural images."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from numbers import Integral

import numpy as np
import torch
from jaxtyping import Float, Int, UInt64
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from paperlib.data.images import Images
from paperlib.system.errors import InputError
from paperlib.system.memory import check_memory


class PatchSampler:
    """An endless, numbered sequence of patches at random places, given by the images, the size and a seed.

    Patch i depends on the seed and on i alone. So no patch needs to be stored: batches of any size, later
    epochs, and several machines that share the work all see the same sequence. Every place of every image at
    which a patch fits is equally likely; places are drawn with replacement, pixels are not changed.

    Patches have a `patch_size`, the side of a square or height and width, that fits into every one of the
    `images`; different numbers `seed` ≥ 0 give independent places.  Anything else is an InputError.
    """

    def __init__(self, images: Images, patch_size: int | tuple[int, int] = 16, seed: int = 0):
        # int is Integral, too, which type checkers do not know
        height, width = (patch_size, patch_size) if isinstance(patch_size, int | Integral) else patch_size
        if height < 1 or width < 1:
            raise InputError(f"A patch of {height}×{width} pixels is empty; give a patch size of at least 1.")
        if seed < 0:
            raise InputError(f"The seed is {seed}; give a nonnegative integer.")
        for number, (rows, columns) in enumerate(images.shapes):
            if height > rows or width > columns:
                raise InputError(
                    f"Patches of {height}×{width} pixels do not fit into image {number} of {images.source}, "
                    f"which has {rows}×{columns}; give smaller patches or larger images (an array of images "
                    "is number × height × width, in a .mat file height × width × number)."
                )
        self.images = images
        self.patch_shape = (height, width)
        self.seed = seed
        self._windows = [sliding_window_view(image, (height, width)) for image in images.pixels]
        places = [windows.shape[0] * windows.shape[1] for windows in self._windows]
        self._first_place = np.concatenate([[0], np.cumsum(places)])
        self._key = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]

    @property
    def n_features(self) -> int:
        """D, the number of pixels of a patch."""
        return self.patch_shape[0] * self.patch_shape[1]

    def draw(self, n: int, start: int = 0) -> Float[Tensor, "n D"]:
        """Patches start, ..., start + n − 1 as float32 (n, D), pixels row by row."""
        check_memory(n * (4 * self.n_features + 48.0), f"Drawing {n:,} patches")
        return self.take(_numbers(n, start))

    def batches(self, n: int, batch_size: int, start: int = 0) -> Iterator[Float[Tensor, "_ D"]]:
        """The patches of ``draw(n, start)`` `batch_size` at a time; the last batch can be smaller."""
        if operator.index(batch_size) < 1:
            raise InputError(f"The batch size is {batch_size}; give at least 1.")
        numbers = _numbers(n, start)
        return (self.take(numbers[first : first + batch_size]) for first in range(0, n, batch_size))

    def take(self, numbers: Int[np.ndarray, " n"] | Int[Tensor, " n"]) -> Float[Tensor, "n D"]:
        """Patches with the given numbers, in the given order, as float32 (n, D), pixels row by row."""
        image, row, column = self.places(numbers)
        patches = np.empty((len(image), *self.patch_shape), dtype=np.float32)
        for number, windows in enumerate(self._windows):
            here = np.flatnonzero(image == number)
            patches[here] = windows[row[here], column[here]]
        return torch.from_numpy(patches.reshape(len(image), self.n_features))

    def places(
        self, numbers: Int[np.ndarray, " n"] | Int[Tensor, " n"]
    ) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Image, and row and column of the upper left pixel, of each of the patches `numbers`."""
        place = (split_mix(self._key, numbers) % np.uint64(self._first_place[-1])).astype(np.int64)
        image = np.searchsorted(self._first_place, place, side="right") - 1
        columns = np.array([windows.shape[1] for windows in self._windows])[image]
        row, column = np.divmod(place - self._first_place[image], columns)
        return image, row, column

    def counts(self, n: int, start: int = 0) -> Int[np.ndarray, " images"]:
        """How many of the patches of ``draw(n, start)`` come from each image."""
        return np.bincount(self.places(_numbers(n, start))[0], minlength=len(self.images))


def _numbers(n: int, start: int) -> Int[np.ndarray, " n"]:
    if operator.index(n) < 1:
        raise InputError(f"The number of patches is {n}; give at least 1.")
    if operator.index(start) < 0:
        raise InputError(f"The first patch is number {start}; give a nonnegative integer.")
    return np.arange(start, start + n)


def split_mix(key: np.uint64, numbers: Int[np.ndarray, " n"] | Int[Tensor, " n"]) -> UInt64[np.ndarray, " n"]:
    """Outputs of SplitMix64 (Steele, Lea & Flood 2014) with the given numbers, for the seed `key`."""
    z = key + (np.asarray(numbers).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
