"""Learning from natural images in pictures (Figs. 3, 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from matplotlib.figure import Figure

from paperlib.papers.sparse_codes.natural_images.methods import LABELS, PAPERS_EM, labeled
from paperlib.papers.sparse_codes.shown import Groups, if_computed, patch_shape, setting
from paperlib.plotting.fields import compare_columns
from paperlib.plotting.style import COLORS, new_figure, styled

RANGE = 40  # nats below the highest end that learning curves show


@if_computed
def plot_curves(groups: Groups) -> Figure:
    """Held-out ELBO over passes and seconds (Fig. 3)."""
    found = labeled(groups)
    histories = {label: [run.numbers["history"] for run in runs] for label, runs in found.items()}
    best = max(history[-1]["held_out"] for history in chain(*histories.values()))
    return plot_learning_curves(histories, lowest=best - RANGE, title=setting(groups))


def compare_first_epoch(groups: Groups) -> Figure:
    """Fields of the paper's EM after its first epoch, without and with prior annealing."""
    fields = {LABELS[name]: groups[name][0].arrays["fields"][0] for name in PAPERS_EM}
    return compare_columns(fields, patch_shape(groups), f"After one epoch, {setting(groups)}")


def compare_ends(groups: Groups, names: Sequence[str]) -> Figure:
    """Final fields (Fig. 8) of the first seed of some methods, largest prior scale first."""
    ends = {LABELS[name]: groups[name][0].arrays for name in names if name in groups}
    fields = {
        label: arrays["dictionary"][:, (-arrays["prior_scales"]).argsort()] for label, arrays in ends.items()
    }
    return compare_columns(fields, patch_shape(groups), setting(groups))


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
