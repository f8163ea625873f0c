"""Claims about bars (Figs. 2, 5; Section 4.1, E.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import mean, median

from paperlib.papers.sparse_codes.bars.judging import first_step_within
from paperlib.records import Record, spread
from paperlib.records.claims import Claim, Finding, Groups, Verdict, common_seeds, graded

PAGE = "bars"
NEAR = 0.1  # nats from the generating dictionary's ELBO
QUICK = 0.25, 0.9  # of the calls, in which this share of the whole climb is done


def _found(record: Record) -> bool:
    return record.numbers["recovered"]


def _with_truth(runs: Groups) -> list[tuple[Record, float]]:
    """Joint runs, each with the ELBO of the generating dictionary on the same data."""
    truths = {record.config["seed"]: record.numbers["elbo"] for record in runs["truth"]}
    seeds = common_seeds(runs["joint"], runs["truth"])
    joint = [record for record in runs["joint"] if record.config["seed"] in seeds]
    return [(record, truths[record.config["seed"]]) for record in joint]


def _seven_of_ten(runs: Groups) -> Finding:
    joint = runs["joint"]
    share = sum(map(_found, joint)) / len(joint)
    text = f"all bars in {sum(map(_found, joint))} of {len(joint)} runs"
    return Finding(text, Verdict.of(0.4 <= share <= 0.95, partly=share > 0.95), len(joint))


def _one_bar_a_field(runs: Groups) -> Finding:
    found = [record for record in runs["joint"] if _found(record)]
    if not found:
        return Finding("no run found all bars", Verdict.UNCHECKABLE, len(runs["joint"]))
    single = [max(record.numbers["bars_held"]) == 1 for record in found]
    return Finding(f"in {sum(single)} of {len(found)} runs that found all", graded(single), len(found))


def _hundred_calls(runs: Groups) -> Finding:
    pairs = _with_truth(runs)
    steps = [first_step_within(record.numbers["history"], truth, NEAR) for record, truth in pairs]
    reached = [step for step in steps if step is not None]
    if not reached:
        return Finding(f"no run came within {NEAR} nats of the truth's ELBO", Verdict.NOT, len(pairs))
    calls, size = median(reached), pairs[0][0].config["iterations_per_call"]
    text = f"within {NEAR} nats of the truth's ELBO after {calls:g} calls of {size} iterations (median)"
    text += f", in {len(reached)} of {len(pairs)} runs"
    return Finding(text, Verdict.of(calls <= 100, partly=True), len(pairs))


def _quick_then_slow(runs: Groups) -> Finding:
    part, share = QUICK
    done = [_climbed(record.numbers["history"], part) for record in runs["joint"]]
    text = f"in the first {part:.0%} of the calls {spread([100 * d for d in done], 0)} % of the climb"
    return Finding(text, Verdict.of(mean(done) >= share), len(done))


def _climbed(history: Sequence[dict], part: float) -> float:
    """Share of a run's whole rise that is done after a part of its calls."""
    elbos = [row["elbo"] for row in history]
    return (elbos[round(part * (len(elbos) - 1))] - elbos[0]) / (elbos[-1] - elbos[0])


def _two_bars(runs: Groups) -> Finding:
    failed = [record for record in runs["joint"] if not _found(record)]
    if not failed:
        return Finding("no run failed", Verdict.UNCHECKABLE, len(runs["joint"]))
    shared = sum(max(record.numbers["bars_held"]) > 1 for record in failed)
    text = f"in {shared} of {len(failed)} runs that failed"
    return Finding(text, Verdict.of(shared > len(failed) / 2, partly=shared > 0), len(failed))


def _slightly_lower(runs: Groups) -> Finding:
    pairs = [(record, record.numbers["elbo_full"] - truth) for record, truth in _with_truth(runs)]
    failed = [gap for record, gap in pairs if not _found(record)]
    found = [gap for record, gap in pairs if _found(record)]
    if not failed or not found:
        return Finding("all runs found the bars, or none", Verdict.UNCHECKABLE, len(pairs))
    text = f"above the truth's: {spread(failed)} where a bar is missing, {spread(found)} elsewhere"
    below = mean(found) - mean(failed)
    return Finding(text, Verdict.of(0 < below < 1, partly=below > 0), len(pairs))


_claim = partial(Claim, "bars-claims")
CLAIMS = [
    _claim("E.2", "About 7 of 10 runs recover all bars.", _seven_of_ten),
    _claim("4.1, Fig. 2", "Each recovered field holds one bar.", _one_bar_a_field),
    _claim("4.1", "After about 100 calls of L-BFGS the ELBO is close to the generating parameters'.",
           _hundred_calls),
    _claim("E.2, Fig. 5", "The ELBO is approached quickly at first, then asymptotically.", _quick_then_slow),
    _claim("E.2", "At local optima some fields hold two bars.", _two_bars),
    _claim("E.2", "At local optima the ELBO is slightly lower.", _slightly_lower),
]  # fmt: skip
