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
from paperlib.papers.sparse_codes.judging import epochs
from paperlib.papers.sparse_codes.shown import Groups, one_of, patch_shape, setting
from paperlib.plotting.fields import draw_mosaic, make_mosaic
from paperlib.plotting.learning import plot_history
from paperlib.plotting.style import COLORS, new_figure, styled

KINDS = ("none", "prior", "likelihood", "energy")
SHOWN_FIELDS = 36  # of a mosaic
TERMS = {
    "posterior_entropy": "mean $H[q]$ [nats]",
    "prior_entropy": r"$H[p_\lambda(z)]$ [nats]",
    "likelihood_entropy": r"$H[p_{\sigma^2}(x\,|\,z)]$ [nats]",
}
MEASURES = {
    "gini": "Gini index of the code",
    "pixels": "effective pixels of a field (median)",
    "fine": "fine fields",
    "collapsed": "latents that have collapsed",
}


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


def plot_epochs(
    groups: Groups, method: str, quantities: Mapping[str, str], kinds: Sequence[str] = KINDS
) -> Figure:
    """Quantities of a method's histories after every epoch, a color a kind (Fig. 9, Table 1)."""
    found = {kind: groups[name] for kind in kinds if (name := f"{method}-{kind}") in groups}
    histories = {kind: [epochs(record) for record in group] for kind, group in found.items()}
    return plot_history(histories, quantities, title=setting(groups))


@styled
def plot_development(groups: Groups, method: str) -> Figure:
    """The first fields after four of the epochs, a row of mosaics a kind (Figs. 4, 10, 11)."""
    fields = _kept(groups, method, "fields")
    last = one_of(groups).config["n_epochs"] - 1
    shown = sorted({round(share * last) for share in (0, 0.2, 0.5, 1)})
    figure = new_figure(9, 2.4 * len(fields) + 0.3)
    grid = figure.subplots(len(fields), len(shown), squeeze=False)
    for row, (kind, kept) in zip(grid, fields.items(), strict=True):
        for axes, epoch in zip(row, shown, strict=True):
            mosaic = make_mosaic(kept[epoch][:, :SHOWN_FIELDS], patch_shape(groups))
            draw_mosaic(axes, mosaic, f"epoch {epoch + 1}")
        row[0].set_title(f"{kind}\nepoch 1")
    figure.suptitle(setting(groups))
    return figure


class Animation:
    """Mosaics of a method's fields after every epoch, side by side for two kinds of annealing.

    Notebooks show a player that needs no network.

    Parameters
    ----------
    groups : mapping
        Records by `<method>-<kind>`, the first of which have kept their fields.
    method : str
        Whose fields are shown.
    """

    def __init__(self, groups: Groups, method: str):
        self.runs = {kind: groups[f"{method}-{kind}"][0] for kind in ("prior", "likelihood")}
        self.patch_shape = patch_shape(groups)

    def _repr_html_(self) -> str:
        figure = new_figure(3.4 * len(self.runs), 3.8)
        panels = figure.subplots(1, len(self.runs), squeeze=False)[0]

        def draw(epoch: int) -> list:
            for axes, (kind, run) in zip(panels, self.runs.items(), strict=True):
                axes.clear()
                mosaic = make_mosaic(run.arrays["fields"][epoch][:, :SHOWN_FIELDS], self.patch_shape)
                draw_mosaic(axes, mosaic, f"{kind}\n{self.caption(kind, epoch)}")
            return []

        n_epochs = min(len(run.arrays["fields"]) for run in self.runs.values())
        player = FuncAnimation(figure, draw, n_epochs, interval=600).to_jshtml(default_mode="once")
        player = re.sub(r"<link[^>]*>", "", player)  # the icons' style sheet, which is on another host
        player = player.replace("<img ", '<img alt="Fields after each epoch, a panel for each run" ')
        return player.replace('type="range"', 'type="range" aria-label="Epoch"')

    def caption(self, kind: str, epoch: int) -> str:
        """What to say of an epoch, counted from 0: its number and its weights."""
        row = self.runs[kind].numbers["history"][epoch]
        weights = f"{row['prior_weight']:.3g} and {row['likelihood_weight']:.3g}"
        return f"epoch {row['step']}, weights {weights}"


@styled
def plot_scales(groups: Groups, method: str) -> Figure:
    """Prior scales λ_h/σ after every epoch, a line a field; below 0.1 a field counts as dead."""
    scales = _kept(groups, method, "scales")
    figure = new_figure(2.9 * len(scales), 3)
    panels = figure.subplots(1, len(scales), sharey=True, squeeze=False)[0]
    for axes, (kind, ratio) in zip(panels, scales.items(), strict=True):
        axes.plot(range(1, len(ratio) + 1), ratio, color=COLORS[0], linewidth=0.6, alpha=0.5)
        axes.axhline(DEAD_FIELD_RATIO, color="0.4", linewidth=1, linestyle="--")
        axes.set(yscale="log", xlabel="epoch", title=kind)
    panels[0].set_ylabel(r"$\lambda_h/\sigma$, one line a field")
    figure.suptitle(setting(groups))
    return figure


def _kept(groups: Groups, method: str, array: str) -> dict[str, np.ndarray]:
    """An array of the first seed, which has a row for every epoch, by kind."""
    names = {kind: f"{method}-{kind}" for kind in KINDS}
    return {kind: groups[name][0].arrays[array] for kind, name in names.items() if name in groups}


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
