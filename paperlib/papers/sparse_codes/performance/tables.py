"""The benchmark in tables and sentences; every number is read from its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paperlib.papers.sparse_codes.performance.benchmark import FAST, FULL, PAPER, Benchmark, a_patch
from paperlib.papers.sparse_codes.shown import Text
from paperlib.plotting import Table

CEILINGS = {
    "operations": ("products of matrices", "Gflop/s", 1e9),
    "passes": ("elementwise, in cache", "G numbers/s", 1e9),
    "functions": ("error functions, in cache", "G numbers/s", 1e9),
    "calls": ("calls of PyTorch", "million/s", 1e6),
    "bytes": ("copies in main memory", "GB/s", 1e9),
}
MANY = 1e9  # patches
NEARLY_ALL = 0.999  # of the patches have converged


def answers(bench: Benchmark) -> Text:
    """How long fast EM takes to be as good as others, and which method ends highest."""
    highest = max(bench.final, key=bench.final.__getitem__)
    return Text(
        "\n".join(
            [
                *(_race(bench, rival) for rival in (PAPER, bench.best_of_grid)),
                f"- The highest held-out ELBO, {bench.final[highest]:.2f} nats, is that of "
                f"*{highest}*, after {bench.seconds(highest):.1f} s.",
            ]
        )
    )


def _race(bench: Benchmark, rival: str) -> str:
    ours, theirs = (bench.seconds_to(rival, name) for name in (FAST, rival))
    assert theirs is not None  # it reaches its own end
    goal = f"the {bench.final[rival]:.2f} nats that took *{rival}* {theirs:.1f} s"
    if ours is None:
        return f"- Fast EM did not reach {goal}."
    faster = f"**{theirs / ours:.0f} times** faster"
    return f"- Fast EM with its default settings took {ours:.1f} s to {goal}: {faster}."


def origin(bench: Benchmark) -> Text:
    """When, where, with which versions and on which data was measured."""
    content = bench.content
    parts = [*content["methods"].values(), content["scaling"], content["exactness"]]
    dates = sorted({part["date"] for part in parts})
    commits = sorted({_short(part["commit"]) for part in parts})
    machine, versions, sizes = content["machine"], content["versions"], content["sizes"]
    return Text(
        f"> Profile `{content['profile']}`, measured {' to '.join(dict.fromkeys([dates[0], dates[-1]]))} "
        f"at commit {', '.join(commits)} (+: with changes) on {machine['cores']} cores of "
        f"{machine['cpu']}, one thread for every method. "
        f"PyTorch {versions['torch']}, scikit-learn {versions['scikit-learn']}, "
        f"NumPy {versions['numpy']}, Python {versions['python']}. "
        f"{sizes['patches']:,} patches of {sizes['patch_size']}² pixels, "
        f"$H$ = {sizes['latents']}; judged on {sizes['test_patches']:,} others. "
        f"Images: {content['images']}."
    )


def _short(commit: str | None) -> str:
    """First letters of a commit, and the + of a changed checkout."""
    changed = commit is not None and commit.endswith("+")
    return f"{str(commit)[:8]}{'+' if changed else ''}"


def comparison(bench: Benchmark) -> Table:
    """A row a method, by its last ELBO; A is where the paper's EM ends, B where scikit-learn does."""
    rows = [
        [
            name,
            f"{bench.final[name]:.2f}",
            f"{bench.full_elbo(name):.2f}",
            f"{bench.seconds(name):.1f}",
            _range(bench.content["methods"][name]["repeat_seconds"]),
            *_against(bench, PAPER, name),
            *_against(bench, bench.best_of_grid, name),
        ]
        for name in sorted(bench.final, key=bench.final.__getitem__, reverse=True)
    ]
    head = ["method", "ELBO", "with full $T$", "seconds", "in its runs", "s to A", "×", "s to B", "×"]
    return Table(head, rows)


def _against(bench: Benchmark, rival: str, name: str) -> list[str]:
    """Seconds to the ELBO of a rival, and how many times faster that is."""
    ours, theirs = (bench.seconds_to(rival, each) for each in (name, rival))
    if ours is None or theirs is None:
        return ["–", "–"]
    return [f"{ours:.1f}", f"{theirs / ours:.1f}"]


def _range(seconds: list[float]) -> str:
    """Shortest and longest of some times."""
    return f"{min(seconds):.1f} to {max(seconds):.1f}" if len(seconds) > 1 else "one run"


def about_the_comparison(bench: Benchmark) -> Text:
    """How far runs of one seed differ, and what the search for scikit-learn's α takes and finds."""
    grid = bench.grid
    searched = sum(map(bench.seconds, grid))
    difference = max(method["repeat_difference"] for method in bench.content["methods"].values())
    at_the_edge = bench.best_of_grid in (grid[0], grid[-1])
    found = "**The best is at the edge of the grid; a further one may be better.**"
    return Text(
        "Seconds are medians of the runs. These have the same seed; the largest "
        f"difference between the last ELBOs of two runs is {difference:.4f} nats. "
        "*With full $T$* is the ELBO of the same dictionary with full-covariance "
        "posteriors. scikit-learn's user has to search for $\\alpha$: these "
        f"{len(grid)} values took {searched:.1f} s together, and B counts only the best one's. "
        + (found if at_the_edge else "The best is inside the grid.")
    )


