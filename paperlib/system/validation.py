"""Checks of what users hand to inference and trainers, done before any work starts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral

import torch
from torch import Tensor

from paperlib.system.distributed import ALONE, Processes
from paperlib.system.errors import InputError


def check_data(x: Tensor, n_features: int | None = None) -> None:
    """Refuse data that are not a finite floating-point matrix (N, D) with N ≥ 1 (and D = `n_features`).

    Raises
    ------
    InputError
        With one sentence that says what is wrong.
    """
    if not isinstance(x, Tensor) or x.ndim != 2 or not x.is_floating_point():
        shape = tuple(getattr(x, "shape", ()))
        raise InputError(
            f"Data must be a floating-point tensor (N, D); got {type(x).__name__} of shape {shape}."
        )
    if len(x) == 0 or x.shape[1] == 0:
        raise InputError(
            f"Data of shape {tuple(x.shape)} are empty; expected at least one point and one feature."
        )
    if n_features is not None and x.shape[1] != n_features:
        raise InputError(
            f"Data have {x.shape[1]} features, but the model has {n_features}; they must agree."
        )
    if not torch.isfinite(x).all():
        raise InputError("Data contain NaN or infinite values; remove or replace them first.")


def check_training_data(x: Tensor, n_features: int | None = None) -> None:
    """`check_data`, with `n_features`, and `check_size`.

    Raises
    ------
    InputError
        With one sentence that says what is wrong.
    """
    check_data(x, n_features)
    check_size(x)


def check_size(x: Tensor, processes: Processes = ALONE) -> None:
    """Refuse data, those of all processes together, that are all zero or whose square the dtype cannot hold.

    Raises
    ------
    InputError
        With one sentence that says what is wrong.
    """
    norm = torch.linalg.vector_norm(x, dtype=torch.float64)
    square, count = processes.add([norm.square(), torch.tensor(x.numel())])
    if square == 0:
        raise InputError("Data are all zero; nothing can be learned from them.")
    size, kind = float((square / count).sqrt()), torch.finfo(x.dtype)
    least, most = (kind.tiny / kind.eps) ** 0.5, (kind.max * kind.eps) ** 0.5
    if not least < size < most:
        raise InputError(
            f"Data have a root mean square of {size:.0e}, but {kind.dtype} takes {least:.0e} to {most:.0e}; "
            "choose other units."
        )


MOST = 2**31 - 1
"""The largest count: of more, products can leave 64 bits."""


def check_counts(**numbers: int | float) -> None:
    """Refuse counts, `numbers` by name, that are not integers from 1 to `MOST`; the message has the name.

    Raises
    ------
    InputError
        Naming the first number that is not.
    """
    check_positive(**numbers)
    for name, number in numbers.items():
        if not isinstance(number, Integral):
            raise InputError(f"{name} must be an integer, not {number}.")
        if number > MOST:
            raise InputError(f"{name} must be at most {MOST:,}, not {number:,}.")


def check_positive(**numbers: int | float) -> None:
    """Refuse counts and rates, `numbers` by name, that are not positive and finite; the message has the name.

    Raises
    ------
    InputError
        Naming the first number that is not.
    """
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise InputError(f"{name} must be positive{' and finite' * (number == math.inf)}, not {number}.")


def check_seed(seed: int) -> None:
    """Refuse a seed that generators of random numbers do not take.

    Raises
    ------
    InputError
        With the seed.
    """
    if not 0 <= seed < 2**63:
        raise InputError(f"seed must be 0 or more and less than 2⁶³, not {seed}.")


def check_choice(what: str, choice: str, choices: Iterable[str]) -> None:
    """Refuse a `choice`, which the message calls `what`, that is none of `choices`.

    Raises
    ------
    InputError
        Naming all there are.
    """
    known = list(choices)
    if choice not in known:
        raise InputError(f"Unknown {what} {choice!r}; choose one of {', '.join(known)}.")


def check_parameter(name: str, tensor: Tensor, shape: tuple[int, ...], positive: bool = False) -> None:
    """Refuse a model's parameter `tensor`, called `name`, of another `shape`, not finite or not `positive`.

    Raises
    ------
    InputError
        With one sentence that says what is wrong.
    """
    if tensor.shape != shape:
        raise InputError(f"{name} has shape {tuple(tensor.shape)}; expected {tuple(shape)}.")
    if not torch.isfinite(tensor).all() or (positive and not (tensor > 0).all()):
        raise InputError(f"{name} must be {'positive and ' * positive}finite.")
