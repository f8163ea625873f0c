"""Curves of many runs in records: as arrays, as numbers at the end, and in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paperlib.papers.sparse_codes.shown import if_computed
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record

SHOWN = 3  # runs whose curves are drawn
ELBO, ENTROPIES = ("ELBO", COLORS[0], "-"), ("entropies", COLORS[1], "--")


def curve(records: Sequence[Record], name: str) -> np.ndarray:
    """A curve of every run of some records, as an array of runs and looks."""
    return np.concatenate([np.array(record.numbers[name]).T for record in records])


def deviation(records: Sequence[Record]) -> np.ndarray:
    """ELBO minus entropies as percentages of the final |ELBO|, of every run and look."""
    elbo = curve(records, "elbo")
    return 100 * (elbo - curve(records, "entropies")) / np.abs(elbo[:, -1:])


def last_deviation(records: Sequence[Record]) -> float:
    """Median over runs of |ELBO − entropies| at the end, as a percentage of |ELBO|."""
    return float(np.median(np.abs(deviation(records)[:, -1])))


def draw_quartiles(axes: Axes, epochs: Sequence[int], values: np.ndarray, color: str, label: str) -> None:
    """Median of `values` (runs, looks) over the `epochs`, with the 50 % range as a band."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    axes.plot(epochs, middle, color=color, label=label)
    axes.fill_between(epochs, low, high, color=color, alpha=0.25, linewidth=0)


@if_computed
@styled
def plot_convergence(groups: Mapping[str, Sequence[Record]], highest: float = 4.0) -> Figure:
    """ELBO and entropies of a few runs (above), and how far apart all are (below); a column a group.

    Parameters
    ----------
    groups : mapping
        Records by the title of their column.
    highest : float
        Of the axis below, in percent, as in the paper.
    """
    figure = new_figure(3.4 * len(groups) + 0.6, 5.2)
    panels = figure.subplots(2, len(groups), sharex="col", squeeze=False)
    for (title, records), (above, below) in zip(groups.items(), panels.T, strict=True):
        epochs = records[0].numbers["epoch"]
        for name, (label, color, dashes) in {"elbo": ELBO, "entropies": ENTROPIES}.items():
            for run, values in enumerate(curve(records, name)[:SHOWN]):
                above.plot(
                    epochs,
                    values,
                    color=color,
                    linestyle=dashes,
                    linewidth=1.2,
                    label=label if run == 0 else None,
                )
        last = curve(records, "elbo")[:SHOWN, -1].mean()
        above.set(title=title, ylim=(last - 12 - 0.6 * abs(last), last + 1 + 0.06 * abs(last)))
        draw_quartiles(below, epochs, np.abs(deviation(records)), "0.3", "median, 50 % of the runs")
        below.set(xlabel="epoch", ylim=(0, highest))
    panels[0, 0].set_ylabel("nats a data point")
    panels[1, 0].set_ylabel("|ELBO − entropies| / |final ELBO| [%]")
    panels[0, 0].legend(loc="lower right")
    panels[1, 0].legend(loc="upper right")
    return figure
