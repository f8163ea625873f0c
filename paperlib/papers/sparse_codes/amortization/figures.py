"""Amortization (Figs. 6, 7): encoders as diagrams, their gaps, and the noise of sampled gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from torch import nn

from paperlib.elbo.encoders import Encoder
from paperlib.papers.sparse_codes.amortization.experiment import gaps
from paperlib.papers.sparse_codes.amortization.groups import ENCODERS, after_iterations, of_encoders
from paperlib.papers.sparse_codes.shown import if_computed, one_of, setting
from paperlib.plotting import plot_history
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record, by_seed

HEADS = ("mean", "deviation", "correlation")
COVARIANCES = {
    "diagonal": r"$T = \mathrm{diag}(\tau^2)$",
    "low-rank": r"$T = VV^\top + \mathrm{diag}(d^2)$",
    "full": r"$T = LL^\top$",
}
DEVIATION_SYMBOLS = {"diagonal": r"$\tau$", "low-rank": "$d$", "full": r"$\mathrm{diag}\,L$"}
CORRELATION_SYMBOLS = {"low-rank": "$V$", "full": "$L$ below its diagonal"}
Records = Mapping[str, Record]


@styled
def plot_encoder(encoder: Encoder, title: str | None = None) -> Figure:
    """Diagram of an encoder; every size is read off its layers (Figs. 6 and 7)."""
    figure = new_figure(9, 3.6)
    axes = figure.subplots()
    axes.set(xlim=(0, 12.6), ylim=(-3, 2.3), title=title)
    axes.axis("off")
    first, *blocks = encoder.body
    assert isinstance(first, nn.Linear)
    _box(axes, 0.6, 0, f"$x$\n{first.in_features}", "white", width=0.8)
    _box(axes, 2.0, 0, _linear_label(first))
    _arrow(axes, (1.0, 0), (1.4, 0))
    for number, block in enumerate(blocks):
        _draw_residual(axes, 2.6 + 2.5 * number, block)
    branching = 2.6 + 2.5 * len(blocks)
    heads = [name for name in HEADS if hasattr(encoder, name)]
    for name, y in zip(heads, np.linspace(1.55, -1.55, len(heads)), strict=True):
        _arrow(axes, (branching + 0.1, 0), (branching + 0.6, y))
        _box(axes, branching + 1.2, y, _linear_label(getattr(encoder, name)), "#fbe6d4")
        _arrow(axes, (branching + 1.8, y), (branching + 2.1, y))
        axes.text(branching + 2.2, y, _output_label(name, encoder.family), va="center")
    axes.text(branching + 0.6, -2.7, COVARIANCES[encoder.family], va="center")
    return figure


def _draw_residual(axes: Axes, left: float, block: nn.Module) -> None:
    """A residual block: two layers, each after a ReLU, around which the input is added."""
    widen, narrow = (layer for layer in block.children() if isinstance(layer, nn.Linear))
    _arrow(axes, (left, 0), (left + 0.35, 0))
    _box(axes, left + 0.75, 0, "ReLU\n" + _linear_label(widen), "#d8ead9", width=0.8)
    _arrow(axes, (left + 1.15, 0), (left + 1.4, 0))
    _box(axes, left + 1.8, 0, "ReLU\n" + _linear_label(narrow), "#d8ead9", width=0.8)
    axes.plot(left + 2.37, 0, "o", color="white", markeredgecolor="0.2", markersize=11, zorder=3)
    axes.text(left + 2.37, -0.02, "+", ha="center", va="center", zorder=4)
    axes.plot([left + 2.2, left + 2.3], [0, 0], color="0.2", linewidth=1)
    axes.plot([left + 0.08, left + 0.08, left + 2.37], [0, 1.2, 1.2], color="0.2", linewidth=1)
    _arrow(axes, (left + 2.37, 1.2), (left + 2.37, 0.22))
    axes.text(left + 1.2, 1.3, "residual block", ha="center", va="bottom", fontsize=8.5)


def _linear_label(layer: nn.Linear) -> str:
    return f"linear\n{layer.in_features}\n→ {layer.out_features}"


def _output_label(name: str, family: str) -> str:
    match name:
        case "mean":
            return r"$\nu$"
        case "deviation":
            return f"softplus $+\\,\\epsilon$ = {DEVIATION_SYMBOLS[family]}"
    return CORRELATION_SYMBOLS[family]


def _box(axes: Axes, x: float, y: float, text: str, color: str = "#dbe8f4", width: float = 1.2) -> None:
    corner = (x - width / 2 + 0.05, y - 0.5)
    style = "round,pad=0.05,rounding_size=0.1"
    axes.add_patch(FancyBboxPatch(corner, width - 0.1, 1.0, style, facecolor=color, edgecolor="0.3"))
    axes.text(x, y, text, ha="center", va="center", fontsize=8.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.2", "shrinkA": 0, "shrinkB": 0}
    )


@if_computed
def draw_gaps(records: Records) -> Figure:
    """`plot_gaps` of all encoders."""
    pairs = {label: [gaps(record) for record in group] for label, group in of_encoders(records).items()}
    return plot_gaps(pairs, setting(by_seed(records)))


@if_computed
def draw_curves(records: Records) -> Figure:
    """ELBO on training patches over passes, of the encoders that are not annealed."""
    histories = {
        label.replace(", semi-amortized", " + E-step"): [run.numbers["history"][:-1] for run in group]
        for label, group in of_encoders(records).items()
        if "annealed" not in label
    }
    best = max(row["elbo"] for runs in histories.values() for run in runs for row in run)
    return plot_history(histories, lowest=best - 25, title=setting(by_seed(records)))


@if_computed
def draw_iterations(records: Records) -> Figure:
    """`plot_iterations` for diagonal and full covariances, of the first seed."""
    panels = {}
    for family in ("diagonal", "full"):
        numbers = by_seed(records)[family][0].numbers
        optimum, encoder = numbers["test"][family], numbers["test"]["encoder"]
        lines = {
            f"from {start}": [optimum - elbo for elbo in numbers[f"from_{start.split()[-1]}"]]
            for start in ("the encoder", "nothing")
        }
        panels[f"{family} (encoder alone: {optimum - encoder:.2f})"] = (numbers["iterations"], lines)
    return plot_iterations(panels, setting(by_seed(records)))


@if_computed
def draw_patches(records: Records) -> Figure:
    """`plot_gap_by_contrast` for one encoder of each family, of the first seed."""
    patches = {}
    for name in ("diagonal", "low-rank", "full"):
        arrays = by_seed(records)[name][0].arrays
        patches[ENCODERS[name]] = (arrays["contrast"].astype(float), arrays["gap"].astype(float))
    return plot_gap_by_contrast(patches, setting(by_seed(records)))


@if_computed
def draw_noise(records: Records) -> Figure:
    """`plot_gradient_noise` after few and many iterations, of the first seed."""
    groups = after_iterations(records)
    noises = {label: group[0].numbers for label, group in groups.items()}
    return plot_gradient_noise(one_of(groups).config["n_samples"], noises, setting(by_seed(records)))


@styled
def plot_gaps(gaps: Mapping[str, Sequence[tuple[float, float]]], title: str | None = None) -> Figure:
    """Bars of approximation and amortization gaps, stacked, with a dot for each seed.

    Parameters
    ----------
    gaps : mapping
        Label → (approximation gap, amortization gap) in nats, a pair for each seed.
    """
    figure = new_figure(8, 1.4 + 0.42 * len(gaps))
    axes = figure.subplots()
    for row, pairs in enumerate(gaps.values()):
        approximation, amortization = np.mean(pairs, axis=0)
        names = ("approximation gap (family)", "amortization gap (encoder)") if row == 0 else (None, None)
        axes.barh(row, approximation, 0.6, color=COLORS[5], label=names[0])
        axes.barh(row, amortization, 0.6, left=approximation, color=COLORS[1], label=names[1])
        totals = np.sum(pairs, axis=1)
        axes.plot(totals, np.full(len(totals), row), "o", color="black", markersize=4)
    axes.set_yticks(range(len(gaps)), list(gaps))
    axes.invert_yaxis()
    axes.set(xlabel="nats a patch below the best full-covariance Gaussian", xlim=(0, None), title=title)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled
def plot_iterations(
    deficits: Mapping[str, tuple[Sequence[int], Mapping[str, Sequence[float]]]], title: str | None = None
) -> Figure:
    """What is missing to the optimum after iterations of an E-step, a panel for each family.

    Parameters
    ----------
    deficits : mapping
        Family → (numbers of iterations, {start → nats a patch below the optimum}).
    """
    figure = new_figure(8, 3.4)
    panels = np.atleast_1d(figure.subplots(1, len(deficits), sharey=True))
    for axes, (family, (iterations, lines)) in zip(panels, deficits.items(), strict=True):
        for (label, deficit), marker in zip(lines.items(), "os", strict=False):
            axes.plot(iterations, np.maximum(deficit, 1e-4), f"-{marker}", label=label)
        axes.axhline(1e-4, color="0.7", linewidth=1, linestyle="--")
        axes.set(xlabel="iterations of the E-step", yscale="log", title=family)
    panels[0].set_ylabel("nats a patch below the optimum")
    panels[0].legend()
    figure.suptitle(title or "")
    return figure


@styled
def plot_gap_by_contrast(
    patches: Mapping[str, tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]], title: str | None = None
) -> Figure:
    """Amortization gap of single patches over their contrast, a panel for each encoder.

    Parameters
    ----------
    patches : mapping
        Label → (contrast, gap in nats), an entry for each patch.
    """
    figure = new_figure(8, 3.2)
    panels = np.atleast_1d(figure.subplots(1, len(patches), sharex=True, sharey=True))
    for axes, (label, (contrast, gap)) in zip(panels, patches.items(), strict=True):
        axes.plot(contrast, np.maximum(gap, 1e-3), ".", markersize=2, alpha=0.4)
        axes.set(xlabel="contrast (rms of the pixels)", xscale="log", yscale="log", title=label)
        _few_ticks(axes.xaxis)
    panels[0].set_ylabel("amortization gap [nats]")
    figure.suptitle(title or "")
    return figure


@styled
def plot_gradient_noise(
    n_samples: Sequence[int], noises: Mapping[str, Mapping[str, Mapping]], title: str | None = None
) -> Figure:
    """Standard deviation of sampled gradients, relative to the analytic gradient, a panel for each parameter.

    Parameters
    ----------
    n_samples : sequence of int
        Samples of each posterior.
    noises : mapping
        Label → parameter → `signal`, `variance` by number of samples and perhaps `minibatch_variance`, as
        `paperlib.papers.sparse_codes.amortization.gradients.gradient_noise` gives them.
    """
    parameters = list(next(iter(noises.values())))
    figure = new_figure(9, 3.2)
    panels = np.atleast_1d(figure.subplots(1, len(parameters)))
    for axes, parameter in zip(panels, parameters, strict=True):
        for (label, noise), color, marker in zip(noises.items(), COLORS, "os^v", strict=False):
            found = noise[parameter]
            ratio = np.sqrt(np.array(found["variance"]) / found["signal"])
            axes.plot(n_samples, ratio, f"-{marker}", color=color, markersize=4, label=label)
            if "minibatch_variance" in found:
                level = np.sqrt(found["minibatch_variance"] / found["signal"])
                axes.axhline(level, color=color, linestyle=":", linewidth=1.2)
        axes.set(xscale="log", yscale="log", xlabel="samples", title=parameter)
        axes.set_xticks(n_samples, list(map(str, n_samples)))
        axes.xaxis.minorticks_off()
        _few_ticks(axes.yaxis)
    panels[0].set_ylabel("standard deviation / length")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(noises))
    figure.suptitle(title or "")
    return figure


def _few_ticks(axis: Axis) -> None:
    """Plain numbers 1 and 3 times powers of 10, also where a logarithmic axis spans less than a decade."""
    axis.set_major_locator(LogLocator(subs=(1, 3)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
