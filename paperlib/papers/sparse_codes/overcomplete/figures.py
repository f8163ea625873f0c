"""Gabor parameters of fields as in the literature on V1, and kinds of fields (Fig. 12; E.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from matplotlib.ticker import FixedLocator, NullLocator
from torch import Tensor

from paperlib.papers.sparse_codes.fields.gabor import GaborFit
from paperlib.papers.sparse_codes.overcomplete.conditions import THREE, Conditions, setting
from paperlib.papers.sparse_codes.overcomplete.experiment import KINDS, gabors_of, share_of_kind
from paperlib.papers.sparse_codes.shown import if_computed, one_of, patch_shape
from paperlib.plotting import compare_columns
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record

SHOWN = 60  # ridges; more would hide each other
HIGHEST = 0.5  # cycles a pixel, along an axis
KIND_COLORS = (COLORS[0], COLORS[1], "0.6")
MARKERS = "o^s"


def draw_fields(conditions: Conditions, names: Sequence[str] = THREE) -> Figure:
    """Fields of the first seed of one H's conditions, by contribution, largest first."""
    fields = {}
    for name in names:
        record = conditions[name][0]
        order = np.argsort(-record.arrays["contribution"].astype(float))
        fields[name] = record.tensor("dictionary")[:, order]
    return compare_columns(fields, patch_shape(conditions), setting(conditions))


@if_computed
def draw_kinds(groups: Conditions) -> Figure:
    """`plot_kinds`, means over seeds."""
    numbers = {
        name: {kind: _used_and_unused(group, kind) for kind in KINDS} for name, group in groups.items()
    }
    contributions = {
        name: {kind: mean(share_of_kind(run, kind, "contribution") for run in group) for kind in KINDS}
        for name, group in groups.items()
    }
    source = one_of(groups).provenance["images"]["source"]
    return plot_kinds(numbers, contributions, f"Kinds of fields (images: {source})")


def _used_and_unused(runs: Sequence[Record], kind: str) -> tuple[float, float]:
    """Shares of the fields that are of a kind and used, and unused, mean over runs."""
    parts = [(run.arrays["kind"] == KINDS.index(kind), run.arrays["used"] > 0) for run in runs]
    return (
        mean(float((mine & used).mean()) for mine, used in parts),
        mean(float((mine & ~used).mean()) for mine, used in parts),
    )


def draw_contributions(conditions: Conditions) -> Figure:
    """`plot_contributions` of the first seed, for `THREE` conditions."""
    fields = {}
    for name in THREE:
        record = conditions[name][0]
        frequency, contribution, kind = map(record.tensor, ("frequency", "contribution", "kind"))
        fields[name] = (frequency, contribution, kind.long())
    return plot_contributions(fields, KINDS, setting(conditions))


def draw_gabors(conditions: Conditions) -> Figure:
    """`plot_gabors` of the first seed, for `THREE` conditions."""
    fits = {name: gabors_of(conditions[name][0]) for name in THREE}
    return plot_gabors(fits, patch_shape(conditions), setting(conditions))


@styled
def plot_gabors(
    fits: Mapping[str, Sequence[GaborFit]], patch_shape: tuple[int, int], title: str | None = None
) -> Figure:
    """Fitted Gabor functions, a row a label of `fits`: frequency and direction, places and sizes, widths.

    On the left the distance from the center is the wave's frequency and the angle its direction.  In the
    middle the centers, and for the first `SHOWN` fits the ridge through it, as long as the window's standard
    deviation across the wave.  On the right the widths along and across the wave over its frequency; dashed
    lines are a quarter of a period and a whole one.
    """
    figure = new_figure(9, 2.9 * len(fits))
    for row, (label, some) in zip(
        figure.subfigures(len(fits), 1, squeeze=False)[:, 0], fits.items(), strict=True
    ):
        row.suptitle(f"{label} ({len(some)} Gabor fields)", fontsize=10.5)
        grid = row.add_gridspec(1, 3, width_ratios=[1.15, 1, 1.2])
        _draw_waves(row.add_subplot(grid[0], projection="polar"), some)
        _draw_places(row.add_subplot(grid[1]), some, patch_shape)
        _draw_widths(row.add_subplot(grid[2]), some)
    figure.suptitle(title or "")
    return figure


