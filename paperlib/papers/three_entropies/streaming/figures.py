"""BIC along a stream, from the ELBO of each batch and from entropies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from paperlib.papers.sparse_codes.shown import if_computed
from paperlib.papers.three_entropies.streaming.experiment import bic
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record


@if_computed
@styled
def plot_stream(records: Mapping[str, Record]) -> Figure:
    """BIC of single batches of the first stream: from their ELBO (above), and from entropies (below)."""
    record = next(iter(records.values()))
    config, shown = record.config, record.arrays["shown"].astype(float)
    figure = new_figure(8, 5)
    points = np.linspace(0, config["n_points"] * len(config["dimensions"]), shown.shape[1], endpoint=False)
    panels = figure.subplots(2, 1, sharex=True, sharey=True)
    for axes, values, title in zip(panels, shown, ("BIC from the ELBO", "BIC from entropies"), strict=True):
        for n_latents, total, color in zip(config["n_latents"], values.T, COLORS, strict=False):
            axes.plot(points, bic(total, n_latents), color=color, linewidth=1.1, label=f"H = {n_latents}")
        for segment, dimension in enumerate(config["dimensions"]):
            start = segment * config["n_points"]
            axes.axvline(start, color="0.7", linewidth=1)
            axes.annotate(
                f"{dimension}-dimensional", (start, 0.03), (4, 0), xycoords=("data", "axes fraction"),
                textcoords="offset points", color="0.3",
            )  # fmt: skip
        axes.set(title=title, ylabel="BIC of a batch", ylim=(-100, 600))
    panels[0].legend(loc="upper right")
    panels[1].set_xlabel("data points seen")
    return figure
