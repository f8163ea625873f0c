"""Claims about bars (Figs. 2, 5; Section 4.1, E.2)."""

from __future__ import annotations

import math
from statistics import median

from paperlib.claims.base import NOT, PARTLY, Claim, Finding, Groups, verdict
from paperlib.experiments import Record, spread

NEAR = 0.1  # nats from the generating dictionary's ELBO


def _found(record: Record) -> bool:
    return record.numbers["recovered"]


def _gaps(runs: Groups) -> list[float]:
    """ELBO of each joint run above that of the generating dictionary on the same data."""
    truths = {record.config["seed"]: record.numbers["elbo"] for record in runs["truth"]}
    return [record.numbers["elbo_full"] - truths[record.config["seed"]] for record in runs["joint"]]


def _seven_of_ten(runs: Groups) -> Finding:
    joint = runs["joint"]
    share = sum(map(_found, joint)) / len(joint)
    text = f"all bars in {sum(map(_found, joint))} of {len(joint)} runs"
    return Finding(text, verdict(0.4 <= share <= 0.95, PARTLY), len(joint))


def _one_bar_a_field(runs: Groups) -> Finding:
    found = [record for record in runs["joint"] if _found(record)]
    single = sum(max(record.numbers["bars_held"]) == 1 for record in found)
    return Finding(
        f"in {single} of {len(found)} recovered runs", verdict(single == len(found), PARTLY), len(found)
    )


def _hundred_calls(runs: Groups) -> Finding:
    truths = {record.config["seed"]: record.numbers["elbo"] for record in runs["truth"]}
    reached = []
    for record in filter(_found, runs["joint"]):
        goal = truths[record.config["seed"]] - NEAR
        steps = [row["step"] for row in record.numbers["history"] if row["elbo"] >= goal]
        reached.append(min(steps, default=math.inf) * record.config["iterations_per_call"])
    if not reached:
        return Finding("no run found all bars", NOT, len(runs["joint"]))
    text = f"within {NEAR} nats of the truth's ELBO after {median(reached):.0f} iterations (median)"
    return Finding(text, verdict(median(reached) <= 200, PARTLY), len(reached))


def _two_bars(runs: Groups) -> Finding:
    failed = [record for record in runs["joint"] if not _found(record)]
    shared = sum(max(record.numbers["bars_held"]) > 1 for record in failed)
    text = f"in {shared} of {len(failed)} runs that failed"
    return Finding(text, verdict(shared > len(failed) / 2, PARTLY if shared else NOT), len(failed))


def _slightly_lower(runs: Groups) -> Finding:
    pairs = list(zip(runs["joint"], _gaps(runs), strict=True))
    failed = [gap for record, gap in pairs if not _found(record)]
    found = [gap for record, gap in pairs if _found(record)]
    if not failed or not found:
        return Finding("all runs ended alike", PARTLY, len(pairs))
    text = f"above the truth's: {spread(failed)} where a bar is missing, {spread(found)} elsewhere"
    return Finding(text, verdict(max(failed) < min(found), PARTLY), len(pairs))


CLAIMS = [
    Claim("E.2", "About 7 of 10 runs recover all bars.", "bars", "bars-claims", _seven_of_ten),
    Claim("4.1, Fig. 2", "Each recovered field holds one bar.", "bars", "bars-claims", _one_bar_a_field),
    Claim("4.1", "After about 100 calls of L-BFGS the ELBO is close to the generating parameters'.",
          "bars", "bars-claims", _hundred_calls),
    Claim("E.2", "At local optima some fields hold two bars.", "bars", "bars-claims", _two_bars),
    Claim("E.2", "At local optima the ELBO is slightly lower.", "bars", "bars-claims", _slightly_lower),
]  # fmt: skip
