"""Dictionaries of several learners under one judgement: their ELBOs and Gini indices (Section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from paperlib.papers.sparse_codes.shown import if_computed, patch_shape, setting
from paperlib.papers.sparse_codes.sparsenet.groups import by_learner, describe_learner, weight_grids
from paperlib.plotting import compare_columns
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record, by_seed

MARKS = {"diagonal": ("o", COLORS[0], 0.13), "full": ("D", COLORS[1], -0.13)}  # marker, color, place in row
Judged = Mapping[str, Mapping[str, Any]]  # family → `elbo`, `gini`, `gini_sd`


@if_computed
def draw_fields(records: Mapping[str, Record]) -> Figure:
    """Fields of sparsenet, dictionary learning at the middle weight, FastICA, PCA and EM, of seed 0."""
    weights = sorted(name for name in records if name.startswith("minibatch"))
    fields = {}
    for name in ("sparsenet-0", weights[len(weights) // 2], "ica-0", "pca-0", "em-none-0"):
        label = describe_learner(records[name].config).replace(", ", ",\n", 1)
        fields[label] = records[name].arrays["dictionary"]
    groups = by_seed(records)
    return compare_columns(fields, patch_shape(groups), setting(groups))


@if_computed
def draw_scores(records: Mapping[str, Record]) -> Figure:
    """`plot_scores` of all learners."""
    scores = {name: _judged(runs) for name, runs in by_learner(records).items()}
    return plot_scores(scores, setting(by_seed(records)))


@if_computed
def draw_weights(records: Mapping[str, Record]) -> Figure:
    """`plot_weights` of the learners that have a weight, beside EM."""
    grids = {
        label: {weight: _judged(runs) for weight, runs in grid.items()}
        for label, grid in weight_grids(records).items()
    }
    groups = by_seed(records)
    return plot_weights(grids, _judged(groups["em-none"]), setting(groups))


def _judged(runs: Sequence[Record]) -> list[Judged]:
    return [record.numbers["judged"] for record in runs]


@styled
def plot_scores(scores: Mapping[str, Sequence[Judged]], title: str | None = None) -> Figure:
    """ELBO and Gini index of every learner's dictionaries, a mark a run and family of posteriors.

    Parameters
    ----------
    scores : mapping
        Learner → the judgements of its runs, each by family with `elbo`, `gini` and `gini_sd` (a bar).
        Learners are sorted by their mean diagonal ELBO, the highest at the top.
    """
    names = sorted(scores, key=lambda name: np.mean([run["diagonal"]["elbo"] for run in scores[name]]))
    figure = new_figure(9, 1.4 + 0.36 * len(names))
    elbo, gini = figure.subplots(1, 2, sharey=True, width_ratios=[1.5, 1])
    for row, name in enumerate(names):
        for run in scores[name]:
            for family, (marker, color, place) in MARKS.items():
                style = {"marker": marker, "color": color, "markersize": 5, "linestyle": "", "alpha": 0.8}
                elbo.plot(run[family]["elbo"], row + place, **style)
                gini.errorbar(
                    run[family]["gini"], row + place, xerr=run[family]["gini_sd"], elinewidth=1, **style
                )
    for axes in (elbo, gini):
        axes.grid(axis="y", color="0.9")
        axes.set_axisbelow(True)
    elbo.set_yticks(range(len(names)), names)
    elbo.set(xlabel="ELBO of other patches [nats]")
    gini.set(xlabel="Gini index, mean and SD")
    gini.locator_params(axis="x", nbins=4)  # labels of three digits touch each other otherwise
    marks = [elbo.plot([], [], marker, color=color)[0] for marker, color, _ in MARKS.values()]
    labels = [f"{family} posteriors" for family in MARKS]
    figure.legend(marks, labels, loc="outside lower center", ncols=2)
    figure.suptitle(title or "")
    return figure


@styled
def plot_weights(
    grids: Mapping[str, Mapping[float, Sequence[Judged]]],
    reference: Sequence[Judged],
    title: str | None = None,
) -> Figure:
    """ELBO over the penalty's weight, a panel a learner, a mark a run and a line through the means.

    Dotted lines are the mean of a method that has no weight.

    Parameters
    ----------
    grids : mapping
        Label of the axis → weight → judgements of its runs, each by family.
    reference : sequence
        Judgements of the method without a weight.
    """
    figure = new_figure(9, 3.6)
    panels = np.atleast_1d(figure.subplots(1, len(grids), sharey=True))
    for axes, (label, grid) in zip(panels, grids.items(), strict=True):
        weights = sorted(grid)
        for family, (marker, color, _) in MARKS.items():
            elbos = [[run[family]["elbo"] for run in grid[weight]] for weight in weights]
            axes.plot(weights, [np.mean(runs) for runs in elbos], color=color, label=f"{family} posteriors")
            for weight, runs in zip(weights, elbos, strict=True):
                axes.plot([weight] * len(runs), runs, marker, markersize=5, alpha=0.8, color=color)
            axes.axhline(np.mean([run[family]["elbo"] for run in reference]), color=color, linestyle=":",
                         linewidth=1.4, label=f"entropy ELBO, {family}")  # fmt: skip
        axes.set(xscale="log", xlabel=label)
        axes.set_xticks(weights, [f"{weight:g}" for weight in weights])
        axes.minorticks_off()
    panels[0].set_ylabel("ELBO of other patches [nats]")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle(title or "")
    return figure
