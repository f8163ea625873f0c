"""What records of runs on bars say, against the generating dictionary on the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paperlib.papers.sparse_codes.shown import runs_of
from paperlib.records import Record

OF_OUTCOMES = ("after", "more", "truth-more")  # records of runs that were chosen by how they came out


def above_truth(
    records: Mapping[str, Record], method: str, key: str = "elbo_full", truth: str = "truth"
) -> dict[int, float]:
    """By seed, the number `key` of a method's runs above the ELBO of the generating dictionary in nats."""
    runs, truths = runs_of(records, method), runs_of(records, truth)
    return {seed: run.numbers[key] - truths[seed].numbers["elbo"] for seed, run in runs.items()}


def first_step_within(history: Sequence[Mapping[str, Any]], elbo: float, distance: float) -> int | None:
    """First `step` of a history whose ELBO is at most `distance` below `elbo`; None if there is none."""
    return next((row["step"] for row in history if row["elbo"] >= elbo - distance), None)


def best_and_worst(records: Mapping[str, Record]) -> dict[str, int]:
    """Seeds of the joint runs that match the bars best and worst."""
    cosines = {seed: run.numbers["smallest_cosine"] for seed, run in runs_of(records, "joint").items()}
    order = sorted(cosines, key=cosines.__getitem__)
    return {"best": order[-1], "worst": order[0]}


def failing(records: Mapping[str, Record]) -> list[int]:
    """Seeds of the joint runs that miss a bar, lowest ELBO above the truth's first."""
    gaps, runs = above_truth(records, "joint"), runs_of(records, "joint")
    return [seed for seed in sorted(gaps, key=gaps.__getitem__) if not runs[seed].numbers["recovered"]]


def whatever_comes_out(records: Mapping[str, Record]) -> dict[str, Record]:
    """The records that there are for any outcome of the runs, so that they can be missed."""
    return {name: record for name, record in records.items() if not name.startswith(OF_OUTCOMES)}
