"""Terms of the ELBO during a run, and samples and fields in the plane (Fig. 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.plotting.style import COLORS, new_figure, styled


@styled
def plot_terms(terms: Mapping[str, Float[Tensor, "steps 2"]]) -> Figure:
    """Terms of the ELBO over the steps of a run (solid) and their entropies (dashed), two panels a row.

    Parameters
    ----------
    terms : mapping
        Title → term and entropy at each step, in nats.
    """
    rows = math.ceil(len(terms) / 2)
    figure = new_figure(8.4, 2.6 * rows)
    for axes, (title, values) in zip(figure.subplots(rows, 2, sharex=True).flat, terms.items(), strict=True):
        steps = np.arange(1, len(values) + 1)
        axes.plot(steps, values[:, 0], label="term of the ELBO")
        axes.plot(steps, values[:, 1], "--", label="entropy")
        axes.set(title=title, xscale="log")
    for axes in figure.axes[-2:]:
        axes.set_xlabel("step")
    figure.axes[0].set_ylabel("nats a data point")
    figure.axes[0].legend()
    return figure


@styled
def plot_samples(x: Float[Tensor, "N 2"], z: Float[Tensor, "N H"], model: SparseCodingModel) -> Figure:
    """Samples of a model in the plane with its fields, and the density of its first latent.

    Parameters
    ----------
    x, z : tensors (N, 2) and (N, H)
        What `SparseCodingModel.sample` returns.
    """
    figure = new_figure(8.4, 3.6)
    plane, line = figure.subplots(1, 2)
    _draw_plane(plane, x, model.dictionary * 4 * model.prior_scales, COLORS[1])
    first, scale = z[:, 0].cpu(), float(model.prior_scales[0])
    reach = 9 * scale
    values = np.linspace(-reach, reach, 401)
    line.hist(first, bins=60, range=(-reach, reach), density=True, color="0.8", label="samples of $z_1$")
    line.plot(values, np.exp(-np.abs(values) / scale) / (2 * scale), label=r"Laplace$(0, \lambda_1)$")
    gauss = np.exp(-(values**2) / (4 * scale**2)) / (scale * math.sqrt(4 * math.pi))
    line.plot(values, gauss, "--", label="Gaussian of the same variance")
    line.set(yscale="log", ylim=(1e-5, 50 / scale), xlabel="$z_1$", ylabel="density")
    line.legend(loc="upper left")
    return figure


@styled
def plot_plane(examples: Mapping[str, tuple[Float[Tensor, "_ 2"], Float[Tensor, "2 _"]]]) -> Figure:
    """Data in the plane with the fields of a dictionary as arrows; `examples`: title → (x, dictionary)."""
    figure = new_figure(3.6 * len(examples), 3.2)
    for axes, (title, (x, dictionary)) in zip(
        np.atleast_1d(figure.subplots(1, len(examples))), examples.items(), strict=True
    ):
        _draw_plane(axes, x, dictionary, COLORS[1])
        axes.set_title(title)
    return figure


def _draw_plane(axes: Axes, x: Tensor, arrows: Tensor, color: str) -> None:
    axes.plot(*x.cpu().T, ".", color=COLORS[0], markersize=4 if len(x) < 100 else 2, alpha=0.6)
    origin = np.zeros(arrows.shape[1])
    axes.quiver(origin, origin, *arrows.cpu(), color=color, width=0.009, zorder=3,
                angles="xy", scale_units="xy", scale=1)  # fmt: skip
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
