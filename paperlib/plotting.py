"""Every figure of the book and of the command line, once.

Functions take numbers and return a matplotlib `Figure`; none of them computes results or opens a window.
Notebooks show the figure that a cell ends with.  Colors are Okabe & Ito's, which color-blind readers can
tell apart.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from paperlib.errors import InputError
from paperlib.metrics import DEAD_FIELD_RATIO
from paperlib.model import SparseCodingModel

BENCHMARK_LINES = [(line, marker) for marker in (".", "x") for line in ("-", "--", ":", "-.")]
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GAP_COLOR = "#8fb3cc"  # between fields: no gray, so that a field's white and black edges can be seen
STYLE = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.prop_cycle": matplotlib.cycler(color=COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
    "axes.titlesize": 10.5,
    "figure.titlesize": 11,
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
    mosaic = _mosaic(dictionary, patch_shape)
    figure = new_figure(6, 6 * mosaic.shape[0] / mosaic.shape[1])
    _draw_mosaic(figure.subplots(), mosaic, title)
    return figure


@styled
def compare_fields(
    models: Mapping[str, SparseCodingModel], patch_shape: tuple[int, int], title: str | None = None
) -> Figure:
    """Mosaics of several models side by side, fields in the order of their prior scales λ, largest first.

    Raises
    ------
    InputError
        If a model's D is not the number of pixels of a patch.
    """
    fields = {label: _sorted_fields(model) for label, model in models.items()}
    return compare_columns(fields, patch_shape, title)


def compare_columns(
    matrices: Mapping[str, Float[Tensor, "D _"]], patch_shape: tuple[int, int], title: str | None = None
) -> Figure:
    """Mosaics of the columns of several matrices, dictionaries or data, side by side and in the order given.

    Raises
    ------
    InputError
        If D is not the number of pixels of a patch.
    """
    mosaics = {label: _mosaic(matrix, patch_shape) for label, matrix in matrices.items()}
    heights = [mosaic.shape[0] / mosaic.shape[1] for mosaic in mosaics.values()]
    figure = new_figure(9, 0.4 + 9 / len(mosaics) * max(heights))
    panels = np.atleast_1d(figure.subplots(1, len(mosaics)))
    for axes, (label, mosaic) in zip(panels, mosaics.items(), strict=True):
        _draw_mosaic(axes, mosaic, label)
    figure.suptitle(title)
    return figure


def _sorted_fields(model: SparseCodingModel) -> Tensor:
    return model.dictionary[:, model.prior_scales.argsort(descending=True)]


def _mosaic(dictionary: Tensor, patch_shape: tuple[int, int]) -> np.ndarray:
    """Pictures of all columns in one array, with NaN between them."""
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
    return mosaic


def _draw_mosaic(axes: Axes, mosaic: np.ndarray, title: str | None) -> None:
    gray = matplotlib.colormaps["gray"].with_extremes(bad=GAP_COLOR)
    axes.imshow(mosaic, cmap=gray, vmin=-1, vmax=1, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title)


# --- Learning (Figs. 3, 9; Table 1) -------------------------------------------------------------------

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
        if lowest is not None:
            axes.set_ylim(bottom=lowest)
    lines = [Line2D([], [], color=color) for color in colors.values()]
    figure.legend(lines, list(histories), loc="outside lower center", ncols=len(histories))
    figure.suptitle(title)
    return figure


def _draw_run(axes: Axes, history: Sequence[Mapping], x: str, y: str, color: str) -> None:
    epochs = [row for row in history if row.get("phase", "em") == "em"]
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
    """Prior scales in units of the noise, λ_h/σ, in descending order; below 0.1 a field counts as dead."""
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


# --- The annealed objective has no maximum ------------------------------------------------------------


@styled
def plot_collapse(
    deviations: Float[Tensor, " K"],
    gains: Mapping[float, Float[Tensor, " K"]],
    scales: Mapping[float, Float[Tensor, "rounds H"]],
    title: str | None = None,
) -> Figure:
    """What prior annealing does to fields that explain nothing, for each weight γ (the mappings' keys).

    Parameters
    ----------
    deviations : tensor (K,)
        τ/σ of a field with ν = 0.
    gains : mapping
        γ → change of the annealed objective (K,) in nats when one field has these τ.
    scales : mapping
        γ → λ_h/σ (rounds, H) while E-steps and closed-form scales alternate.
    """
    figure = new_figure(9, 3.6)
    left, *others = figure.subplots(1, 1 + len(scales), width_ratios=[1.3, *[1] * len(scales)])
    for gamma, gain in gains.items():
        left.plot(deviations, gain, label=f"γ = {gamma:g}")
    left.set(xscale="log", xlabel=r"$\tau/\sigma$ of a field with $\nu = 0$")
    left.set_ylabel("change of the objective [nats]")
    left.legend()
    for axes, (gamma, ratio) in zip(others, scales.items(), strict=True):
        axes.plot(ratio, color=COLORS[0], linewidth=0.6, alpha=0.6)
        axes.set(yscale="log", xlabel="rounds", title=f"γ = {gamma:g}", ylim=(1e-4, 10))
    others[0].set_ylabel(r"$\lambda_h/\sigma$, one line a field")
    figure.suptitle(title)
    return figure


# --- The paper in one figure (landing page) -----------------------------------------------------------


@styled
def plot_overview(
    bars: SparseCodingModel,
    bars_shape: tuple[int, int],
    images: SparseCodingModel,
    patch_shape: tuple[int, int],
    history: Sequence[Mapping[str, Any]],
    title: str | None = None,
) -> Figure:
    """Fields learned from bars and from images, and the ELBO of the images as the sum of three entropies."""
    figure = new_figure(10, 3.7)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 1.25])
    _draw_mosaic(left, _mosaic(_sorted_fields(bars), bars_shape), "fields learned from bars")
    _draw_mosaic(middle, _mosaic(_sorted_fields(images), patch_shape), "fields learned from images")
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
    figure.suptitle(title)
    return figure


# --- Model and theorems -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """One panel of `plot_lines`: labeled lines over common values `x`, and a value of `x` to mark."""

    x: Any
    lines: Mapping[str, Any]
    xlabel: str
    ylabel: str = ""
    mark: float | None = None
    xscale: str = "linear"
    yscale: str = "linear"


@styled
def plot_lines(*panels: Panel) -> Figure:
    """Panels of lines side by side; lines differ in color and in dashes."""
    figure = new_figure(4.2 * len(panels), 3.4)
    for axes, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        if panel.mark is not None:
            axes.axvline(panel.mark, color="0.7", linewidth=1)
        for (label, y), dashes in zip(panel.lines.items(), cycle(["-", "--", "-.", ":"]), strict=False):
            axes.plot(panel.x, y, dashes, label=label)
        axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel, xscale=panel.xscale, yscale=panel.yscale)
        axes.legend()
    return figure


@styled
def plot_samples(x: Float[Tensor, "N 2"], z: Float[Tensor, "N H"], model: SparseCodingModel) -> Figure:
    """Samples of a model in the plane with its fields, and the density of its first latent.

    Parameters
    ----------
    x, z : tensors (N, 2) and (N, H)
        What `SparseCodingModel.sample` returns.
    """
    figure = new_figure(8.4, 3.6)
    plane, line = figure.subplots(1, 2)
    _draw_plane(plane, x, model.dictionary * 4 * model.prior_scales, COLORS[1])
    first, scale = z[:, 0].cpu(), float(model.prior_scales[0])
    reach = 9 * scale
    values = np.linspace(-reach, reach, 401)
    line.hist(first, bins=60, range=(-reach, reach), density=True, color="0.8", label="samples of $z_1$")
    line.plot(values, np.exp(-np.abs(values) / scale) / (2 * scale), label=r"Laplace$(0, \lambda_1)$")
    gauss = np.exp(-(values**2) / (4 * scale**2)) / (scale * math.sqrt(4 * math.pi))
    line.plot(values, gauss, "--", label="Gaussian of the same variance")
    line.set(yscale="log", ylim=(1e-5, 50 / scale), xlabel="$z_1$", ylabel="density")
    line.legend(loc="upper left")
    return figure


@styled
def plot_plane(examples: Mapping[str, tuple[Float[Tensor, "_ 2"], Float[Tensor, "2 _"]]]) -> Figure:
    """Data sets in the plane, each with the fields of a dictionary as arrows, one panel each."""
    figure = new_figure(3.6 * len(examples), 3.2)
    for axes, (title, (x, dictionary)) in zip(
        np.atleast_1d(figure.subplots(1, len(examples))), examples.items(), strict=True
    ):
        _draw_plane(axes, x, dictionary, COLORS[1])
        axes.set_title(title)
    return figure


def _draw_plane(axes: Axes, x: Tensor, arrows: Tensor, color: str) -> None:
    axes.plot(*x.cpu().T, ".", color=COLORS[0], markersize=4 if len(x) < 100 else 2, alpha=0.6)
    origin = np.zeros(arrows.shape[1])
    units = {"angles": "xy", "scale_units": "xy", "scale": 1}
    axes.quiver(origin, origin, *arrows.cpu(), color=color, width=0.009, zorder=3, **units)
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")


# --- Bars (Fig. 5) ------------------------------------------------------------------------------------------


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


# --- Performance --------------------------------------------------------------------------------------


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
        line, marker = next(dashes.setdefault(kind, cycle(BENCHMARK_LINES)))
        axes.plot(
            [row["seconds"] for row in rows], [row["elbo"] for row in rows], label=name, linestyle=line,
            marker=marker, markersize=4, linewidth=1.4, color=COLORS[list(dashes).index(kind) % len(COLORS)],
        )  # fmt: skip
    for label, elbo in targets.items():
        axes.axhline(elbo, color="0.6", linewidth=1, zorder=0)
        axes.annotate(label, (0, elbo), (3, 2), xycoords=("axes fraction", "data"),
                      textcoords="offset points", color="0.3", fontsize=8)  # fmt: skip
    axes.set(xscale="log", xlabel="seconds, one thread", ylabel="held-out ELBO [nats]", ylim=(lowest, None))
    axes.set_title(title)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
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
    figure.suptitle(title)
    return figure
