"""Encoder entropies of each latent while it learns, and at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from paperlib.elbo.posteriors import LOG_2_PI_E
from paperlib.papers.sparse_codes.shown import if_computed
from paperlib.papers.three_entropies.collapse.experiment import ACTIVE
from paperlib.plotting import Table
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record


def active(record: Record) -> list[int]:
    """Number of active latents at each look."""
    return [sum(value < ACTIVE for value in look) for look in record.numbers["latent_entropies"]]


@if_computed
@styled
def plot_collapse(groups: Mapping[str, Sequence[Record]]) -> Figure:
    """Entropies of each latent over epochs for the first record of each group, and sorted at the end."""
    figure = new_figure(10, 3.6)
    *panels, last = figure.subplots(1, len(groups) + 1)
    for (title, records), axes, color in zip(groups.items(), panels, COLORS, strict=False):
        numbers = records[0].numbers
        axes.plot(numbers["epoch"], numbers["latent_entropies"], color=color, linewidth=0.9)
        axes.set(title=f"σ {title}", xlabel="epoch", ylim=(-1.6, 1.7))
        ends = np.sort(numbers["latent_entropies"][-1])
        last.plot(
            np.arange(1, len(ends) + 1), ends, "o-", color=color, markersize=4, linewidth=1, label=title
        )
    for axes in (*panels, last):
        axes.axhline(LOG_2_PI_E / 2, color="0.4", linewidth=1)
        axes.axhline(ACTIVE, color="0.6", linewidth=1, linestyle=":")
    last.set(title="at the end, sorted", xlabel="latents", ylim=(-1.6, 1.7))
    last.legend(loc="lower right")
    panels[0].set_ylabel("mean encoder entropy [nats]")
    return figure


@if_computed
def collapse_table(groups: Mapping[str, Sequence[Record]]) -> Table:
    """Active latents, σ², ELBO and entropies at the end, and how far KL is from the entropies' difference."""
    rows = []
    for name, records in groups.items():
        for record in records:
            numbers = record.numbers
            rows.append([
                name, str(record.config["seed"]), str(active(record)[-1]), f"{numbers['variance']:.4f}",
                f"{numbers['elbo'][-1][0]:.2f}", f"{numbers['entropies'][-1][0]:.2f}",
                f"{largest_error(record):.3f}",
            ])  # fmt: skip
    head = ["σ", "seed", "active latents", "σ²", "ELBO", "entropies", "largest error of KL"]
    return Table(head, rows)


def largest_error(record: Record) -> float:
    """Largest |KL_h − (H[p(z_h)] − H[q_h])| over latents at the end, in nats."""
    differences = LOG_2_PI_E / 2 - np.array(record.numbers["latent_entropies"][-1])
    return float(np.abs(np.array(record.numbers["divergences"]) - differences).max())
