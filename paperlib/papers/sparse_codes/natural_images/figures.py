"""Learning from natural images in pictures (Figs. 3, 8)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from matplotlib.figure import Figure

from paperlib.papers.sparse_codes.natural_images.methods import LABELS, PAPERS_EM, labeled
from paperlib.papers.sparse_codes.shown import Groups, if_computed, patch_shape, setting
from paperlib.plotting.fields import compare_columns
from paperlib.plotting.learning import plot_learning_curves

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
