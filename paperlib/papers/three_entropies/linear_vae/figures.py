"""Fig. 1a: a linear VAE that learns, and one whose σ is fixed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from paperlib.papers.sparse_codes.shown import if_computed
from paperlib.papers.three_entropies.curves import ELBO, ENTROPIES, curve, deviation, draw_quartiles
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record, by_seed


@if_computed
@styled
def plot_linear(records: Mapping[str, Record]) -> Figure:
    """Curves of one run with σ learned (left), one with σ fixed (middle), and all deviations (right)."""
    groups = by_seed(records)
    figure = new_figure(10, 3.6)
    left, middle, right = figure.subplots(1, 3)
    for axes, name, title in ((left, "learned", "σ learned"), (middle, "fixed", "σ = 0.5 fixed")):
        numbers = groups[name][0].numbers
        for key, (label, color, dashes) in {"elbo": ELBO, "entropies": ENTROPIES}.items():
            axes.plot(
                numbers["epoch"], curve(groups[name], key)[0], color=color, linestyle=dashes, label=label
            )
        held_out = curve(groups[name], "held_out")[0]
        axes.plot(numbers["epoch"], held_out, color=COLORS[2], linestyle=":", label="ELBO, held out")
        axes.axhline(numbers["best"][0], color="0.3", linewidth=1, label="maximum of log p(x)")
        axes.set(title=title, xlabel="epoch", ylim=(-12, 7))
    left.set_ylabel("nats a data point")
    left.legend(loc="lower right")
    epochs = groups["learned"][0].numbers["epoch"]
    draw_quartiles(right, epochs, np.abs(deviation(groups["learned"])), "0.3", "median, 50 % of the runs")
    right.set(title="|ELBO − entropies| / |final ELBO|, in %", xlabel="epoch", ylim=(0, 4))
    right.legend()
    return figure
