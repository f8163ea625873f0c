"""Bars (Figs. 2, 5): the climb of the ELBO, and fields beside the bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import LineStyleType
from torch import Tensor

from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.papers.sparse_codes.bars.data import bar_fields
from paperlib.papers.sparse_codes.bars.judging import best_and_worst
from paperlib.papers.sparse_codes.fields.matching import match_fields
from paperlib.papers.sparse_codes.shown import if_computed, runs_of
from paperlib.plotting.fields import compare_columns
from paperlib.plotting.style import COLORS, new_figure, styled
from paperlib.records import Record

ENTROPIES: dict[str, tuple[str, LineStyleType]] = {
    "posterior": ("mean $H[q]$", "-"),
    "prior": (r"$H[p_\lambda(z)]$", "--"),
    "likelihood": (r"$H[p_{\sigma^2}(x\,|\,z)]$", "-."),
}


FOUND: dict[bool, tuple[str, LineStyleType, str]] = {
    True: (COLORS[0], "-", "all bars found"), False: (COLORS[1], "--", "not all"),
}  # fmt: skip
SHAPE = (5, 5)  # of the pictures


@if_computed
@styled
def plot_climb(records: Mapping[str, Record]) -> Figure:
    """Joint runs (Fig. 5): the ELBO above that of the generating dictionary, and the three entropies."""
    runs, truths = runs_of(records, "joint"), runs_of(records, "truth")
    figure = new_figure(9, 3.8)
    climb, terms = figure.subplots(1, 2)
    highest = 0.0
    for seed, run in runs.items():
        history, size = run.numbers["history"], run.config["iterations_per_call"]
        steps = [row["step"] * size for row in history]
        above = [row["elbo"] - truths[seed].numbers["elbo"] for row in history]
        highest = max(highest, *above)
        color, dashes, _ = FOUND[run.numbers["recovered"]]
        climb.plot(steps, above, color=color, linestyle=dashes, linewidth=1.3)
        for (term, (_, dashes)), color in zip(ENTROPIES.items(), COLORS[2:], strict=False):
            values = [row[f"{term}_entropy"] for row in history]
            terms.plot(steps, values, color=color, linestyle=dashes, linewidth=1)
    climb.axhline(0, color="0.4", linewidth=1)
    climb.annotate("generating dictionary", (0, 0), (3, 3), xycoords=("axes fraction", "data"),
                   textcoords="offset points", color="0.3")  # fmt: skip
    xlabel = "iterations of L-BFGS"
    climb.set(xscale="log", xlabel=xlabel, ylabel="ELBO above the truth's [nats]", ylim=(-2, highest + 0.2))
    terms.set(xscale="log", xlabel=xlabel, ylabel="entropies, all runs [nats]")
    shown = sorted({run.numbers["recovered"] for run in runs.values()}, reverse=True)
    climb.legend(*_samples([FOUND[found] for found in shown]), loc="lower right")
    lines = zip(COLORS[2:], ENTROPIES.values(), strict=False)
    terms.legend(*_samples([(color, dashes, label) for color, (label, dashes) in lines]))
    return figure


def _samples(lines: Sequence[tuple[str, LineStyleType, str]]) -> tuple[list[Line2D], list[str]]:
    """Lines for a legend, and their labels."""
    samples = [Line2D([], [], color=color, linestyle=dashes) for color, dashes, _ in lines]
    return samples, [label for *_, label in lines]


def compare_with_bars(records: Mapping[str, Record], which: str) -> Figure:
    """Bars, and fields on the way and in the end (Fig. 2), of the joint run that matches them best or worst.

    Those on the way are of records `after<iterations>-seed<seed>`; fields have the order and the signs of
    the bars that they match.
    """
    seed = best_and_worst(records)[which]
    prefixes = {name.partition("-")[0] for name in records if name.startswith("after")}
    counts = sorted(int(prefix.removeprefix("after")) for prefix in prefixes)
    shown = {f"{n} iterations": records[f"after{n}-seed{seed}"] for n in counts}
    shown["end"] = records[f"joint-seed{seed}"]
    truth = normalize_columns(bar_fields(SHAPE[0]))
    columns = {"the bars": truth} | {
        label: _aligned(run.tensor("dictionary"), truth) for label, run in shown.items()
    }
    return compare_columns(columns, SHAPE, f"The bars, and the fields of seed {seed}, the {which} match")


def compare_sizes(records: Mapping[str, Record], sizes: Iterable[int]) -> Figure:
    """Fields of joint runs and of the best of restarts, seed 0, for several H, largest prior scale first."""
    shown = {}
    for n_latents in sizes:
        for method in ("joint", "restarts"):
            run = records[f"{method}{n_latents}-seed0"]
            order = torch.tensor(run.numbers["usage"]).argsort(descending=True)
            shown[f"{method}, H = {n_latents}"] = run.tensor("dictionary")[:, order]
    return compare_columns(shown, SHAPE, "Fields of seed 0, largest prior scale first")


def _aligned(learned: Float[Tensor, "D H"], truth: Float[Tensor, "D H"]) -> Float[Tensor, "D H"]:
    match = match_fields(learned, truth)
    return match.signs * learned[:, match.permutation]
