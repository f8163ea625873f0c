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
from paperlib.system.locks import locked


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

    Parameters are the options of the command `paperlib reproduce`, which says what they mean, and `root`, the
    project's folder with ``_toc.yml``, ``_config.yml`` and ``book/``.  Keys in `only` may be what only one
    key ends with; what a profile means for each notebook stands in ``book/profiles.yml``.

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
    own = Path(__file__).parents[2]
    if (root / "paperlib" / "__init__.py").is_file() and not own.samefile(root):
        raise InputError(f"This is the paperlib of {own}, not of {root}; run `python -m paperlib` there.")
    tasks = plan(root, profile, images, only, download=execute and not dry_run)
    print_plan(tasks, jobs, echo)
    if dry_run:
        return
    (root / "_build").mkdir(exist_ok=True)
    with locked(root / "_build" / "lock", "the book"):
        seconds: dict[str, float] = {}
        if execute:
            seconds = execute_tasks([task for task in tasks if task.reasons()], jobs, echo, reuse=reuse)
            tasks = plan(root, profile, images, only)  # some pages read results that were only now computed
            seconds |= execute_tasks([task for task in tasks if task.reasons()], jobs, echo, reuse=reuse)
        print_results(tasks, seconds, echo)
        if build:
            everything = plan(root, profile, images, download=False) if only else tasks
            page = build_book(root, everything, strict=strict, echo=echo)
            echo(f"Open {page}")
            if pdf:
                echo(f"Open {print_book(root, echo=echo)}")
