"""A run's ELBO and entropies, weights to pixels of digits, and what the states of a chain emit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.papers.entropy_sums.belief_nets.data import ALPHABET, varying_pixels
from paperlib.plotting import Panel, new_figure, plot_lines
from paperlib.plotting.style import styled
from paperlib.records.record import Record


def plot_runs(records: Mapping[str, Record]) -> Figure:
    """ELBO and entropies of the first run, and |gap| of all `records`, over the steps."""
    numbers = [record.numbers for record in records.values()]
    steps = np.arange(1, 1 + len(numbers[0]["elbo"]))
    first = {"ELBO": numbers[0]["elbo"], "entropies": numbers[0]["entropy_sum"]}
    gaps = {
        name: np.abs(np.subtract(one["elbo"], one["entropy_sum"]))
        for name, one in zip(records, numbers, strict=True)
    }
    return plot_lines(
        Panel(steps, first, "step", "nats a data point"),
        Panel(steps, gaps, "step", "|gap|", yscale="log"),
    )


def digit_fields(weights: Float[Tensor, "P H"]) -> Float[Tensor, "64 H"]:
    """Weights to the varying pixels of digits at their places in the picture, 0 elsewhere."""
    fields = torch.zeros(64, weights.shape[1], dtype=weights.dtype)
    fields[varying_pixels().long()] = weights
    return fields


@styled
def plot_emissions(probabilities: Float[Tensor, "K V"]) -> Figure:
    """The probability of each letter in each state."""
    figure = new_figure(8.4, 1.6 * len(probabilities))
    rows = figure.subplots(len(probabilities), 1, sharex=True, sharey=True)
    for number, (axes, values) in enumerate(zip(np.atleast_1d(rows), probabilities, strict=True), 1):
        axes.bar(list(ALPHABET.replace(" ", "␣")), values.tolist(), color=f"C{number - 1}")
        axes.set(ylabel=f"state {number}")
    return figure
