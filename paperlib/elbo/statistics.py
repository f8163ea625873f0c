"""Additive sums over data points: all that an objective needs of data and posteriors.

They add: minibatches, the whole data set, several devices and several machines are the same code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from paperlib.system.distributed import Processes
from paperlib.system.errors import InputError

Sums = TypeVar("Sums", bound="Statistics")


@dataclass(frozen=True)
class Statistics:
    """Base of frozen dataclasses of sums over data points, in float64 so that their order is immaterial.

    A field is a number, a tensor or again `Statistics`.  Those in `size_names` are no sums but sizes, such as
    D: they are the same in all that add.
    """

    size_names: ClassVar[tuple[str, ...]] = ()

    def __add__(self: Sums, other: Sums) -> Sums:
        if type(other) is not type(self):
            return NotImplemented
        theirs, total = vars(other), {}
        for name, one in vars(self).items():
            another = theirs[name]
            is_size = name in self.size_names
            if one != another if is_size else isinstance(one, Tensor) and one.shape != another.shape:
                raise InputError(f"Statistics whose {name} are of different sizes cannot be added.")
            total[name] = one if is_size else one + another
        return type(self)(**total)

    def __radd__(self: Sums, other: object) -> Sums:
        """Let `sum(list_of_statistics)` start from 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __mul__(self: Sums, factor: float) -> Sums:
        """Weigh old statistics down, as running statistics over minibatches do (counts become fractional)."""
        return replace(self, **{name: value * factor for name, value in self._summed()})

    def sums(self) -> list[Tensor]:
        """All sums in the order of the fields, those of nested statistics included; numbers as float64."""
        parts = (value.sums() if isinstance(value, Statistics) else [value] for _, value in self._summed())
        return [torch.as_tensor(value, dtype=torch.float64) for part in parts for value in part]

    def over(self: Sums, processes: Processes) -> Sums:
        """The sums over all processes."""
        return self if processes.count == 1 else self._with(iter(processes.add(self.sums())))

    def _with(self: Sums, sums: Iterator[Tensor]) -> Sums:
        """The same with other `sums`."""
        changed: dict[str, Any] = {}
        for name, value in self._summed():
            if isinstance(value, Statistics):
                changed[name] = value._with(sums)
            else:
                changed[name] = next(sums).to(value) if isinstance(value, Tensor) else type(value)(next(sums))
        return replace(self, **changed)

    def _summed(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in vars(self).items() if name not in self.size_names]
