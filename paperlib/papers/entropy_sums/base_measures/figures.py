"""How wrong entropies are where the base measure is not constant, in pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.models.mixtures import FamilyMixture
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record

EPS = 1e-16  # what is nearer counts as this on a logarithmic axis

KINDS = {"true": ("entropies", "o-"), "pseudo": ("pseudo entropies", "x:")}


@styled
def plot_growing(runs: Mapping[str, Sequence[Record]]) -> Figure:
    """Distance of the ELBO from both sums over N, medians over seeds; `runs`: label of the data → records."""
    figure = new_figure(8, 3.6)
    axes = figure.subplots()
    for (label, records), color in zip(runs.items(), COLORS, strict=False):
        sizes = sorted({record.config["n_points"] for record in records})
        for key, (kind, style) in KINDS.items():
            medians = []
            for size in sizes:
                numbers = [record.numbers for record in records if record.config["n_points"] == size]
                medians.append(median(abs(number["elbo"] - number[key]) for number in numbers))
            axes.plot(sizes, np.maximum(medians, EPS), style, color=color, label=f"{kind}, {label}")
    axes.set(xscale="log", yscale="log", xlabel="data points $N$", ylabel="|ELBO − sum| [nats]")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@styled
def plot_counts(
    x: Float[Tensor, "N D"], models: Mapping[str, FamilyMixture], features: Sequence[int]
) -> Figure:
    """Shares of counts in data and in `models` of them (label → model), for some `features`."""
    figure = new_figure(3.2 * len(features), 2.9)
    panels = np.atleast_1d(figure.subplots(1, len(features), sharey=True))
    values = torch.arange(int(x.max()) + 1).double()
    for axes, feature in zip(panels, features, strict=True):
        shares = (x[:, feature].unsqueeze(1) == values).double().mean(0)
        axes.bar(values.numpy(), shares.numpy(), color="0.8", label="data")
        for (label, model), style in zip(models.items(), ("o-", "s--"), strict=False):
            densities = model.family.log_density(values, model.natural[:, feature].unsqueeze(1)).exp()
            axes.plot(
                values, model.log_weights.exp() @ densities, style, markersize=3, linewidth=1, label=label
            )
        axes.set(xlabel="count", title=f"pixel {feature}")
    panels[0].set_ylabel("share")
    panels[0].legend()
    return figure
