"""Every figure of the book and of the command line, once.

Functions take numbers and return a matplotlib `Figure`; none of them computes results or opens a window.
Notebooks show the figure that a cell ends with.
"""

from paperlib.plotting.amortization import (
    plot_encoder,
    plot_gap_by_contrast,
    plot_gaps,
    plot_gradient_noise,
    plot_iterations,
)
from paperlib.plotting.annealing import (
    Animation,
    plot_collapse,
    plot_development,
    plot_scales,
    plot_schedules,
)
from paperlib.plotting.bars import plot_climb
from paperlib.plotting.benchmark import plot_benchmark, plot_scaling
from paperlib.plotting.fields import compare_columns, compare_fields, plot_fields
from paperlib.plotting.gabor import plot_contributions, plot_gabors, plot_kinds
from paperlib.plotting.learning import (
    plot_history,
    plot_learning_curves,
    plot_overview,
    plot_prior_scales,
)
from paperlib.plotting.style import Table, new_figure
from paperlib.plotting.theory import Panel, plot_lines, plot_plane, plot_samples, plot_terms

__all__ = [
    "Animation",
    "Panel",
    "Table",
    "compare_columns",
    "compare_fields",
    "new_figure",
    "plot_benchmark",
    "plot_climb",
    "plot_collapse",
    "plot_contributions",
    "plot_development",
    "plot_encoder",
    "plot_fields",
    "plot_gabors",
    "plot_gap_by_contrast",
    "plot_gaps",
    "plot_gradient_noise",
    "plot_history",
    "plot_iterations",
    "plot_kinds",
    "plot_learning_curves",
    "plot_lines",
    "plot_overview",
    "plot_plane",
    "plot_prior_scales",
    "plot_samples",
    "plot_scales",
    "plot_scaling",
    "plot_schedules",
    "plot_terms",
]