def full_posteriors(bench: Benchmark) -> Text:
    """What full posteriors add to diagonal ones, in a given dictionary and in learning."""
    gaps = ", ".join(
        f"**{bench.full_elbo(name) - bench.final[name]:.2f}** nats for that of *{name}*"
        for name in (FULL, PAPER, FAST)
    )
    return Text(
        f"On one and the same dictionary, full posteriors are above diagonal ones by {gaps}. "
        f"Judged with full posteriors, *{FULL}* ends "
        f"{bench.full_elbo(FULL) - bench.full_elbo(FAST):+.2f} nats from *{FAST}*."
    )


def ceilings(bench: Benchmark) -> Table:
    """Highest rates of the machine, by number of threads."""
    rows = bench.content["ceilings"]["rows"]
    return Table(
        ["ceiling", *(f"threads: {row['threads']}" for row in rows), "unit"],
        [
            [label, *(f"{row[name] / unit:.2f}" for row in rows), name_of_unit]
            for name, (label, name_of_unit, unit) in CEILINGS.items()
        ],
    )


def costs(bench: Benchmark) -> Table:
    """Operations, bytes and microseconds of a visit to a patch, and shares of two ceilings."""
    highest = {row["threads"]: row for row in bench.content["ceilings"]["rows"]}
    rows = [
        [
            family,
            *(f"{count:,}" for count in (row["n"], row["patch_size"] ** 2, row["h"], row["threads"])),
            *(f"{row[key]:,.0f}" for key in ("operations", "bytes")),
            *(f"{a_patch(row, key):.1f}" for key in ("seconds", "predicted")),
            *(
                f"{row[key] * row['n'] / row['seconds'] / highest[row['threads']][key]:.1%}"
                for key in ("operations", "bytes")
            ),
        ]
        for family, rows in bench.scaling.items()
        for row in rows
    ]
    head = ["posteriors", "$N$", "$D$", "$H$", "threads", "operations", "bytes"]
    return Table([*head, "µs", "predicted", "matmul", "memory"], rows)


def convergence(bench: Benchmark) -> Text:
    """After how many Newton steps the full-covariance E-step has converged, and how often it diverged."""
    exact = bench.content["exactness"]
    first = next((row["steps"] for row in exact["steps"] if row["converged"] >= NEARLY_ALL), None)
    answer = (
        "Not to the limit for 99.9 % of patches within these steps."
        if first is None
        else f"Yes, after {first} Newton steps for 99.9 % of patches."
    )
    return Text(
        f"{answer} Of {exact['patches']:,} held-out patches **{exact['diverged']} diverged** "
        "(ELBO not finite, or ever below the start's), from a cold start and for a "
        "dictionary that EM had just learned. A patch has converged when "
        r"$\|\partial_\nu \text{ELBO}\|$ is below "
        f"{exact['limit']:g} of "
        r"$\|\tilde W^\top x\| / \sigma^2$:"
    )


def newton_steps(bench: Benchmark) -> Table:
    """Share of converged patches, and the largest gradient, after numbers of steps."""
    return Table(
        ["Newton steps", "converged", "largest relative gradient"],
        [
            [str(row["steps"]), f"{row['converged']:.2%}", f"{row['largest']:.1e}"]
            for row in bench.content["exactness"]["steps"]
            if row["steps"]
        ],
    )


def reference(bench: Benchmark) -> Text:
    """Newton's method against L-BFGS."""
    found = bench.content["exactness"]["reference"]
    return Text(
        f"On {found['patches']} of these patches it is compared with L-BFGS on "
        "mean and Cholesky factor, in float64 and from another start, which shares "
        "no code with Newton's method. The largest differences of a patch are "
        f"{found['elbo']:.1e} nats in the ELBO, "
        f"{found['mean']:.1e} in $\\nu/\\sigma$ and {found['std']:.1e} in "
        "$\\tau/\\sigma$; L-BFGS itself stopped at a relative gradient of "
        f"{found['gradient']:.1e}."
    )


def of_many_patches(bench: Benchmark) -> Table:
    """What one pass over `MANY` patches costs, by family of posteriors."""
    columns = {family: rows[0] for family, rows in bench.scaling.items()}

    def row(label: str, cost: Callable[[dict[str, Any]], float]) -> list[str]:
        return [label, *(f"{cost(measured) * MANY:,.2f}" for measured in columns.values())]

    return Table(
        ["for one pass", *(f"{family} posteriors" for family in columns)],
        [
            row("core-hours", lambda one: a_patch(one, "seconds") / 1e6 / 3600),
            row("$10^{15}$ operations", lambda one: one["operations"] / 1e15),
            row("memory traffic, TB", lambda one: one["bytes"] / 1e12),
            row(
                "to store $x$, $\\nu$, $\\tau$, TB",
                lambda one: 4 * (one["patch_size"] ** 2 + 2 * one["h"]) / 1e12,
            ),
        ],
    )
