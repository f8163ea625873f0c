"""Data of a kind for each family: real numbers, positive ones, counts, fractions, letters and bits."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.papers.entropy_sums.data import raw, standardized

FRACTIONS = (4, 5, 8, 9)  # breast_cancer: mean smoothness, compactness, symmetry and fractal dimension


def wine() -> Float[Tensor, "178 5"]:
    """The first five features of the wines, standardized."""
    return standardized("wine")[:, :5]


def bits() -> Float[Tensor, "1797 8"]:
    """Whether the pixels of `counts` are over 8, of 16."""
    return (counts() > 8).double()


def letters() -> Float[Tensor, "178 5"]:
    """Which fifth of all wines each of `wine` is in, 0 to 4, feature by feature."""
    x = wine()
    borders = x.quantile(torch.linspace(0.2, 0.8, 4).double(), dim=0)
    return (x > borders.unsqueeze(1)).double().sum(0)


def counts() -> Float[Tensor, "1797 8"]:
    """The eight pixels of the digits that vary most, gray values 0 to 16."""
    x = raw("digits")
    return x[:, x.var(0).topk(8).indices.sort().values]


def positive() -> Float[Tensor, "150 4"]:
    """Lengths and widths of the irises, in cm."""
    return raw("iris")


def fractions() -> Float[Tensor, "569 4"]:
    """Four features of the breast cancers that are between 0 and 1."""
    return raw("breast_cancer")[:, FRACTIONS]


def centered() -> Float[Tensor, "178 5"]:
    """`wine` less its median."""
    x = wine()
    return x - x.median(0).values


# What tables call data, where they are, and how many classes mixtures of them have.
WINE = ("wine, 5 features", wine, 3)
BITS = ("digits, 8 pixels, binary", bits, 3)
LETTERS = ("wine, 5 features in fifths", letters, 3)
COUNTS = ("digits, 8 pixels", counts, 5)
POSITIVE = ("iris", positive, 3)
FRACTIONAL = ("breast_cancer, 4 features", fractions, 2)
CENTERED = ("wine, 5 features, medians 0", centered, 3)
IRIS = ("iris", partial(standardized, "iris"), 3)
CANCER = ("breast_cancer", partial(standardized, "breast_cancer"), 4)
DIGITS = ("digits", partial(standardized, "digits"), 10)
