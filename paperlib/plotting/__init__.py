"""Figures and tables that more than one topic draws with, once.

Functions take numbers and return a matplotlib `Figure`; none of them computes results or opens a window.
Notebooks show the figure that a cell ends with.
"""

from paperlib.plotting.fields import compare_columns, compare_fields, plot_fields
from paperlib.plotting.learning import (
    plot_history,
    plot_learning_curves,
    plot_overview,
    plot_prior_scales,
)
from paperlib.plotting.style import Table, new_figure
from paperlib.plotting.theory import Panel, plot_lines, plot_plane, plot_samples, plot_terms

__all__ = [
    "Panel",
    "Table",
    "compare_columns",
    "compare_fields",
    "new_figure",
    "plot_fields",
    "plot_history",
    "plot_learning_curves",
    "plot_lines",
    "plot_overview",
    "plot_plane",
    "plot_prior_scales",
    "plot_samples",
    "plot_terms",
]
