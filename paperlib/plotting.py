"""Every figure of the book and of the command line, once.

Functions take numbers and return a matplotlib `Figure`; none of them computes results or opens a window.
Notebooks show the figure that a cell ends with.  Colors are Okabe & Ito's, which color-blind readers can
tell apart.
"""

from __future__ import annotations

import io
import math

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.errors import InputError

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLE = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.prop_cycle": matplotlib.cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


styled = matplotlib.rc_context(STYLE)  # decorates every function that draws


class NotebookFigure(Figure):
    """A figure without a window that notebooks show, whichever backend is active."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """Empty figure of a size in inches (the book's pages are 8 wide)."""
    return NotebookFigure(figsize=(width, height), layout="constrained")


# --- Generative fields (Figs. 2, 8) -------------------------------------------------------------------


@styled
def plot_fields(
    dictionary: Float[Tensor, "D H"], patch_shape: tuple[int, int], title: str | None = None
) -> Figure:
    """Mosaic of the dictionary's columns as pictures, each scaled to its largest magnitude, gray at zero.

    Raises
    ------
    InputError
        If D is not the number of pixels of a patch.
    """
    height, width = patch_shape
    if dictionary.shape[0] != height * width:
        raise InputError(
            f"The dictionary has {dictionary.shape[0]} rows, but patches of {height}×{width} pixels need "
            f"{height * width}; give the shape of its patches."
        )
    fields = dictionary.detach().cpu().double().numpy().T.reshape(-1, height, width)
    columns = math.ceil(math.sqrt(len(fields) * height / width))
    rows = math.ceil(len(fields) / columns)
    mosaic = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), np.nan)
    for k, picture in enumerate(fields):
        top, left = 1 + (k // columns) * (height + 1), 1 + (k % columns) * (width + 1)
        mosaic[top : top + height, left : left + width] = picture / max(np.abs(picture).max(), 1e-30)
    figure = new_figure(6, 6 * mosaic.shape[0] / mosaic.shape[1])
    axes = figure.subplots()
    axes.imshow(mosaic, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    axes.set_axis_off()
    if title:
        axes.set_title(title)
    return figure
