"""The command `paperlib reproduce`: what `make reproduce`, `make plan` and `make book` call."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from paperlib.cli import options
from paperlib.system.errors import InputError


def _names(context: click.Context, option: click.Parameter, value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


@click.command()
@click.option(
    "--profile",
    default="laptop",
    show_default=True,
    metavar="smoke|laptop|paper",
    help="How much to compute: minutes, a quarter of an hour, or the paper's full size.",
)
@click.option("--jobs", default=2, show_default=True, help="Notebooks executed at once.")
@click.option(
    "--only", default="", callback=_names, metavar="NAME,...", help="Execute these notebooks, not all."
)
@options.images
@click.option("--plan", "--dry-run", "dry_run", is_flag=True, help="Print what would run, and stop.")
@click.option("--no-execute", is_flag=True, help="Render the pages with the results there are.")
@click.option("--no-book", is_flag=True, help="Execute notebooks, render nothing.")
@click.option("--reuse", is_flag=True, help="Take results of record that are there, from whatever code.")
@click.option("--strict", is_flag=True, help="Treat warnings of the rendering as errors.")
@click.option("--pdf", is_flag=True, help="Print the book into _build/book.pdf, too (needs Chromium).")
def reproduce(no_execute: bool, no_book: bool, **settings: Any) -> None:
    """Execute the notebooks that are not up to date and build the book.

    \b
    Examples:
      paperlib reproduce --plan
      paperlib reproduce --profile smoke
      paperlib reproduce --only theorem1,bars --no-book
      paperlib reproduce --images photos --jobs 1
    """
    if missing := [name for name in ("papermill", "jupytext", "jupyter_book") if not find_spec(name)]:
        raise InputError(
            f"{', '.join(missing)} not installed: run `pip install -c constraints.txt -e '.[book]'` first."
        )
    from paperlib import book
    from paperlib.system.files import find_root

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop the notebooks' processes as on Ctrl-C
    root = find_root(Path.cwd())
    try:
        book.reproduce(root, execute=not no_execute, build=not no_book, echo=click.echo, **settings)
    except (book.BookError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nInterrupted. What was executed is kept; the same command goes on from there.", err=True)
        raise SystemExit(130) from None
