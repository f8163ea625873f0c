"""What a claim is: a paper's words in brief, where a page shows it, and how the page's records decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import mean, stdev
from typing import Any

from scipy import stats

from paperlib.records import Record, by_seed

LEVEL = 0.05  # of the test of a difference
HEAD = ["section", "the paper", "ours", "verdict", "seeds"]  # of tables of claims


class Verdict(StrEnum):
    """What results say of a claim."""

    REPRODUCED = "reproduced"
    PARTLY = "partly"
    NOT = "not reproduced"
    CONTRADICTED = "contradicted"
    UNCHECKABLE = "not checkable"
    MISSING = "not run yet"

    @classmethod
    def of(cls, holds: bool, *, partly: bool = False) -> Verdict:
        """Of a claim that `holds`, or else holds `partly`, or not at all."""
        return cls.REPRODUCED if holds else cls.PARTLY if partly else cls.NOT


@dataclass(frozen=True)
class Finding:
    """What our results say: numbers as text (`ours`), a verdict, and over how many seeds."""

    ours: str
    verdict: Verdict
    seeds: int = 0


@dataclass(frozen=True)
class Claim:
    """A claim that a paper makes in a `section`, in our `words`.

    `anchor` is the label of the place that shows it, on the page whose records it is judged by; `judge` takes
    `Groups` of these and returns a `Finding`, or raises `NotRun` where some are missing.  A claim that is not
    judged by records has a `judge` of something else, and no `find`.
    """

    anchor: str
    section: str
    words: str
    judge: Callable[[Any], Finding]

    def row(self, found: Finding) -> list[str]:
        """Cells of a table under `HEAD`, with what was `found`."""
        return [self.section, self.words, found.ours, f"**{found.verdict}**", str(found.seeds or "–")]

    def find(self, records: Mapping[str, Record]) -> Finding:
        """What the records of its page say."""
        try:
            return self.judge(Groups(by_seed(records)))
        except NotRun:
            return Finding("–", Verdict.MISSING)


class NotRun(LookupError):
    """Results that a claim needs are not there yet."""


class Groups(dict[str, list[Record]]):
    """Records of a page over seeds, by method; to ask for one that is not there raises `NotRun`."""

    def __missing__(self, name: str) -> list[Record]:
        raise NotRun(name)


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
    def verdict(self) -> Verdict:
        """Of the claim that it is positive, by Student's test at 5 %; `PARTLY` if only every seed says so."""
        if abs(self.value) > self.error * stats.t.ppf(1 - LEVEL / 2, max(self.seeds - 1, 1)):
            return Verdict.REPRODUCED if self.value > 0 else Verdict.CONTRADICTED
        return Verdict.of(False, partly=min(self.gaps) > 0)

    def __neg__(self) -> Gain:
        return Gain(tuple(-gap for gap in self.gaps))

    def text(self, digits: int = 2) -> str:
        """The difference with its sign ± standard error."""
        return f"{self.value:+.{digits}f}" + (f" ± {self.error:.{digits}f}" if self.seeds > 1 else "")


Part = bool | Gain | Verdict  # of a claim: whether it holds, a gain that is to be positive, or a verdict


def graded(parts: Iterable[Part]) -> Verdict:
    """Verdict of a claim of several parts.

    `REPRODUCED` where all parts are, `PARTLY` where some are or partly, `CONTRADICTED` where all are.  What
    is not checkable does not count beside others.
    """
    verdicts = set(map(_verdict, parts))
    if verdicts == {Verdict.UNCHECKABLE}:
        return Verdict.UNCHECKABLE
    verdicts.discard(Verdict.UNCHECKABLE)
    if verdicts & {Verdict.REPRODUCED, Verdict.PARTLY}:
        return Verdict.of(verdicts == {Verdict.REPRODUCED}, partly=True)
    return Verdict.CONTRADICTED if verdicts == {Verdict.CONTRADICTED} else Verdict.NOT


def _verdict(part: Part) -> Verdict:
    if isinstance(part, Gain):
        return part.verdict
    return part if isinstance(part, Verdict) else Verdict.of(part)


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
