"""Learning: histories of training, prior scales and annealing (Figs. 3, 4, 9; Table 1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.system.errors import InputError

X_LABELS = {"step": "passes over the data", "seconds": "seconds"}
ELBO = {"elbo": "ELBO [nats]"}


@styled
def plot_history(
    histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]],
    quantities: Mapping[str, str] = ELBO,
    *,
    x: str = "step",
    lowest: float | None = None,
    title: str | None = None,
) -> Figure:
    """Quantities of training histories over passes or seconds, one panel each, one color a label.

    Epochs are dots, passes of the polish a line alone.  Over passes, those with annealed weights are shaded.

    Parameters
    ----------
    histories : mapping
        Label → histories (of several seeds) as in `FitResult.history`.
    quantities : mapping
        Key of the history's rows, which all must have it → label of the panel's vertical axis.
    x : {"step", "seconds"}
        What to draw over.
    lowest : float, optional
        Lower end of the vertical axes, to leave out a long climb.
    """
    if x not in X_LABELS:
        raise InputError(f"A history can be drawn over {' or '.join(X_LABELS)}, not over {x!r}.")
    _check_rows(histories, [x, *quantities])
    figure = new_figure(7.5 if len(quantities) == 1 else 9, 3.6)
    panels = np.atleast_1d(figure.subplots(1, len(quantities)))
    colors = dict(zip(histories, cycle(COLORS), strict=False))
    for axes, (key, name) in zip(panels, quantities.items(), strict=True):
        for label, runs in histories.items():
            for history in runs:
                _draw_run(axes, history, x, key, colors[label])
        if x == "step" and (last := _last_annealed(histories)):
            axes.axvspan(0, last, color="0.92", zorder=0)
        axes.set(xlabel=X_LABELS[x], ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=x == "step"))
        if lowest is not None:
            axes.set_ylim(bottom=lowest)
    lines = [Line2D([], [], color=color) for color in colors.values()]
    figure.legend(lines, list(histories), loc="outside lower center", ncols=len(histories))
    figure.suptitle(title or "")
    return figure


def _draw_run(axes: Axes, history: Sequence[Mapping], x: str, y: str, color: str) -> None:
    epochs = [row for row in history if row.get("phase") not in ("polish", "final")]
    axes.plot([row[x] for row in history], [row[y] for row in history], color=color, linewidth=1.4)
    axes.plot([row[x] for row in epochs], [row[y] for row in epochs], "o", color=color, markersize=4)


def _last_annealed(histories: Mapping[str, Sequence[Sequence[Mapping]]]) -> int:
    rows = [row for runs in histories.values() for history in runs for row in history]
    weights = ("prior_weight", "likelihood_weight")
    return max((row["step"] for row in rows if any(row.get(key, 1) != 1 for key in weights)), default=0)


def _check_rows(histories: Mapping[str, Sequence[Sequence[Mapping]]], keys: Iterable[str]) -> None:
    for label, runs in histories.items():
        for key in keys:
            if any(key not in row for history in runs for row in history):
                raise InputError(f"The history of {label!r} has rows without {key!r}; draw what it records.")
