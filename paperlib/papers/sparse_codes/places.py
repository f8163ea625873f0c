"""Where each figure and table of the paper is in the book, its results of record, and what they took."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from paperlib.plotting import Table
from paperlib.records import Record, read_records

Found = Mapping[str, Mapping[str, Record]]  # by page and name


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

    def records(self, found: Found) -> list[Record]:
        """Those of the records by page and name that it comes from."""
        of_page = found.get(self.page, {}) if self.pattern else {}
        return [record for name, record in of_page.items() if fnmatch(name, self.pattern)]


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


def read_all_records(results: Path) -> Found:
    """The records in the folders of `results`, by page and name."""
    return {folder.name: read_records(folder) for folder in sorted(results.glob("*")) if folder.is_dir()}


def figures_table(found: Found) -> Table:
    """Where each figure and table is, and what its records took."""
    head = ["the paper", "shows", "in this book", "records", "files", "core-seconds", "peak MB", "device"]
    rows = [
        [place.name, place.shows, f"[{place.page}](#{place.anchor})",
         f"`{place.pattern}`" if place.pattern else "drawn by code", *_cost(place.records(found))]
        for place in FIGURES
    ]  # fmt: skip
    return Table(head, rows)


def pages_table(found: Found) -> Table:
    """What all records of each page took, and the commits they were computed at."""
    rows = []
    for page, records in found.items():
        commits = sorted({str(record.provenance["commit"])[:8] for record in records.values()})
        rows.append([page, *_cost(records.values()), ", ".join(commits)])
    return Table(["page", "files", "core-seconds", "peak MB", "device", "commits"], rows)


def core_hours(found: Found) -> float:
    """Of all records."""
    return sum(record.seconds for records in found.values() for record in records.values()) / 3600


def _cost(records: Collection[Record]) -> list[str]:
    """Number of files, core-seconds, peak memory and devices."""
    if not records:
        return ["–"] * 4
    return [
        str(len(records)),
        f"{sum(record.seconds for record in records):,.0f}",
        f"{max(record.provenance['peak_memory_mb'] for record in records):,}",
        ", ".join(sorted({record.provenance["device"] for record in records})),
    ]
