"""Bürmann's series: its errors, what they do to the softened magnitude, and the fields learned with it."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from paperlib.papers.sparse_codes.error_function.experiment import Magnitude
from paperlib.papers.sparse_codes.fields.matching import match_fields
from paperlib.papers.sparse_codes.shown import if_computed, patch_shape, runs_of
from paperlib.plotting import Panel, compare_columns, plot_lines
from paperlib.records import Record, by_seed

FAR = 2.4  # standard deviations, beyond which the exact magnitude is nearly |a|


def plot_series(
    x: Float[Tensor, " N"],
    errors: Mapping[str, Float[Tensor, " N"]],
    a: Float[Tensor, " M"],
    exact: Magnitude,
    series: Magnitude,
) -> Figure:
    """Errors of the series over `x`, errors of the magnitude over `a`, and at large `a` what it loses."""
    of_magnitude = {
        r"$\mathcal{M}$": series.value - exact.value,
        "its slope": series.slope - exact.slope,
    }
    far = a > FAR
    properties = {
        "curvature, exact": exact.curvature[far],
        "curvature, series": series.curvature[far],
        r"$\mathcal{M}(a) - |a|$, exact": (exact.value - a)[far],
        r"$\mathcal{M}(a) - |a|$, series": (series.value - a)[far],
    }
    return plot_lines(
        Panel(x, errors, "$x$", "error of the series"),
        Panel(a, of_magnitude, r"$a = \nu/\tau$", "error it makes"),
        Panel(a[far], properties, r"$a = \nu/\tau$", "what it loses"),
    )


@if_computed
def draw_fields(records: Mapping[str, Record]) -> Figure:
    """Fields of seed 0 with the exact function and, aligned with them, those with the series."""
    exact, series = (runs_of(records, function)[0].tensor("dictionary") for function in ("torch", "burmann"))
    match = match_fields(series, exact)
    shown = {"exact": exact, "series": match.signs * series[:, match.permutation]}
    return compare_columns(shown, patch_shape(by_seed(records)), "Fields of seed 0")
