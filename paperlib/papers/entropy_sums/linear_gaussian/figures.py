"""Stationary points of PPCA, one above the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from paperlib.plotting.style import COLORS, new_figure, styled


@styled
def plot_stationary(elbos: Mapping[Sequence[int], float], ups: Sequence[int]) -> Figure:
    """ELBO of each stationary point, the maximum filled.

    Parameters
    ----------
    elbos : mapping
        Retained eigenvalues, counted from 0, → ELBO in nats a data point.
    ups : sequence of int
        In how many directions each curves up.
    """
    figure = new_figure(7.5, 5.2)
    axes = figure.subplots()
    for row, (elbo, up) in enumerate(zip(elbos.values(), ups, strict=True)):
        axes.plot(elbo, row, "o", color=COLORS[0], markerfacecolor="white" if up else COLORS[0])
        axes.annotate(str(up), (elbo, row), (7, 0), textcoords="offset points", va="center", fontsize=8)
    names = [", ".join(str(k + 1) for k in kept) or "none" for kept in elbos]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="ELBO = −H[p(x)] [nats a data point]", ylabel="retained eigenvalues")
    return figure
