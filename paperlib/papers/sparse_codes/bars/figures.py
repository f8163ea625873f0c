"""Bars (Figs. 2, 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType

from paperlib.plotting.style import COLORS, new_figure, styled

ENTROPIES: dict[str, tuple[str, LineStyleType]] = {
    "posterior": ("mean $H[q]$", "-"),
    "prior": (r"$H[p_\lambda(z)]$", "--"),
    "likelihood": (r"$H[p_{\sigma^2}(x\,|\,z)]$", "-."),
}


@styled
def plot_climb(
    histories: Sequence[Sequence[Mapping[str, Any]]],
    truths: Sequence[float],
    recovered: Sequence[bool],
    *,
    xlabel: str = "calls of L-BFGS",
    title: str | None = None,
) -> Figure:
    """Runs on bars (Fig. 5): the ELBO above that of the generating dictionary, and the three entropies.

    Parameters
    ----------
    histories : sequence
        A history, as in `FitResult.history`, for each run.
    truths, recovered : sequences
        ELBO of the generating dictionary on each run's data, and whether the run found all bars.
    xlabel : str
        What a step of the histories is.
    """
    figure = new_figure(9, 3.8)
    climb, terms = figure.subplots(1, 2)
    styles: dict[bool, tuple[str, LineStyleType, str]] = {
        True: (COLORS[0], "-", "all bars found"), False: (COLORS[1], "--", "not all"),
    }  # fmt: skip
    highest = 0.0
    for history, truth, found in zip(histories, truths, recovered, strict=True):
        steps = [row["step"] for row in history]
        above = [row["elbo"] - truth for row in history]
        highest = max(highest, *above)
        color, dashes, _ = styles[found]
        climb.plot(steps, above, color=color, linestyle=dashes, linewidth=1.3)
        for (term, (_, dashes)), color in zip(ENTROPIES.items(), COLORS[2:], strict=False):
            values = [row[f"{term}_entropy"] for row in history]
            terms.plot(steps, values, color=color, linestyle=dashes, linewidth=1)
    climb.axhline(0, color="0.4", linewidth=1)
    climb.annotate("generating dictionary", (0, 0), (3, 3), xycoords=("axes fraction", "data"),
                   textcoords="offset points", color="0.3")  # fmt: skip
    climb.set(xscale="log", xlabel=xlabel, ylabel="ELBO above the truth's [nats]", ylim=(-2, highest + 0.2))
    shown = [styles[found] for found in sorted(set(recovered), reverse=True)]
    lines = [Line2D([], [], color=color, linestyle=dashes) for color, dashes, _ in shown]
    climb.legend(lines, [label for *_, label in shown], loc="lower right")
    lines = [
        Line2D([], [], color=color, linestyle=dashes)
        for (_, dashes), color in zip(ENTROPIES.values(), COLORS[2:], strict=False)
    ]
    terms.set(xscale="log", xlabel=xlabel, ylabel="entropies, all runs [nats]")
    terms.legend(lines, [label for label, _ in ENTROPIES.values()])
    figure.suptitle(title or "")
    return figure
