"""Mixtures in pictures: who is responsible for what, how EM closes the gap, and what truncation costs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.elbo.categorical import Categorical
from paperlib.models.mixtures.gaussian import GaussianMixture
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record

CIRCLE = torch.linspace(0, 2 * torch.pi, 100, dtype=torch.float64)


@styled
def plot_responsibilities(
    x: Float[Tensor, "N 2"], fits: Mapping[str, tuple[GaussianMixture, Categorical]]
) -> Figure:
    """Data in the plane, each with its responsibilities as a mixed color, and ellipses of two deviations.

    The `fits` are a panel each: title → model of up to seven classes, and its posterior.
    """
    figure = new_figure(3.1 * len(fits), 3.2)
    panels = np.atleast_1d(figure.subplots(1, len(fits), sharex=True, sharey=True))
    colors = np.array([to_rgb(color) for color in COLORS])
    for axes, (title, (model, posterior)) in zip(panels, fits.items(), strict=True):
        shares = posterior.probabilities.numpy()
        axes.scatter(*x.T.numpy(), s=12, c=shares @ colors[: shares.shape[1]], linewidths=0)
        _draw_ellipses(axes, model)
        axes.set(title=title, xlabel="$x_1$")
    panels[0].set_ylabel("$x_2$")
    return figure


def _draw_ellipses(axes: Axes, model: GaussianMixture) -> None:
    circle = torch.stack([CIRCLE.cos(), CIRCLE.sin()])
    ellipses = model.means.unsqueeze(2) + 2 * torch.linalg.cholesky(model.covariances) @ circle
    for ellipse, color in zip(ellipses, COLORS, strict=False):
        axes.plot(*ellipse.numpy(), color=color, linewidth=1.2)


@styled
def plot_climb(records: Mapping[str, Record]) -> Figure:
    """ELBO and entropies over the half steps of the first of the runs, and what each E-step of all opens."""
    figure = new_figure(8.4, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    first = next(iter(records.values())).numbers
    rounds = np.arange(len(first["elbo"])) / 2
    shown = rounds < 8
    for name, label, mark in (("elbo", "ELBO", "o"), ("entropy_sum", "sum of entropies", "s")):
        left.plot(rounds[shown], np.array(first[name])[shown], f"-{mark}", markersize=4, label=label)
    left.set(xlabel="round of EM", ylabel="nats a data point")
    left.legend(loc="lower right")
    for (name, record), mark in zip(records.items(), "os^", strict=False):
        opened = np.abs(np.subtract(record.numbers["elbo"], record.numbers["entropy_sum"]))[::2]
        right.plot(np.arange(len(opened)), opened, mark, markersize=3, label=name)
    right.set(xlabel="round of EM", ylabel="|gap| after the E-step [nats]", yscale="log")
    right.legend()
    return figure


@styled
def plot_truncation(records: Mapping[str, Record]) -> Figure:
    """ELBO, and the size of the gap, over the number of classes that responsibilities keep."""
    figure = new_figure(8.4, 3.3)
    left, right = figure.subplots(1, 2)
    kept = [record.config["n_kept"] for record in records.values()]
    ways = {"truncated": ("elbo", "entropy_sum"), "and learned on": ("elbo_learned", "sum_learned")}
    for (label, keys), style in zip(ways.items(), ("s--", "o-"), strict=True):
        elbo, total = ([record.numbers[key] for record in records.values()] for key in keys)
        left.plot(kept, elbo, style, markersize=4, label=label)
        right.plot(
            kept, np.maximum(np.abs(np.subtract(elbo, total)), 1e-16), style, markersize=4, label=label
        )
    left.set(xlabel="classes kept", ylabel="ELBO [nats]", xticks=kept)
    right.set(xlabel="classes kept", ylabel="|ELBO − entropies| [nats]", yscale="log", xticks=kept)
    left.legend()
    return figure
