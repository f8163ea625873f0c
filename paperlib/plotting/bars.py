"""Bars (Figs. 2, 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paperlib.plotting.style import COLORS, new_figure, styled


@styled
def plot_climb(
    histories: Sequence[Sequence[Mapping[str, Any]]], truths: Sequence[float], recovered: Sequence[bool]
) -> Figure:
    """Runs on bars: the ELBO above that of the generating dictionary, and the first run's entropies.

    Parameters
    ----------
    histories : sequence
        A history, as in `FitResult.history`, for each run.
    truths, recovered : sequences
        ELBO of the generating dictionary on each run's data, and whether the run found all bars.
    """
    figure = new_figure(9, 3.6)
    climb, terms = figure.subplots(1, 2)
    styles = {True: (COLORS[0], "-", "all bars found"), False: (COLORS[1], "--", "not all")}
    for history, truth, found in zip(histories, truths, recovered, strict=True):
        color, dashes, _ = styles[found]
        above = [row["elbo"] - truth for row in history]
        climb.plot([row["step"] for row in history], above, color=color, linestyle=dashes, marker=".")
    climb.axhline(0, color="0.4", linewidth=1)
    climb.annotate("generating dictionary", (0, 0), (3, 3), xycoords=("axes fraction", "data"),
                   textcoords="offset points", color="0.3")  # fmt: skip
    highest = max(
        row["elbo"] - truth for history, truth in zip(histories, truths, strict=True) for row in history
    )
    climb.set(xlabel="calls of L-BFGS", ylabel="ELBO above the truth's [nats]", ylim=(-0.6, highest + 0.1))
    shown = [styles[found] for found in sorted(set(recovered), reverse=True)]
    lines = [Line2D([], [], color=color, linestyle=dashes) for color, dashes, _ in shown]
    climb.legend(lines, [label for *_, label in shown], loc="lower right")
    names = {
        "posterior": "mean $H[q]$",
        "prior": r"$H[p_\lambda(z)]$",
        "likelihood": r"$H[p_{\sigma^2}(x\,|\,z)]$",
    }
    for (term, name), dashes in zip(names.items(), ["-", "--", "-."], strict=True):
        values = [row[f"{term}_entropy"] for row in histories[0]]
        terms.plot([row["step"] for row in histories[0]], values, linestyle=dashes, marker=".", label=name)
    terms.set(xlabel="calls of L-BFGS", ylabel="entropies, first run [nats]")
    terms.legend()
    return figure
