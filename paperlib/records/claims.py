"""What a claim is: the paper's words in brief, where the book shows it, and how results decide about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean, stdev

from scipy import stats

from paperlib.records import Record, by_seed, read_records

REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not reproduced"
CONTRADICTED, UNCHECKABLE, MISSING = "contradicted", "not checkable", "not run yet"
LEVEL = 0.05  # of the test of a difference
HEAD = ["section", "the paper", "ours", "verdict", "seeds"]  # of tables of claims
VERDICTS = (REPRODUCED, PARTLY, NOT, CONTRADICTED, UNCHECKABLE, MISSING)


@dataclass(frozen=True)
class Finding:
    """What our results say: numbers as text (`ours`), a verdict, and over how many seeds."""

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

    def row(self, found: Finding) -> list[str]:
        """Cells of a table under `HEAD`, with what was `found`."""
        return [self.section, self.words, found.ours, f"**{found.verdict}**", str(found.seeds or "–")]

    def find(self, results: Path) -> Finding:
        """What the records in the folders of `results`, one a page, say."""
        return self.find_in(_read(results / self.page))

    def find_in(self, records: Mapping[str, Record]) -> Finding:
        """What the records of the claim's page say."""
        try:
            return self.judge(Groups(by_seed(records)))
        except NotRun:
            return Finding("–", MISSING)


class NotRun(LookupError):
    """Results that a claim needs are not there yet."""


class Groups(dict[str, list[Record]]):
    """Records of a page over seeds, by method; to ask for one that is not there raises `NotRun`."""

    def __missing__(self, name: str) -> list[Record]:
        raise NotRun(name)


@cache
def _read(folder: Path) -> dict[str, Record]:
    return read_records(folder)


def verdict(holds: bool, otherwise: str = NOT) -> str:
    """`REPRODUCED` where the claim holds."""
    return REPRODUCED if holds else otherwise


@dataclass(frozen=True)
class Gain:
    """Differences of a measure over the seeds that two methods share."""

    gaps: tuple[float, ...]

    @property
    def value(self) -> float:
        """Mean difference."""
        return mean(self.gaps)

    @property
    def error(self) -> float:
        """Its standard error, infinite for one seed."""
        return stdev(self.gaps) / math.sqrt(self.seeds) if self.seeds > 1 else math.inf

    @property
    def seeds(self) -> int:
        """How many differences there are."""
        return len(self.gaps)

    @property
    def verdict(self) -> str:
        """Of the claim that it is positive, by Student's test at 5 %; `PARTLY` if only every seed says so."""
        if abs(self.value) > self.error * stats.t.ppf(1 - LEVEL / 2, max(self.seeds - 1, 1)):
            return verdict(self.value > 0, CONTRADICTED)
        return PARTLY if min(self.gaps) > 0 else NOT

    def __neg__(self) -> Gain:
        return Gain(tuple(-gap for gap in self.gaps))

    def text(self, digits: int = 2) -> str:
        """The difference with its sign ± standard error."""
        return f"{self.value:+.{digits}f}" + (f" ± {self.error:.{digits}f}" if self.seeds > 1 else "")


def graded(parts: Iterable[bool | Gain | str]) -> str:
    """Verdict of a claim of several parts: whether they hold, gains that are to be positive, or verdicts.

    `REPRODUCED` where all parts are, `PARTLY` where some are or partly, `CONTRADICTED` where all are.  What
    is not checkable does not count beside others.
    """
    verdicts = {
        part if isinstance(part, str) else part.verdict if isinstance(part, Gain) else verdict(part)
        for part in parts
    }
    if verdicts == {UNCHECKABLE}:
        return UNCHECKABLE
    verdicts.discard(UNCHECKABLE)
    if verdicts & {REPRODUCED, PARTLY}:
        return verdict(verdicts == {REPRODUCED}, PARTLY)
    return CONTRADICTED if verdicts == {CONTRADICTED} else NOT


def gain(first: Sequence[Record], second: Sequence[Record], measure: Callable[[Record], float]) -> Gain:
    """Second minus first, over the seeds both have; `NotRun` if there are none."""
    seeds = common_seeds(first, second)
    before, after = ({r.config["seed"]: measure(r) for r in group} for group in (first, second))
    return Gain(tuple(after[seed] - before[seed] for seed in seeds))


def common_seeds(*groups: Sequence[Record]) -> list[int]:
    """Seeds that all groups have; `NotRun` if there are none."""
    seeds = set.intersection(*({record.config["seed"] for record in group} for group in groups))
    if not seeds:
        raise NotRun("a common seed")
    return sorted(seeds)
