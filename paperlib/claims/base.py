"""What a claim is: the paper's words in brief, where the book shows it, and how results decide about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from paperlib.experiments import Record, by_seed, paired, read_records
from paperlib.experiments.images import own_family

REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not reproduced"
CONTRADICTED, UNCHECKABLE, MISSING = "contradicted", "not checkable", "not run yet"
VERDICTS = (REPRODUCED, PARTLY, NOT, CONTRADICTED, UNCHECKABLE, MISSING)


@dataclass(frozen=True)
class Finding:
    """What our results say: numbers as text, a verdict, and over how many seeds."""

    ours: str
    verdict: str
    seeds: int = 0


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Parameters
    ----------
    section : str
        Where the paper makes it.
    words : str
        The claim, in our words.
    page, anchor : str
        The page of the book that shows it, whose results it is judged by, and the label there.
    judge : callable
        Groups of the page's records → `Finding`; raises `NotRun` where some are missing.
    """

    section: str
    words: str
    page: str
    anchor: str
    judge: Callable[[Groups], Finding]

    def find(self, results: Path) -> Finding:
        """What the records in the folders of `results`, one a page, say."""
        try:
            return self.judge(_groups(results / self.page))
        except NotRun:
            return Finding("–", MISSING)


class NotRun(LookupError):
    """Results that a claim needs are not there yet."""


class Groups(dict[str, list[Record]]):
    """Records of a page over seeds, by method; to ask for one that is not there raises `NotRun`."""

    def __missing__(self, name: str) -> list[Record]:
        raise NotRun(name)


@cache
def _groups(folder: Path) -> Groups:
    return Groups(by_seed(read_records(folder)))


def verdict(holds: bool, otherwise: str = NOT) -> str:
    """`REPRODUCED` where the claim holds."""
    return REPRODUCED if holds else otherwise


def difference(
    first: Sequence[Record], second: Sequence[Record], measure: Callable[[Record], float]
) -> tuple[float, str]:
    """Second minus first over common seeds, as a number, and with its standard error as text, in nats."""
    gain, error = paired(first, second, measure)
    return gain, f"{gain:+.2f}" + (f" ± {error:.2f}" if math.isfinite(error) else "") + " nats"


def elbo(record: Record, family: str = "diagonal") -> float:
    """Held-out ELBO of a record of `learn_images`, with optimal posteriors of a family."""
    return record.numbers["judged"][family]["elbo"]


def own_elbo(record: Record) -> float:
    """Held-out ELBO of the posteriors that the method itself has."""
    return elbo(record, own_family(record))


def epochs(record: Record) -> list[dict]:
    """History rows of the epochs, without what follows them."""
    return record.numbers["history"][:-1]
