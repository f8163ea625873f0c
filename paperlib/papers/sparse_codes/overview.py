"""The paper in one figure: fields, and three entropies that add up to the ELBO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.plotting.fields import draw_mosaic, make_mosaic, sorted_fields
from paperlib.plotting.learning import X_LABELS
from paperlib.plotting.style import COLORS, new_figure, styled


@styled
def plot_overview(
    bars: SparseCodingModel,
    bars_shape: tuple[int, int],
    images: SparseCodingModel,
    patch_shape: tuple[int, int],
    history: Sequence[Mapping[str, Any]],
    title: str | None = None,
) -> Figure:
    """Fields learned from bars and from images, and the ELBO of the images as the sum of three entropies.

    Parameters
    ----------
    bars, images : SparseCodingModel
        What was learned.
    bars_shape, patch_shape : (height, width)
        Of their fields, in pixels.
    history : sequence of dict
        Of learning from the images.
    """
    figure = new_figure(10, 3.7)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 1.25])
    draw_mosaic(left, make_mosaic(sorted_fields(bars), bars_shape), "fields learned from bars")
    draw_mosaic(middle, make_mosaic(sorted_fields(images), patch_shape), "fields learned from images")
    steps = [row["step"] for row in history]
    terms = {
        "ELBO, their sum": (1, "elbo", "black"),
        r"mean $H[q]$": (1, "posterior_entropy", COLORS[0]),
        r"$-H[p_\lambda(z)]$": (-1, "prior_entropy", COLORS[1]),
        r"$-H[p_{\sigma^2}(x\,|\,z)]$": (-1, "likelihood_entropy", COLORS[2]),
    }
    for label, (sign, key, color) in terms.items():
        values = [sign * row[key] for row in history]
        right.plot(steps, values, color=color)
        place = {"va": "bottom"} if values[-1] >= values[0] else {"va": "top", "xytext": (0, -3)}
        right.annotate(
            label, (steps[-1], values[-1]), **({"xytext": (0, 3)} | place),
            textcoords="offset points", ha="right", color=color,
        )  # fmt: skip
    right.margins(y=0.12)
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel=X_LABELS["step"], title="ELBO while learning from images [nats]")
    figure.suptitle(title or "")
    return figure
