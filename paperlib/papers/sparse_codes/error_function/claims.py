"""Claims about Bürmann's series in place of erf (E.1)."""

from __future__ import annotations

from functools import partial
from statistics import mean, stdev

from paperlib.records import values
from paperlib.records.claims import Claim, Finding, Groups, Verdict, gain

PAGE = "error_function"
LONGER = 15, 35  # % more learning time, which count as 20 to 30
ROUGHLY = 60  # % at most that count in part


def _same_with_series(runs: Groups) -> Finding:
    change = gain(runs["torch"], runs["burmann"], lambda record: record.numbers["elbo"])
    if change.seeds == 1:
        return Finding(f"series minus erf: {change.text(3)} nats, one seed", Verdict.PARTLY, 1)
    seeds = stdev(values(runs["torch"], "elbo"))
    text = f"series minus erf: {change.text(3)} nats; two seeds differ by {seeds:.3f} (standard deviation)"
    return Finding(text, Verdict.of(abs(change.value) < seeds), change.seeds)


def _longer_with_series(runs: Groups) -> Finding:
    seconds = {name: mean(values(runs[name], "learning_seconds")) for name in ("torch", "burmann")}
    longer = 100 * (seconds["burmann"] / seconds["torch"] - 1)
    near = Verdict.of(LONGER[0] <= longer <= LONGER[1], partly=longer <= ROUGHLY)
    judged = near if longer > 0 else Verdict.CONTRADICTED
    return Finding(f"{longer:+.0f} % of learning time", judged, len(runs["burmann"]))


_claim = partial(Claim, "erf-run")
CLAIMS = [
    _claim("E.1", "Bürmann's series instead of erf makes no difference to the result.", _same_with_series),
    _claim("E.1", "Bürmann's series takes 20 to 30 % longer.", _longer_with_series),
]
