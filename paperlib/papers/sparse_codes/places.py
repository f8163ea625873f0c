"""Where each figure and table of the paper is in the book, and which results of record it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from paperlib.records import Record, read_records


@dataclass(frozen=True)
class Place:
    """A figure or table of the paper.

    Parameters
    ----------
    name, shows : str
        Its number, and what it shows.
    page, anchor : str
        The page of the book, and the label there.
    pattern : str
        Names of the records that it is drawn from; empty where code alone draws it.
    """

    name: str
    shows: str
    page: str
    anchor: str
    pattern: str = ""

    def records(self, results: Path) -> list[Record]:
        """The records that it comes from, in the folders of `results`, one a page."""
        found = read_records(results / self.page) if self.pattern else {}
        return [record for name, record in found.items() if fnmatch(name, self.pattern)]


FIGURES: Sequence[Place] = (
    Place("Fig. 1", "the model, before and after reparameterization", "model", "fig-model"),
    Place("Fig. 2", "fields learned from bars", "bars", "bars-joint", "*"),
    Place("Fig. 3", "ELBO of four objectives", "natural_images", "fig-learning-curves", "*"),
    Place("Fig. 4", "fields and sparsity during prior annealing", "annealing", "fig-development", "paper-*"),
    Place("Fig. 5", "ELBO and entropies on bars", "bars", "bars-joint", "*"),
    Place("Fig. 6", "encoder, diagonal", "amortization", "fig-encoder-diagonal"),
    Place("Fig. 7", "encoder, low rank", "amortization", "fig-encoder-low-rank"),
    Place("Fig. 8", "final fields of four objectives", "natural_images", "fig-final-fields", "*"),
    Place("Fig. 9", "schedule and Gini index", "annealing", "fig-entropies", "*-prior-*"),
    Place("Fig. 10", "fields during prior annealing", "annealing", "fig-development", "paper-prior-*"),
    Place(
        "Fig. 11", "fields during likelihood annealing", "annealing", "fig-development", "paper-likelihood-*"
    ),
    Place("Fig. 12", "overcomplete fields", "overcomplete", "fig-overcomplete", "*"),
    Place("Table 1", "ELBO, entropies and Gini index", "annealing", "table-1", "paper-*"),
)
