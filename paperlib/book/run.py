"""What `make reproduce` does, from the plan to the pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from paperlib.book.execution import execute_tasks
from paperlib.book.planning import plan
from paperlib.book.printing import find_browser, print_book
from paperlib.book.rendering import build_book
from paperlib.book.report import print_plan, print_results
from paperlib.system.errors import InputError


def reproduce(
    root: Path,
    *,
    profile: str = "laptop",
    jobs: int = 2,
    only: Sequence[str] = (),
    images: str | None = None,
    dry_run: bool = False,
    execute: bool = True,
    build: bool = True,
    strict: bool = False,
    reuse: bool = False,
    pdf: bool = False,
    echo: Callable[[str], None] = print,
) -> None:
    """Execute the notebooks that are not up to date and build the book into ``_build/html``.

    Parameters
    ----------
    root : Path
        The project's folder, which holds ``_toc.yml``, ``_config.yml`` and ``book/``.
    profile : str
        One of `PROFILES`; what it means for each notebook stands in ``book/profiles.yml``.
    jobs : int
        Notebooks executed at once; each gets an equal share of the cores.
    only : sequence of str
        Keys of the notebooks to execute, or what only one key ends with; all where empty.
    images : str, optional
        Source of the natural images, as for `paperlib.data.load_images`.
    dry_run : bool
        Print the plan and do nothing.
    execute, build : bool
        Whether to execute notebooks, and whether to render the book.
    strict : bool
        Whether a warning of the rendering is an error.
    reuse : bool
        Whether experiments take the results of record that are there for their configuration, such as the
        committed ones, whatever code computed them.
    pdf : bool
        Whether to print the book, too.

    Raises
    ------
    InputError
        For an unknown profile, notebook or parameter, before anything runs.
    BookError
        When a cell fails or the book cannot be rendered.
    """
    if jobs < 1:
        raise InputError(f"JOBS must be at least 1, but is {jobs}.")
    if pdf:
        find_browser()  # it would be missed only at the end
    tasks = plan(root, profile, images, only, download=execute and not dry_run)
    stale = [task for task in tasks if task.reasons()]
    print_plan(tasks, jobs, echo)
    if dry_run:
        return
    seconds: dict[str, float] = {}
    if execute:
        seconds = execute_tasks(stale, jobs, echo, reuse=reuse)
        tasks = plan(root, profile, images, only)  # some pages read results that were only now computed
        seconds |= execute_tasks([task for task in tasks if task.reasons()], jobs, echo, reuse=reuse)
    print_results(tasks, seconds, echo)
    if build:
        everything = plan(root, profile, images, download=False) if only else tasks
        page = build_book(root, everything, strict=strict, echo=echo)
        echo(f"Open {page}")
        if pdf:
            echo(f"Open {print_book(root, echo=echo)}")
