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

from paperlib.models.sparse_coding.metrics import DEAD_FIELD_RATIO
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.plotting.fields import draw_mosaic, make_mosaic, sorted_fields
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
        Key of the history's rows → label of the panel's vertical axis.
    x : {"step", "seconds"}
        What to draw over.
    lowest : float, optional
        Lower end of the vertical axes, to leave out a long climb.

    Raises
    ------
    InputError
        If `x` is none of the two, or a row lacks a quantity.
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


@styled
def plot_learning_curves(
    histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]],
    *,
    lowest: float | None = None,
    title: str | None = None,
) -> Figure:
    """Held-out ELBO over passes and over seconds (Fig. 3), a color and a kind of line for each label.

    Parameters
    ----------
    histories : mapping
        Label → histories (of several seeds) of `.learn_images`; rows without `held_out` are
        left out, and the last one, after what follows the epochs, is a star.
    lowest : float, optional
        Lower end of the vertical axis, to leave out a long climb.
    """
    figure = new_figure(9, 4.6)
    by_epoch, by_time = panels = figure.subplots(1, 2, sharey=True)
    lines = [(color, dashes) for dashes in ("-", "--", ":") for color in COLORS[:6]]
    for (label, runs), (color, dashes) in zip(histories.items(), lines, strict=False):
        for number, history in enumerate(runs):
            rows = [row for row in history if "held_out" in row]
            for axes, x in zip(panels, ("step", "seconds"), strict=True):
                along = [row[x] for row in rows]
                if x == "step":
                    along[-1] = along[-2]  # what follows the epochs is not counted in passes
                elbo = [row["held_out"] for row in rows]
                name = label if number == 0 else None
                axes.plot(along, elbo, dashes, color=color, label=name, linewidth=1.3, alpha=0.85)
                axes.plot(along[-1], elbo[-1], "*", color=color, markersize=9)
    by_epoch.set(xlabel="passes over the data", ylabel="held-out ELBO [nats]", xscale="log")
    by_time.set(xlabel="seconds of one core", xscale="log")
    if lowest is not None:
        by_epoch.set_ylim(bottom=lowest)
    figure.legend(*by_epoch.get_legend_handles_labels(), loc="outside lower center", ncols=3)
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


@styled
def plot_prior_scales(models: Mapping[str, SparseCodingModel], title: str | None = None) -> Figure:
    """Prior scales of `models` in units of the noise, λ_h/σ, descending; below 0.1 a field counts as dead."""
    figure = new_figure(7.5, 3.2)
    axes = figure.subplots()
    for label, model in models.items():
        ratio = (model.prior_scales / model.noise_variance.sqrt()).sort(descending=True).values.cpu()
        axes.plot(range(1, len(ratio) + 1), ratio, label=label)
    axes.axhline(DEAD_FIELD_RATIO, color="0.4", linewidth=1, linestyle="--")
    axes.text(1, 1.1 * DEAD_FIELD_RATIO, "dead below this line", color="0.3")
    axes.set(xlabel="field, by rank", ylabel=r"$\lambda_h/\sigma$", yscale="log", title=title)
    axes.legend()
    return figure


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
