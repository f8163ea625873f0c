"""Tables of VAEs: ends of learning, and the noise and time of estimates (Table 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from paperlib.papers.sparse_codes.shown import if_computed
from paperlib.papers.three_entropies.curves import curve, last_deviation
from paperlib.plotting import Table
from paperlib.records import Record

PARTS = {
    "elbo": "ELBO", "entropies": "three entropies", "likelihood": r"$\mathbb E\log p(x\mid z)$",
    "minus_noise_entropy": r"$-H[p(x\mid z)]$", "minus_kl": r"$-\mathrm{KL}$",
    "entropy_difference": r"$\overline H[q] - H[p(z)]$",
}  # fmt: skip
TIMES = {"entropies": "entropies", "elbo_1": "ELBO, 1 sample", "elbo_100": "ELBO, 100 samples"}


@if_computed
def ends_table(groups: Mapping[str, Sequence[Record]]) -> Table:
    """ELBO and entropies at the end, and how far apart they are, medians over runs."""
    rows = []
    for name, records in groups.items():
        ends = [np.median(curve(records, key)[:, -1]) for key in ("elbo", "entropies")]
        count = str(len(curve(records, "elbo")))
        rows.append([name, count, *(f"{end:.2f}" for end in ends), f"{last_deviation(records):.2f} %"])
    return Table(["", "runs", "ELBO", "entropies", "apart"], rows)


def noise_table(records: Sequence[Record]) -> Table:
    """Standard deviation of estimates from n random data points, in nats a data point."""
    sizes = records[0].config["sizes"]
    rows = [
        [label, *(f"{mean_noise(records, key)[k]:.3g}" for k in range(len(sizes)))]
        for key, label in PARTS.items()
    ]
    return Table(["estimated", *(f"n = {size:,}" for size in sizes)], rows)


def mean_noise(records: Sequence[Record], key: str) -> np.ndarray:
    """Mean over records of the standard deviations of an estimate, for each number of points."""
    return np.mean([record.numbers["noise"][key] for record in records], 0)


def times_table(records: Sequence[Record]) -> Table:
    """Milliseconds that an evaluation of 1000 data points takes."""
    rows = [
        [label, f"{1000 * min(record.numbers['seconds'][key] for record in records):.1f}"]
        for key, label in TIMES.items()
    ]
    return Table(["evaluation of 1000 points", "milliseconds"], rows)
