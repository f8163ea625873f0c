"""The benchmark: methods side by side, and how costs grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from paperlib.papers.sparse_codes.performance.benchmark import PAPER, SIZES, Benchmark, along
from paperlib.plotting.style import COLORS, new_figure, styled

LINES = [(line, marker) for marker in (".", "x") for line in ("-", "--", ":", "-.")]


def draw_comparison(bench: Benchmark) -> Figure:
    """`plot_benchmark` of all methods; A is where the paper's EM ends, B where scikit-learn does."""
    ends = {"A": bench.final[PAPER], "B": bench.final[bench.best_of_grid]}
    return plot_benchmark(bench.curves, ends, lowest=max(bench.final.values()) - 25)


def draw_scaling(bench: Benchmark) -> Figure:
    """`plot_scaling` over all sizes."""
    return plot_scaling(
        {
            label: {family: along(size, rows) for family, rows in bench.scaling.items()}
            for size, label in SIZES.items()
        }
    )


@styled
def plot_benchmark(
    curves: Mapping[str, Sequence[Mapping[str, float]]],
    targets: Mapping[str, float],
    lowest: float,
    title: str | None = None,
) -> Figure:
    """Held-out ELBO over seconds of learning, on a logarithmic axis; a line a method.

    Methods whose names agree up to the first comma have one color.

    Parameters
    ----------
    curves : mapping
        Name → rows with `seconds` and `elbo`.
    targets : mapping
        Label → ELBO drawn as a horizontal line.
    lowest : float
        Where the ELBO's axis begins.
    """
    figure = new_figure(9, 5)
    axes = figure.subplots()
    dashes: dict[str, cycle] = {}
    for name, rows in curves.items():
        kind = name.split(",")[0]
        line, marker = next(dashes.setdefault(kind, cycle(LINES)))
        axes.plot(
            [row["seconds"] for row in rows], [row["elbo"] for row in rows], label=name, linestyle=line,
            marker=marker, markersize=4, linewidth=1.4, color=COLORS[list(dashes).index(kind) % len(COLORS)],
        )  # fmt: skip
    for label, elbo in targets.items():
        axes.axhline(elbo, color="0.6", linewidth=1, zorder=0)
        axes.annotate(label, (1, elbo), (4, 0), xycoords=("axes fraction", "data"), va="center",
                      textcoords="offset points", color="0.3")  # fmt: skip
    axes.set(xscale="log", xlabel="seconds, one thread", ylabel="held-out ELBO [nats]", ylim=(lowest, None))
    axes.set_title(title or "")
    axes.legend(loc="center left", bbox_to_anchor=(1.03, 0.5), fontsize=8)
    return figure


@styled
def plot_scaling(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float, float]]]], title: str | None = None
) -> Figure:
    """Measured and predicted microseconds a patch over one size a panel, on logarithmic axes.

    Parameters
    ----------
    panels : mapping
        Label of the axis → posteriors → tuples of the size, measured and predicted microseconds.
    """
    figure = new_figure(9, 3.4)
    row = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    for axes, (label, families) in zip(row, panels.items(), strict=True):
        for color, (family, points) in zip(COLORS, families.items(), strict=False):
            sizes, measured, predicted = zip(*sorted(points), strict=True)
            axes.plot(sizes, measured, color=color, marker=".", label=f"{family}, measured")
            axes.plot(sizes, predicted, color=color, linestyle=":", label=f"{family}, predicted")
        axes.set(xscale="log", yscale="log", xlabel=label)
        ticks = sorted({size for points in families.values() for size, *_ in points})
        if len(ticks) <= 4:  # more would overlap
            axes.set_xticks(ticks, [f"{size:g}" for size in ticks])
        axes.minorticks_off()
    row[0].set_ylabel("µs a patch and pass")
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle(title or "")
    return figure