@styled
def plot_kinds(
    numbers: Mapping[str, Mapping[str, tuple[float, float]]],
    contributions: Mapping[str, Mapping[str, float]],
    title: str | None = None,
) -> Figure:
    """Stacked bars by label: kinds of fields, and what they contribute.

    Parameters
    ----------
    numbers : mapping
        Label → kind → shares of the fields that are of this kind and used, and not used (hatched).
    contributions : mapping
        Label → kind → share of all contributions.
    """
    figure = new_figure(9, 1.3 + 0.32 * len(numbers))
    left, right = figure.subplots(1, 2, sharey=True)
    used = {label: {kind: share for kind, (share, _) in row.items()} for label, row in numbers.items()}
    unused = {label: {kind: share for kind, (_, share) in row.items()} for label, row in numbers.items()}
    start = _draw_bars(left, used, np.zeros(len(numbers)))
    _draw_bars(left, unused, start, alpha=0.45, hatch="////", suffix=", unused")
    _draw_bars(right, contributions, np.zeros(len(contributions)))
    left.set(xlabel="share of the fields", xlim=(0, 1))
    right.set(xlabel="share of all contributions", xlim=(0, 1))
    left.invert_yaxis()
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    figure.suptitle(title or "")
    return figure


@styled
def plot_contributions(
    fields: Mapping[str, tuple[Float[Tensor, " _"], Float[Tensor, " _"], Int[Tensor, " _"]]],
    kinds: Sequence[str],
    title: str | None = None,
) -> Figure:
    """A panel for each label with (mean frequency, contribution, kind as index of `kinds`) of its fields.

    Contributions are shares of the data's energy, drawn in percent.
    """
    figure = new_figure(9, 3.4)
    panels = np.atleast_1d(figure.subplots(1, len(fields), sharex=True, sharey=True))
    for axes, (label, (frequency, contribution, kind)) in zip(panels, fields.items(), strict=True):
        for k, name in enumerate(kinds):
            mine = kind == k
            axes.plot(frequency[mine], 100 * contribution[mine], MARKERS[k], color=KIND_COLORS[k],
                      markersize=3, alpha=0.8, label=name)  # fmt: skip
        axes.axhline(0, color="0.4", linewidth=0.8)
        axes.set(xlabel="mean frequency [cycles/pixel]", title=label)
    panels[0].set_ylabel("contribution [% of the energy]")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(kinds), markerscale=2)
    figure.suptitle(title or "")
    return figure


def _draw_bars(
    axes: Axes, shares: Mapping[str, Mapping[str, float]], start: np.ndarray, suffix: str = "", **style: Any
) -> np.ndarray:
    """Bars of all kinds one after the other from `start`; returns where they end."""
    for color, kind in zip(KIND_COLORS, next(iter(shares.values())), strict=False):
        values = np.array([max(row[kind], 0) for row in shares.values()])
        name = kind + suffix
        axes.barh(list(shares), values, left=start, label=name, color=color, edgecolor="white", **style)
        start = start + values
    return start


def _draw_waves(axes: PolarAxes, fits: Sequence[GaborFit]) -> None:
    axes.plot([fit.direction for fit in fits], [fit.frequency for fit in fits], ".", markersize=4, alpha=0.6)
    axes.set(thetamin=0, thetamax=180, rlim=(0, math.hypot(HIGHEST, HIGHEST)))
    axes.set_xticks(np.radians([0, 45, 90, 135, 180]))
    axes.set_rticks([0.2, 0.4, 0.6])
    axes.set_xlabel("frequency [cycles/pixel], direction", labelpad=-12)


def _draw_places(axes: Axes, fits: Sequence[GaborFit], patch_shape: tuple[int, int]) -> None:
    for fit in fits[:SHOWN]:
        (row, column), half = fit.center, fit.widths[1] / 2
        right, down = half * math.sin(fit.direction), half * math.cos(fit.direction)  # across the wave
        axes.plot([column - right, column + right], [row - down, row + down], color=COLORS[0], alpha=0.7)
    centers = np.array([fit.center for fit in fits]).reshape(-1, 2)
    axes.plot(centers[:, 1], centers[:, 0], ".", markersize=3, color=COLORS[1])
    height, width = patch_shape
    axes.set(
        xlim=(-0.5, width - 0.5),
        ylim=(height - 0.5, -0.5),
        aspect="equal",
        xlabel="place on the patch [pixels]",
    )
    axes.spines[["top", "right"]].set_visible(True)


def _draw_widths(axes: Axes, fits: Sequence[GaborFit]) -> None:
    frequency = np.array([fit.frequency for fit in fits])
    for k, (name, marker) in enumerate({"along": "o", "across": "^"}.items()):
        widths = [fit.widths[k] for fit in fits]
        axes.plot(frequency, widths, marker, color=COLORS[k], markersize=3, alpha=0.6, label=name)
    line = np.array([0.02, 0.75])
    for periods in (0.25, 1):
        axes.plot(line, periods / line, "--", color="0.6", linewidth=0.8, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=(line[0], line[1]), ylim=(0.35, 30))
    axes.set(xlabel="frequency [cycles/pixel]", ylabel="width [pixels]")
    for axis, ticks in {axes.xaxis: (0.03, 0.1, 0.3), axes.yaxis: (0.5, 1, 2, 5, 10, 20)}.items():
        axis.set_minor_locator(NullLocator())
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter("{x:g}")
    axes.legend(loc="lower left", fontsize=8, handletextpad=0.2)
