"""What Bürmann's series changes in a run, seed by seed: ELBO, fields and time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from statistics import mean, stdev

from paperlib.papers.sparse_codes.fields.matching import match_fields
from paperlib.papers.sparse_codes.shown import Text, if_computed, runs_of
from paperlib.plotting import Table
from paperlib.records import Record, values

Records = Mapping[str, Record]
TIMES = {"learning": "learning_seconds", "an evaluation": "evaluation_seconds"}


@if_computed
def comparison_table(records: Records) -> Table:
    """A row a seed: the series against the exact error function."""
    exact, series = (runs_of(records, function) for function in ("torch", "burmann"))
    rows = [
        [
            str(seed),
            f"{exact[seed].numbers['elbo']:.2f}",
            f"{series[seed].numbers['elbo'] - exact[seed].numbers['elbo']:+.3f}",
            f"{likeness(series[seed], exact[seed]):.3f}",
            *(f"{series[seed].numbers[key] / exact[seed].numbers[key]:.2f}" for key in TIMES.values()),
        ]
        for seed in exact
    ]
    head = ["seed", "ELBO, exact erf [nats]", "with the series − exact"]
    head += [r"$\lvert\cos\rvert$ of matched fields, median"]
    return Table([*head, *(f"time of {what}, series / exact" for what in TIMES)], rows)


@if_computed
def differences(records: Records) -> Text:
    """The same in a sentence, beside what two seeds differ by."""
    exact, series = (list(runs_of(records, function).values()) for function in ("torch", "burmann"))
    pairs = list(zip(exact, series, strict=True))
    gains = [b.numbers["elbo"] - a.numbers["elbo"] for a, b in pairs]
    if len(pairs) == 1:
        return Text(f"One seed: the ELBO changes by {gains[0]:+.3f} nats.")
    longer = {
        what: 100 * (mean(b.numbers[key] / a.numbers[key] for a, b in pairs) - 1)
        for what, key in TIMES.items()
    }
    same = mean(likeness(b, a) for a, b in pairs)
    other = mean(likeness(a, b) for a, b in combinations(exact, 2))
    return Text(
        f"The series changes the ELBO by {mean(gains):+.3f} nats on average, and two "
        f"seeds differ by {stdev(values(exact, 'elbo')):.3f} (standard deviation). Matched fields of the "
        f"two runs of one seed have a median |cos| of {same:.3f}, those of two seeds {other:.3f}. "
        f"An evaluation of objective and gradient takes **{longer['an evaluation']:+.0f} %** CPU time, "
        f"learning as a whole {longer['learning']:+.0f} %."
    )


def likeness(first: Record, second: Record) -> float:
    """Median |cos| of the fields of two records, matched."""
    fields = (record.tensor("dictionary") for record in (first, second))
    return float(match_fields(*fields).cosine.median())
