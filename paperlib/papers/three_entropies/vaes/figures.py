"""Figures of VAEs: latent spaces, and signed deviations (Figs. 9 and 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from paperlib.papers.sparse_codes.shown import if_computed
from paperlib.papers.three_entropies.curves import deviation
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record


@if_computed
@styled
def plot_planes(groups: Mapping[str, Sequence[Record]]) -> Figure:
    """Posterior means of the first run (above) beside principal components of the data (below), at the end.

    Colors are the order of the data (for MNIST the digits), or the angle in the latent plane with "ring".
    """
    figure = new_figure(3.3 * len(groups), 5.6)
    panels = figure.subplots(2, len(groups), squeeze=False)
    for (title, records), (above, below) in zip(groups.items(), panels.T, strict=True):
        latents, components = (records[0].arrays[name].astype(float) for name in ("latents", "components"))
        by_angle = "ring" in title
        colors = np.arctan2(*latents.T) if by_angle else np.arange(len(latents))
        colormap = "twilight" if by_angle else "tab10"
        above.scatter(*latents.T, c=colors, s=5, cmap=colormap)
        below.scatter(*components.T, c=colors, s=5, cmap=colormap)
        above.set(title=title, xlabel="$\\nu_1$", ylabel="$\\nu_2$")
        below.set(xlabel="1st principal component", ylabel="2nd")
    return figure


@if_computed
@styled
def plot_deviations(groups: Mapping[str, Sequence[Record]]) -> Figure:
    """Signed deviations over all runs: mean, and one standard deviation as a band."""
    figure = new_figure(8, 3.4)
    axes = figure.subplots()
    for (title, records), color in zip(groups.items(), COLORS, strict=False):
        epochs, signed = records[0].numbers["epoch"], deviation(records)
        mean, spread = signed.mean(0), signed.std(0)
        axes.plot(epochs, mean, color=color, label=title)
        axes.fill_between(epochs, mean - spread, mean + spread, color=color, alpha=0.2, linewidth=0)
    axes.axhline(0, color="0.6", linewidth=1)
    axes.set(xlabel="epoch", ylabel="(ELBO − entropies) / |final ELBO| [%]", ylim=(-4, 8))
    axes.legend()
    return figure
