"""The command `paperlib reproduce`: what `make reproduce`, `make plan` and `make book` call."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path

import click

from paperlib.errors import InputError


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
@click.option(
    "--images",
    metavar="SRC",
    help="olshausen, photos, a .npy, .npz or .mat file, or a folder of pictures.",
)
@click.option("--plan", "--dry-run", "dry_run", is_flag=True, help="Print what would run, and stop.")
@click.option("--no-execute", is_flag=True, help="Render the pages with the results there are.")
@click.option("--no-book", is_flag=True, help="Execute notebooks, render nothing.")
@click.option("--strict", is_flag=True, help="Treat warnings of the rendering as errors.")
def reproduce(
    profile: str,
    jobs: int,
    only: list[str],
    images: str | None,
    dry_run: bool,
    no_execute: bool,
    no_book: bool,
    strict: bool,
) -> None:
    """Execute the notebooks that are not up to date and build the book.

    \b
    Examples:
      paperlib reproduce --plan
      paperlib reproduce --profile smoke
      paperlib reproduce --only theorem1,bars --no-book
      paperlib reproduce --images photos --jobs 1
    """
    if missing := [name for name in ("papermill", "jupytext", "jupyter_book") if not _is_installed(name)]:
        raise InputError(
            f"{', '.join(missing)} not installed: run `pip install -c constraints.txt -e '.[book]'` first."
        )
    from paperlib import book

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop the notebooks' processes as on Ctrl-C
    try:
        book.reproduce(
            book.find_root(Path.cwd()),
            profile=profile,
            jobs=jobs,
            only=only,
            images=images,
            dry_run=dry_run,
            execute=not no_execute,
            build=not no_book,
            strict=strict,
            echo=click.echo,
        )
    except book.BookError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nInterrupted. What was executed is kept; the same command goes on from there.", err=True)
        raise SystemExit(130) from None


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
