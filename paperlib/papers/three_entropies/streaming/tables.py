"""The streams' ends beside the authors' stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from paperlib.papers.sparse_codes.shown import if_computed
from paperlib.papers.three_entropies.streaming.experiment import bic
from paperlib.plotting import Table
from paperlib.records import Record

# Of the authors' stored curves, over the last 1000 batches of 10 points: ELBO, its deviation, entropies,
# their deviation; by segment and H.
AUTHORS = {
    6: {2: (-180.4, 10.1, -180.4, 0.6), 4: (-160.2, 10.8, -159.9, 0.6), 6: (-91.7, 7.1, -91.8, 0.4)},
    2: {2: (38.3, 7.0, 38.1, 0.6), 4: (38.0, 7.0, 37.8, 0.7), 6: (37.8, 7.2, 37.6, 0.8)},
    4: {2: (-119.9, 13.9, -119.9, 0.7), 4: (-23.4, 7.2, -23.3, 0.5), 6: (-23.4, 7.3, -23.2, 0.7)},
}


def ends(records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations over streams: ELBO and entropies (2), segments, models, streams."""
    mean, deviation = (
        np.concatenate([np.array(record.numbers[key]) for record in records], -1)
        for key in ("mean", "deviation")
    )
    return mean, deviation


@if_computed
def ends_table(records: Mapping[str, Record]) -> Table:
    """ELBO, entropies and BIC of a batch at the end of each segment: ours, the authors', the maximum."""
    first = next(iter(records.values()))
    mean, deviation = (values.mean(-1) for values in ends(list(records.values())))
    head = ["data", "model", "ELBO", "authors'", "entropies", "authors'", "maximum", "BIC"]
    rows = []
    for segment, dimension in enumerate(first.config["dimensions"]):
        scores = [bic(mean[1, segment, model], h) for model, h in enumerate(first.config["n_latents"])]
        for model, n_latents in enumerate(first.config["n_latents"]):
            ours = [f"{mean[k, segment, model]:.1f} ± {deviation[k, segment, model]:.1f}" for k in (0, 1)]
            elbo, elbo_sd, entropies, entropies_sd = AUTHORS[dimension][n_latents]
            score = f"{scores[model]:.1f}"
            rows.append([
                f"{dimension} dimensions", f"H = {n_latents}", ours[0], f"{elbo} ± {elbo_sd}", ours[1],
                f"{entropies} ± {entropies_sd}", f"{first.numbers['maximum'][segment][model]:.1f}",
                f"**{score}**" if scores[model] == min(scores) else score,
            ])  # fmt: skip
    return Table(head, rows)
