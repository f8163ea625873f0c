"""How all figures look: what the other modules here draw with.

Colors are Okabe & Ito's, which color-blind readers can tell apart.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # older Matplotlibs, which work too, lack it

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLE: dict[RcKeyType, Any] = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.prop_cycle": cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
    "axes.titlesize": 10.5,
    "figure.titlesize": 11,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.usetex": False,  # whatever the user's own choice is
}


styled = matplotlib.rc_context(STYLE)  # decorates every function that draws


class NotebookFigure(Figure):
    """A figure without a window that notebooks show, whichever backend is active."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """Empty figure of `width` and `height` in inches (the book's pages are 8 wide)."""
    return NotebookFigure(figsize=(width, height), layout="constrained")
