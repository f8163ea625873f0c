"""The result of `make bench`, a JSON file, and what figures and tables ask of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

FAST, PAPER, FULL = "EM, diagonal", "paper's EM, prior annealing", "EM, full covariances"
SIZES = {  # of the scaling measurements, as labels of axes
    "n": "patches $N$",
    "patch_size": "side of a patch, $\\sqrt{D}$",
    "h": "latents $H$",
    "threads": "threads",
}


class Benchmark:
    """A result of `make bench`.

    Parameters
    ----------
    file : Path or str
        Where it is.

    Attributes
    ----------
    content : dict
        All of the file.
    curves : dict
        Method → rows with `seconds` and the held-out `elbo`.
    final : dict
        Method → ELBO of its last row.
    grid : list of str
        The runs of scikit-learn, α ascending.
    """

    def __init__(self, file: Path | str):
        self.content: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
        methods = self.content["methods"]
        self.curves = {name: methods[name]["curve"] for name in sorted(methods)}
        self.final = {name: rows[-1]["elbo"] for name, rows in self.curves.items()}
        alphas = sorted(self.content["sizes"]["alphas"])
        self.grid = [f"scikit-learn, alpha = {alpha}" for alpha in alphas]

    @cached_property
    def best_of_grid(self) -> str:
        """The run of scikit-learn that ends highest."""
        return max(self.grid, key=self.final.__getitem__)

    @cached_property
    def scaling(self) -> dict[str, list[dict[str, Any]]]:
        """Family of posteriors → rows of the scaling measurements."""
        rows = self.content["scaling"]["rows"]
        return {family: [row for row in rows if row["family"] == family] for family in ("diagonal", "full")}

    def seconds(self, name: str) -> float:
        """How long a method took."""
        return self.curves[name][-1]["seconds"]

    def seconds_to(self, rival: str, name: str) -> float | None:
        """Seconds until a method's ELBO was first as high as a rival's last one; None if it never was."""
        reached = (row["seconds"] for row in self.curves[name] if row["elbo"] >= self.final[rival])
        return next(reached, None)

    def full_elbo(self, name: str) -> float:
        """ELBO of a method's dictionary with full-covariance posteriors."""
        return self.content["methods"][name]["full_elbo"]


def a_patch(row: dict[str, Any], key: str) -> float:
    """Microseconds a patch and pass, of the `seconds` or the `predicted` ones of a row."""
    return 1e6 * row[key] / row["n"]


def along(size: str, rows: Sequence[dict[str, Any]]) -> list[tuple[float, float, float]]:
    """A size, and microseconds measured and predicted, of rows that differ from the first in it alone."""
    others = [name for name in SIZES if name != size]
    return [
        (row[size], a_patch(row, "seconds"), a_patch(row, "predicted"))
        for row in rows
        if all(row[name] == rows[0][name] for name in others)
    ]
