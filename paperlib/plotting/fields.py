"""Generative fields as pictures (Figs. 2, 8, 10-12)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import matplotlib
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.plotting.style import new_figure, styled
from paperlib.system.errors import InputError

GAP_COLOR = "#8fb3cc"  # between fields: no gray, so that a field's white and black edges can be seen


@styled
def plot_fields(
    dictionary: Float[Tensor, "D H"], patch_shape: tuple[int, int], title: str | None = None
) -> Figure:
    """Mosaic of the dictionary's columns as pictures, each scaled to its largest magnitude, gray at zero."""
    mosaic = make_mosaic(dictionary, patch_shape)
    figure = new_figure(6, 6 * mosaic.shape[0] / mosaic.shape[1])
    draw_mosaic(figure.subplots(), mosaic, title)
    return figure


def compare_columns(
    matrices: Mapping[str, Float[Tensor, "D _"] | Float[np.ndarray, "D _"]],
    patch_shape: tuple[int, int],
    title: str | None = None,
) -> Figure:
    """Mosaics of the columns of several `matrices`, dictionaries or data, side by side in the order given."""
    mosaics = {label: make_mosaic(matrix, patch_shape) for label, matrix in matrices.items()}
    heights = [mosaic.shape[0] / mosaic.shape[1] for mosaic in mosaics.values()]
    figure = new_figure(9, 0.4 + 9 / len(mosaics) * max(heights))
    panels = np.atleast_1d(figure.subplots(1, len(mosaics)))
    for axes, (label, mosaic) in zip(panels, mosaics.items(), strict=True):
        draw_mosaic(axes, mosaic, label)
    figure.suptitle(title or "")
    return figure


def sorted_fields(model: SparseCodingModel) -> Tensor:
    """Fields (D, H) of a model by their prior scales λ, largest first."""
    return model.dictionary[:, model.prior_scales.argsort(descending=True)]


def make_mosaic(dictionary: Tensor | np.ndarray, patch_shape: tuple[int, int]) -> np.ndarray:
    """Pictures of all columns in one array, NaN between them; InputError if they are not of that size."""
    height, width = patch_shape
    dictionary = torch.as_tensor(dictionary)
    if dictionary.shape[0] != height * width:
        raise InputError(
            f"The dictionary has {dictionary.shape[0]} rows, but patches of {height}×{width} pixels need "
            f"{height * width}; give the shape of its patches."
        )
    fields = dictionary.detach().cpu().double().numpy().T.reshape(-1, height, width)
    columns = math.ceil(math.sqrt(len(fields) * height / width))
    rows = math.ceil(len(fields) / columns)
    mosaic = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), np.nan)
    for k, picture in enumerate(fields):
        top, left = 1 + (k // columns) * (height + 1), 1 + (k % columns) * (width + 1)
        mosaic[top : top + height, left : left + width] = picture / max(np.abs(picture).max(), 1e-30)
    return mosaic


def draw_mosaic(axes: Axes, mosaic: np.ndarray, title: str | None) -> None:
    """Show a mosaic in gray, without axes."""
    gray = matplotlib.colormaps["gray"].with_extremes(bad=GAP_COLOR)
    axes.imshow(mosaic, cmap=gray, vmin=-1, vmax=1, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title or "")
