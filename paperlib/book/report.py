"""What `paperlib reproduce` prints before and after: the plan and the results as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heapreplace

from paperlib.book.tasks import Task


def print_plan(tasks: Sequence[Task], jobs: int, echo: Callable[[str], None]) -> None:
    """What would run and why, on which data, and how long it is expected to take."""
    rows, minutes = [], []
    for task in tasks:
        reasons = task.reasons()
        minutes += [task.minutes] if reasons else []
        state = f"run ({', '.join(reasons)})" if reasons else "up to date"
        rows.append((task.name, task.profile, f"{task.minutes:g}", state))
    used = dict.fromkeys(task.data.description for task in tasks if task.data)
    echo(f"Data: {'; '.join(used) or 'not used'}")
    _print_table(("notebook", "profile", "minutes", "plan"), rows, echo)
    expected = expected_minutes(minutes, jobs)
    time = f"{expected:.1f} minutes" if expected < 100 else f"{expected / 60:.1f} hours"
    echo(f"Expected: {time} ({sum(minutes):.1f} minutes of notebooks, {jobs} at a time), and then the pages.")


def expected_minutes(minutes: Iterable[float], jobs: int) -> float:
    """How long notebooks take as `execute_tasks` runs them: the longest first, `jobs` at a time."""
    longest_first = sorted(minutes, reverse=True)
    ends = [0.0] * max(1, min(jobs, len(longest_first)))
    for length in longest_first:
        heapreplace(ends, ends[0] + length)
    return max(ends)


def print_results(tasks: Sequence[Task], seconds: dict[str, float], echo: Callable[[str], None]) -> None:
    """What ran now (those with an entry in `seconds`), and what was or still is to be done."""
    rows = []
    for task in tasks:
        status = "executed" if task.name in seconds else "not executed" if task.reasons() else "up to date"
        seconds_then = "-" if status == "not executed" else f"{task.read_manifest()['seconds']:.1f}"
        rows.append((task.name, seconds_then, status))
    _print_table(("notebook", "seconds", "status"), rows, echo)


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]], echo: Callable[[str], None]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, ["-" * width for width in widths], *rows):
        echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
