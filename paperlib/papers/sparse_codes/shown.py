"""What several pages show: claims, the setting of a run in titles, a note where nothing is computed yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, TypeVar

from paperlib.plotting import Table
from paperlib.records import Record, by_seed
from paperlib.records.claims import HEAD, Claim

Shown = TypeVar("Shown")
Records = Mapping[str, Any]  # records by name, or groups of them
Groups = Mapping[str, Sequence[Record]]  # records of all seeds by method, as `by_seed` sorts them


@dataclass(frozen=True)
class Text:
    """A text in Markdown that notebooks show as text of the page."""

    markdown: str

    def _repr_markdown_(self) -> str:
        return self.markdown


NOT_COMPUTED = Text("*Not computed yet at the paper's size: `make reproduce PROFILE=paper` does it.*")


def if_computed(
    show: Callable[Concatenate[Records, ...], Shown],
) -> Callable[Concatenate[Records, ...], Shown | Text]:
    """Decorates what makes a table or figure of records: where there are none it is `NOT_COMPUTED`."""

    @wraps(show)
    def shown(records: Records, *args: Any, **options: Any) -> Shown | Text:
        return show(records, *args, **options) if records else NOT_COMPUTED

    return shown


@if_computed
def claims_table(records: Mapping[str, Record], claims: Sequence[Claim]) -> Table:
    """Some `claims`, judged by records of their page, whatever their size."""
    return Table(HEAD, [claim.row(claim.find(records)) for claim in claims])


def one_of(groups: Groups) -> Record:
    """A record of the first of some groups, for what all of them have in common."""
    return next(iter(groups.values()))[0]


def setting(groups: Groups) -> str:
    """Number and size of the patches, H and the images of some groups of records, for a figure's title."""
    record = one_of(groups)
    config, source = record.config, record.provenance["images"]["source"]
    size = f"{config['n_patches']:,} patches of {config['patch_size']}²"
    return f"{size}, H = {config['n_latents']} (images: {source})"


def patch_shape(groups: Groups) -> tuple[int, int]:
    """Height and width of the patches in pixels."""
    side = one_of(groups).config["patch_size"]
    return side, side


def runs_of(records: Mapping[str, Record], method: str) -> dict[int, Record]:
    """The records of a method, by seed; none where it was not run."""
    return {record.config["seed"]: record for record in by_seed(records).get(method, [])}
