"""The command `paperlib sums`: every model whose ELBO becomes a sum of entropies, computed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from paperlib.papers.entropy_sums.rows import Row

SHOWN = ("model", "data", "variational", "elbo", "entropy_sum", "gap", "kind")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with everything that is known of a row.")
@click.pass_context
def sums(context: click.Context, as_json: bool) -> None:
    """Compute the table of models: ELBO, sum of entropies and their gap, in nats a data point.

    Models are learned anew, in up to a minute. Where ELBO and entropies are not to be equal, the table says
    why; the exit status is 1 if a row is not as expected.

    \b
    Examples:
      paperlib sums
      paperlib sums --json | jq '.[] | select(.exception != "")'
    """
    from paperlib.papers.entropy_sums.table import ROWS

    rows = [make() for make in ROWS.values()]
    click.echo(_as_json(rows) if as_json else _as_text(rows))
    context.exit(0 if all(row.as_expected for row in rows) else 1)


def _as_json(rows: Sequence[Row]) -> str:
    more = ("gap", "equal", "as_expected")
    found = [asdict(row) | {name: getattr(row, name) for name in more} for row in rows]
    return json.dumps(found, indent=2, ensure_ascii=False)


def _as_text(rows: Sequence[Row]) -> str:
    """A table, and below it what is not equal."""
    lines = [SHOWN, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    unequal = [f"{row.model}, {row.data}: gap {row.gap:.4g}; {_reason(row)}" for row in rows if not row.equal]
    wrong = sum(not row.as_expected for row in rows)
    end = [f"{len(rows)} rows, {len(unequal)} not equal, {wrong} not as expected"]
    return "\n".join([*table, "", *unequal, *end])


def _cells(row: Row) -> list[str]:
    numbers = [f"{row.elbo:.8f}", f"{row.entropy_sum:.8f}", f"{row.gap:.1e}"]
    return [row.model, row.data, row.variational, *numbers, row.kind]


def _reason(row: Row) -> str:
    return row.exception or f"NOT AS EXPECTED: at most {row.tolerance:g} were"
