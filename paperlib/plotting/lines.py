"""Lines over one axis, in panels side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from paperlib.plotting.style import new_figure, styled


@dataclass(frozen=True)
class Panel:
    """One panel of `plot_lines`.

    `lines` has values by label, one at each `x`, or functions of it; `mark` is a value of `x` to mark.  The
    others, `xlabel`, `ylabel`, `xscale`, `yscale` and `ylim`, are as matplotlib's axes have them.
    """

    x: Any
    lines: Mapping[str, Any]
    xlabel: str
    ylabel: str = ""
    mark: float | None = None
    xscale: str = "linear"
    yscale: str = "linear"
    ylim: tuple[float, float] | None = None


@styled
def plot_lines(*panels: Panel) -> Figure:
    """Lines of `panels` side by side; lines differ in color and in dashes."""
    figure = new_figure(4.2 * len(panels), 3.4)
    for axes, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        if panel.mark is not None:
            axes.axvline(panel.mark, color="0.7", linewidth=1)
        for (label, y), dashes in zip(panel.lines.items(), cycle(["-", "--", "-.", ":"]), strict=False):
            values = [float(y(x)) for x in panel.x] if callable(y) else y
            axes.plot(panel.x, values, dashes, label=label)
        axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel, xscale=panel.xscale, yscale=panel.yscale)
        axes.set_ylim(panel.ylim)
        axes.legend()
    return figure
