"""Binary pictures and text: digits, bars, and the letters of scikit-learn's descriptions of its data sets."""

from __future__ import annotations

import re
import string

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.data.matrix import DATA_SETS
from paperlib.papers.entropy_sums.data import raw

ON = 8  # gray value, of 16, from which on a pixel of a digit is on
SHARE = 0.15  # in so many pictures at least a pixel is on, and off; more extreme ones separate the data
ALPHABET = string.ascii_lowercase + " "


def varying_pixels() -> Float[Tensor, " P"]:
    """Numbers of the pixels of digits, of 64, that are on in many pictures and off in many."""
    share = (raw("digits") >= ON).double().mean(0)
    return ((share >= SHARE) & (share <= 1 - SHARE)).nonzero().flatten().double()


def binary_digits() -> Float[Tensor, "1797 P"]:
    """Whether each of the `varying_pixels` of the digits is on."""
    return (raw("digits") >= ON).double()[:, varying_pixels().long()]


def binary_bars(n_points: int, size: int, seed: int) -> Float[Tensor, "N D"]:
    """Pictures of size × size pixels: each bar is there with probability 1/size, 5 % of pixels are flipped.

    A pixel under a bar, or under two, is on: no belief net is the truth, as its bars add up.
    """
    generator = torch.Generator().manual_seed(seed)
    rows, columns = (torch.rand(2, n_points, size, generator=generator) < 1 / size).unbind()
    on = rows.unsqueeze(2) | columns.unsqueeze(1)
    flipped = torch.rand(n_points, size, size, generator=generator) < 0.05
    return (on ^ flipped).double().flatten(1)


def letters(n_steps: int) -> Float[Tensor, "N T 1"]:
    """Pieces of `n_steps` letters of scikit-learn's English descriptions of its data sets, in `ALPHABET`.

    Whatever is no letter is a space, and spaces in a row are one.
    """
    from sklearn import datasets

    texts = [getattr(datasets, f"load_{name}")().DESCR for name in DATA_SETS]
    text = re.sub("[^a-z]+", " ", " ".join(texts).lower())
    codes = torch.tensor([ALPHABET.index(letter) for letter in text], dtype=torch.float64)
    n_pieces = len(codes) // n_steps
    return codes[: n_pieces * n_steps].reshape(n_pieces, n_steps, 1)
