"""Figures are drawn, with the panels they promise, and refuse what they cannot draw."""

from __future__ import annotations

import io

import pytest
import torch
from markdown_it import MarkdownIt
from matplotlib.figure import Figure

from paperlib import plotting
from paperlib.models.sparse_coding.model import SparseCodingModel, normalize_columns
from paperlib.papers.sparse_codes.annealing.figures import plot_collapse
from paperlib.papers.sparse_codes.overview import plot_overview
from paperlib.papers.sparse_codes.performance.figures import plot_benchmark, plot_scaling
from paperlib.system.errors import InputError


def model(n_features=12, n_latents=5):
    generator = torch.Generator().manual_seed(0)
    dictionary = normalize_columns(torch.randn(n_features, n_latents, generator=generator))
    return SparseCodingModel(dictionary, torch.rand(n_latents, generator=generator) + 0.01, torch.tensor(0.1))


def history(n=4, **more):
    weights = {"prior_weight": 1.0, "likelihood_weight": 1.0}
    entropies = {"posterior_entropy": -1.0, "prior_entropy": 2.0, "likelihood_entropy": -3.0}
    rows = [{"step": k + 1, "seconds": 0.5 * k, "elbo": float(k)} for k in range(n)]
    return [{"phase": "em", **weights, **entropies, **row, **more} for row in rows]


def assert_drawn(figure: Figure, n_panels: int):
    assert len(figure.axes) == n_panels
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_fields_make_a_mosaic_in_the_order_of_the_columns():
    dictionary = torch.eye(6)[:, :4]  # field k is a single bright pixel
    figure = plotting.plot_fields(dictionary, (2, 3), title="pixels")
    assert_drawn(figure, 1)
    mosaic = figure.axes[0].images[0].get_array()
    first = mosaic[1:3, 1:4]
    second = mosaic[1:3, 5:8]
    assert first.tolist() == [[1, 0, 0], [0, 0, 0]]
    assert second.tolist() == [[0, 1, 0], [0, 0, 0]]


def test_a_field_of_zeros_is_gray():
    figure = plotting.plot_fields(torch.zeros(4, 1), (2, 2))
    assert figure.axes[0].images[0].get_array()[1:3, 1:3].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("draw", [
    lambda: plotting.plot_fields(torch.ones(5, 2), (2, 2)),
    lambda: plot_overview(model(25), (5, 5), model(12), (4, 4), history()),
])  # fmt: skip
def test_patches_of_another_size_are_refused(draw):
    with pytest.raises(InputError, match="give the shape of its patches"):
        draw()


@pytest.mark.parametrize("x", ["step", "seconds"])
def test_a_history_has_a_panel_for_each_quantity_and_a_line_for_each_run(x):
    quantities = {"elbo": "ELBO", "prior_entropy": "H[p]"}
    figure = plotting.plot_history({"a": [history(), history()], "b": [history(3)]}, quantities, x=x)
    assert_drawn(figure, 2)
    assert len(figure.axes[0].lines) == 2 * 3  # each run has a line and its dots


def test_annealed_passes_are_shaded():
    annealed = history(2, prior_weight=4.0) + history(2)
    assert len(plotting.plot_history({"a": [annealed]}).axes[0].patches) == 1
    assert len(plotting.plot_history({"a": [history()]}).axes[0].patches) == 0


def test_more_labels_than_colors_are_all_drawn():
    figure = plotting.plot_history({str(k): [history()] for k in range(9)})
    assert len(figure.axes[0].lines) == 2 * 9


def test_histories_that_cannot_be_drawn_are_refused():
    with pytest.raises(InputError, match="over step or seconds"):
        plotting.plot_history({"a": [history()]}, x="epoch")
    with pytest.raises(InputError, match="'gini'"):
        plotting.plot_history({"a": [history()]}, {"gini": "Gini index"})


def test_prior_scales_and_collapse_and_overview():
    tau = torch.logspace(-3, 0, 5)
    rounds = torch.rand(6, 5) + 0.1
    assert_drawn(plot_collapse(tau, {1.0: tau, 4.0: -tau}, {1.0: rounds, 4.0: rounds}), 3)
    assert_drawn(plot_overview(model(25), (5, 5), model(12), (3, 4), history()), 3)


def test_notebooks_get_a_picture_whatever_the_backend():
    assert plotting.plot_fields(torch.ones(4, 2), (2, 2))._repr_png_().startswith(b"\x89PNG")


def test_methods_of_one_kind_have_one_color_and_lines_of_their_own():
    rows = [{"seconds": 1.0, "elbo": 3.0}, {"seconds": 9.0, "elbo": 5.0}]
    names = ["EM, diagonal", "Monte Carlo", "EM, full"]
    figure = plot_benchmark(dict.fromkeys(names, rows), {"the best": 5.0}, lowest=2.0)
    assert_drawn(figure, 1)
    diagonal, monte_carlo, full, target = figure.axes[0].lines
    assert diagonal.get_color() == full.get_color() != monte_carlo.get_color()
    assert diagonal.get_linestyle() != full.get_linestyle()
    assert list(target.get_ydata()) == [5, 5]


def test_scaling_has_a_panel_a_size_and_two_lines_for_each_family():
    points = {"diagonal": [(64, 2.0, 1.0), (16, 1.0, 0.5)], "full": [(16, 9.0, 8.0), (64, 90.0, 80.0)]}
    figure = plot_scaling({"D": points, "H": points})
    assert_drawn(figure, 2)
    measured, predicted, *_ = figure.axes[0].lines
    assert list(measured.get_ydata()) == [1, 2]
    assert list(predicted.get_ydata()) == [0.5, 1]


def test_a_table_keeps_its_columns_whatever_is_in_its_cells():
    table = plotting.Table(["median $|z_h|$", "b"], [["1", "2"]])
    tokens = MarkdownIt().enable("table").parse(table._repr_markdown_())
    cells = [token.content for token in tokens if token.type == "inline"]
    assert cells == ["median $|z_h|$", "b", "1", "2"]
