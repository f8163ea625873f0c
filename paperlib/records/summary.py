"""Records of several seeds as one number with its spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from paperlib.records.record import Record, read_records


def over_seeds(
    methods: Mapping[str, Mapping[str, Any]], seeds: Iterable[int], **shared: Any
) -> dict[str, dict[str, Any]]:
    """Configurations ``<method>-<seed>`` for all methods and seeds: what is shared, and a method's own."""
    return {
        f"{name}-{seed}": {"seed": seed, **shared, **options}
        for seed in seeds
        for name, options in methods.items()
    }


def by_seed(records: Mapping[str, Record]) -> dict[str, list[Record]]:
    """Those `records` whose names differ in nothing but the seed at their end, by the name without it."""
    groups: dict[str, list[Record]] = {}
    for name in sorted(records, key=lambda name: records[name].config["seed"]):
        groups.setdefault(method_of(name), []).append(records[name])
    return groups


def method_of(name: str) -> str:
    """What a record's name says besides the seed, which stands after its last hyphen."""
    return name.rpartition("-")[0]


def read_complete(page: Path | str, like: Mapping[str, Record]) -> dict[str, Record]:
    """The committed records of a page (`read_records`); none while a method that `like` has is missing."""
    found = read_records(page)
    return found if by_seed(like).keys() <= by_seed(found).keys() else {}


def values(records: Sequence[Record], *path: str) -> list[float]:
    """One number of each record: ``values(records, "judged", "full", "elbo")``."""
    found = []
    for record in records:
        value: Any = record.numbers
        for key in path:
            value = value[key]
        found.append(value)
    return found


def spread(numbers: Sequence[float], digits: int = 2) -> str:
    """Mean ± standard deviation of `numbers` over seeds, to so many `digits`; a single number as it is."""
    if len(numbers) == 1:
        return f"{numbers[0]:.{digits}f}"
    return f"{mean(numbers):.{digits}f} ± {stdev(numbers):.{digits}f}"
