"""Entropy annealing (Figs. 4, 9, 10, 11): schedules, fields and scales epoch by epoch, and the collapse."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.animation import FuncAnimation
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.elbo.terms import EntropyWeights
from paperlib.models.sparse_coding.metrics import DEAD_FIELD_RATIO
from paperlib.plotting.fields import draw_mosaic, make_mosaic
from paperlib.plotting.style import COLORS, new_figure, styled

SHOWN_FIELDS = 36  # of a mosaic


@styled
def plot_schedules(schedules: Mapping[str, Sequence[EntropyWeights]]) -> Figure:
    """Weights of the prior's and the likelihood's entropy over epochs (Fig. 9) in each of `schedules`."""
    figure = new_figure(2.9 * len(schedules), 2.6)
    panels = figure.subplots(1, len(schedules), sharey=True, squeeze=False)[0]
    for axes, (label, weights) in zip(panels, schedules.items(), strict=True):
        epochs = range(1, len(weights) + 1)
        axes.plot(epochs, [w.prior for w in weights], "o-", label="$w_p$, prior", markersize=4)
        axes.plot(epochs, [w.likelihood for w in weights], "s--", label="$w_x$, likelihood", markersize=4)
        axes.set(xlabel="epoch", title=label, yscale="log")
    panels[0].set_ylabel("weight")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@styled
def plot_development(
    fields: Mapping[str, Float[np.ndarray, "epochs D H"]],
    patch_shape: tuple[int, int],
    epochs: Sequence[int],
    title: str | None = None,
) -> Figure:
    """The first fields after some epochs (numbered from 1), a row of mosaics a label (Figs. 4, 10, 11)."""
    figure = new_figure(9, 2.4 * len(fields) + 0.3)
    grid = figure.subplots(len(fields), len(epochs), squeeze=False)
    for row, (label, kept) in zip(grid, fields.items(), strict=True):
        for axes, epoch in zip(row, epochs, strict=True):
            draw_mosaic(axes, make_mosaic(kept[epoch - 1][:, :SHOWN_FIELDS], patch_shape), f"epoch {epoch}")
        row[0].set_title(f"{label}\nepoch {epochs[0]}")
    figure.suptitle(title or "")
    return figure


class Animation:
    """Mosaics of fields over epochs, side by side; notebooks show a player that needs no network.

    Parameters
    ----------
    fields : mapping
        Label → dictionaries (epochs, D, H), of which the first fields are shown.
    patch_shape : (int, int)
        Of a field.
    captions : mapping
        Label → what to say of each epoch.
    """

    def __init__(
        self,
        fields: Mapping[str, Float[np.ndarray, "epochs D H"]],
        patch_shape: tuple[int, int],
        captions: Mapping[str, Sequence[str]],
    ):
        self.fields, self.patch_shape, self.captions = fields, patch_shape, captions

    def _repr_html_(self) -> str:
        figure = new_figure(3.4 * len(self.fields), 3.8)
        panels = figure.subplots(1, len(self.fields), squeeze=False)[0]

        def draw(epoch: int) -> list:
            for axes, (label, kept) in zip(panels, self.fields.items(), strict=True):
                axes.clear()
                mosaic = make_mosaic(kept[epoch][:, :SHOWN_FIELDS], self.patch_shape)
                draw_mosaic(axes, mosaic, f"{label}\n{self.captions[label][epoch]}")
            return []

        n_epochs = min(len(kept) for kept in self.fields.values())
        player = FuncAnimation(figure, draw, n_epochs, interval=600).to_jshtml(default_mode="once")
        player = re.sub(r"<link[^>]*>", "", player)  # the icons' style sheet, which is on another host
        player = player.replace("<img ", '<img alt="Fields after each epoch, a panel for each run" ')
        return player.replace('type="range"', 'type="range" aria-label="Epoch"')


@styled
def plot_scales(scales: Mapping[str, Float[np.ndarray, "epochs H"]], title: str | None = None) -> Figure:
    """Prior scales λ_h/σ after every epoch, a line a field; below 0.1 a field counts as dead."""
    figure = new_figure(2.9 * len(scales), 3)
    panels = figure.subplots(1, len(scales), sharey=True, squeeze=False)[0]
    for axes, (label, ratio) in zip(panels, scales.items(), strict=True):
        axes.plot(range(1, len(ratio) + 1), ratio, color=COLORS[0], linewidth=0.6, alpha=0.5)
        axes.axhline(DEAD_FIELD_RATIO, color="0.4", linewidth=1, linestyle="--")
        axes.set(yscale="log", xlabel="epoch", title=label)
    panels[0].set_ylabel(r"$\lambda_h/\sigma$, one line a field")
    figure.suptitle(title or "")
    return figure


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
    figure.suptitle(title or "")
    return figure
