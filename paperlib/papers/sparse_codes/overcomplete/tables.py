"""Overcomplete dictionaries in tables, a row for each H and condition: looks, worth, sparseness (E.5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from paperlib.papers.sparse_codes.fields.measures import HIGH_FREQUENCY
from paperlib.papers.sparse_codes.overcomplete.conditions import Conditions, by_condition
from paperlib.papers.sparse_codes.overcomplete.experiment import (
    GABOR_SHARE,
    NARROW,
    PERIODS,
    SPREAD,
    evenness,
    last_rise,
    octaves,
    share_of_kind,
)
from paperlib.papers.sparse_codes.shown import Text, if_computed
from paperlib.plotting import Table
from paperlib.records import Record, spread, values

Records = Mapping[str, Record]
Columns = Mapping[str, tuple[Callable[[Record], float], int]]  # head → measure and its digits
WHITE = (math.sqrt(2) + math.log(1 + math.sqrt(2))) / 6  # mean frequency of white noise, cycles a pixel


def _number(*path: str, unit: float = 1) -> Callable[[Record], float]:
    """Measure: one of a record's numbers."""
    return lambda record: unit * values([record], *path)[0]


def _percent(kind: str) -> Callable[[Record], float]:
    return lambda record: 100 * share_of_kind(record, kind)


def _median(array: str, column: int | None = None) -> Callable[[Record], float]:
    index = (...,) if column is None else (..., column)
    return lambda record: float(np.median(record.arrays[array][index].astype(float)))


def _used(record: Record) -> float:
    return float(record.arrays["used"].astype(float).sum())


def _unused_percent(record: Record) -> float:
    return 100 * float((record.arrays["used"] == 0).mean())


def _worth_of_textures(record: Record) -> float:
    return record.numbers["without_textures"]["elbo"] - record.numbers["judged"]["elbo"]


LOOKS: Columns = {
    "Gabors [%]": (_percent("Gabor"), 0),
    "textures [%]": (_percent("texture"), 0),
    "unused [%]": (_unused_percent, 0),
    "median fit": (_median("gabor", -1), 2),
    "median pixels": (_median("pixels"), 0),
    "octaves of the Gabors": (octaves, 1),
    "evenness of directions": (evenness, 2),
}
WORTH: Columns = {
    "ELBO": (_number("judged", "elbo"), 1),
    "without textures": (_worth_of_textures, 1),
    "unexplained [%]": (_number("unexplained", unit=100), 1),
    "without textures [%]": (_number("without_textures", "unexplained", unit=100), 1),
    "Gini index": (_number("judged", "gini"), 3),
    "while learning": (_number("gini_learning"), 3),
    "last epoch's gain": (last_rise, 1),
    "seconds": (_number("learning_seconds"), 0),
}
SAMPLES: Columns = {"Gini index of samples": (_number("judged", "gini"), 3)}
MEANS: Columns = {"of means": (_number("gini_means"), 3), "active latents": (_number("active"), 0)}
IN_USE: Columns = {"fields in use": (_used, 0)}


def _groups(records: Records, kind: str = "run") -> list[tuple[tuple[str, str], list[Record]]]:
    """H and condition, and the records of its seeds."""
    return [
        ((f"{n_latents}", name), group)
        for n_latents, conditions in by_condition(records, kind).items()
        for name, group in conditions.items()
    ]


def _cells(group: list[Record], columns: Columns) -> list[str]:
    return [spread([measure(record) for record in group], digits) for measure, digits in columns.values()]


def thresholds() -> Table:
    """What decides about the kind of a field, as `classify` has it."""
    return Table(
        ["measure", "definition", "threshold"],
        [
            ["Gabor fit", "share of the field's energy explained", f"at least {GABOR_SHARE:g}"],
            ["narrow", "smaller width (standard deviation) of the fit's window",
             f"at most {NARROW:g} of the patch's side"],
            ["few periods", "the window's width along the wave", f"at most {PERIODS:g} period"],
            ["spread", r"effective pixels $1/\sum_d \tilde w_{dh}^4$",
             f"at least {SPREAD:g} $D$ (Gaussian noise has $D/3$)"],
            ["high frequency", "mean frequency over the power spectrum [cycles/pixel]",
             f"at least {HIGH_FREQUENCY:g} (white noise has {WHITE:.2f})"],
        ],
    )  # fmt: skip


@if_computed
def looks(records: Records) -> Table:
    """Kinds of fields, and what the Gabors among them cover."""
    rows = [[*place, *_cells(group, LOOKS), str(len(group))] for place, group in _groups(records)]
    return Table(["$H$", "", *LOOKS, "seeds"], rows)


@if_computed
def worth(records: Records) -> Table:
    """ELBO, unexplained energy and sparseness on other patches at γ = 1, with and without the textures."""
    return Table(["$H$", "", *WORTH], [[*place, *_cells(group, WORTH)] for place, group in _groups(records)])


@if_computed
def sparseness(records: Records) -> Table:
    """Sparseness by three measures, where there are records of `collect_codes`."""
    runs = dict(_groups(records))
    rows = [
        [*place, *_cells(runs[place], SAMPLES), *_cells(codes, MEANS), *_cells(runs[place], IN_USE)]
        for place, codes in _groups(records, "codes")
    ]
    return Table(["$H$", "", *SAMPLES, *MEANS, *IN_USE], rows)


def shares_of_textures(runs: Conditions) -> Text:
    """Percentage of textures of single runs, a line each."""
    return Text(
        "\n".join(f"- {name}: {_percent('texture')(run):.0f} % textures" for name, (run,) in runs.items())
    )
