"""The real data of the table: what scikit-learn brings along, as double precision tensors."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.data.matrix import load_matrix


def raw(name: str) -> Float[Tensor, "N D"]:
    """The data set of a `name` in `paperlib.data.matrix.DATA_SETS`, as it is."""
    return torch.from_numpy(load_matrix(name).values).double()


def standardized(name: str) -> Float[Tensor, "N D"]:
    """The data set of a `name` with mean 0 and variance 1; features that are constant are left out."""
    x = raw(name)
    x = x[:, x.std(0) > 0]
    return (x - x.mean(0)) / x.std(0, correction=0)
