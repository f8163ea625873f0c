"""Runs on bars in tables: what they find, how near the truth's ELBO, and what is wrong with other optima."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import chain
from statistics import median

from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.papers.sparse_codes.bars.data import bar_fields
from paperlib.papers.sparse_codes.bars.judging import above_truth, failing, first_step_within
from paperlib.papers.sparse_codes.shown import Text, if_computed, runs_of
from paperlib.plotting import Table
from paperlib.records import Record

METHODS = {
    "joint": "joint L-BFGS, wide start (the paper's procedure)",
    "narrow": "joint L-BFGS, narrow start",
    "annealed": "joint L-BFGS, prior annealing",
    "em": "EM, diagonal, prior annealing",
    "restarts": "best of restarts, full covariances at the end",
}
FAMILIES = {"full": ("joint", "truth")} | {name: (name, f"truth-{name}") for name in ("low-rank", "diagonal")}
NEAR = 0.1  # nats below the generating dictionary's ELBO
ALL_FOUND = Text("Every run recovered the bars.")
Records = Mapping[str, Record]


def seeds(records: Records) -> Table:
    """A row for each joint run: what it found, and how quickly."""
    truths, gaps = runs_of(records, "truth"), above_truth(records, "joint", "elbo")
    rows = []
    for seed, run in runs_of(records, "joint").items():
        n, size = run.numbers, run.config["iterations_per_call"]
        near = first_step_within(n["history"], truths[seed].numbers["elbo"], NEAR)
        rows.append([
            str(seed),
            _yes(n["recovered"]),
            f"{n['smallest_cosine']:.2f}",
            f"{gaps[seed]:+.3f}",
            "never" if near is None else str(near * size),
            str(n["history"][-1]["step"] * size),
            str(sum(held > 1 for held in n["bars_held"])),
            f"{run.seconds:.0f}",
        ])  # fmt: skip
    head = ["seed", "recovered", "smallest cosine", "ELBO − truth's [nats]"]
    head += [f"iterations to {NEAR} nats below the truth", "iterations in all"]
    return Table([*head, "fields with several bars", "seconds"], rows)


@if_computed
def procedures(records: Records) -> Table:
    """How often each procedure finds the bars; ELBOs above the truth's and seconds are medians."""
    rows = []
    for method, label in METHODS.items():
        runs, gaps = runs_of(records, method), above_truth(records, method)
        found = {seed for seed, run in runs.items() if run.numbers["recovered"]}
        strictly = sum(run.numbers["recovered_strictly"] for run in runs.values())
        rows.append([
            label,
            _recovered(runs),
            f"{strictly} of {len(runs)}",
            _typical([gaps[seed] for seed in found]),
            _typical([gap for seed, gap in gaps.items() if seed not in found]),
            f"{median(run.seconds for run in runs.values()):.1f}",
        ])  # fmt: skip
    head = ["procedure", "recovered", r"with all $\lvert\cos\rvert > 0.9$", "ELBO − truth's, recovered"]
    return Table([*head, "ELBO − truth's, others", "seconds"], rows)


def restarts(records: Records) -> Table:
    """ELBOs of the single restarts above the truth's, best first."""
    truths, rows = runs_of(records, "truth"), []
    for seed, run in runs_of(records, "restarts").items():
        elbos = [row["elbo"] for row in run.numbers["history"][:-1]]  # the last is the end
        gaps = sorted((elbo - truths[seed].numbers["elbo"] for elbo in elbos), reverse=True)
        rows.append([str(seed), ", ".join(f"{gap:+.3f}" for gap in gaps)])
    return Table(["seed", "restarts"], rows)


@if_computed
def families(records: Records) -> Table:
    """The families of posteriors in joint runs, and what each costs at the truth."""
    rows = []
    for family, (method, truth) in FAMILIES.items():
        runs = runs_of(records, method)
        rows.append([
            family,
            _recovered(runs),
            f"{median(run.numbers['smallest_cosine'] for run in runs.values()):.2f}",
            _typical(above_truth(records, method, "elbo").values()),
            _typical(above_truth(records, method).values()),
            _typical(above_truth(records, truth, "elbo").values()),
        ])  # fmt: skip
    head = ["family", "recovered", "smallest cosine", "ELBO − truth's"]
    head += ["the same, judged with full posteriors", "the truth in this family − in full"]
    return Table(head, rows)


@if_computed
def extra_fields(records: Records) -> Table:
    """What dictionaries with more fields than bars learn: the bars' fields, and the others."""
    sizes = {run.config["n_latents"] for name, run in records.items() if name.startswith("joint1")}
    rows = []
    for n_latents, method in [(size, method) for size in sorted(sizes) for method in ("joint", "restarts")]:
        name = f"{method}{n_latents}"
        runs = runs_of(records, name)
        bars, usage, cosine = (list(chain(*of)) for of in zip(*map(_fields, runs.values()), strict=True))
        dead = sum(run.numbers["dead_fields"] for run in runs.values())
        rows.append([
            str(n_latents),
            METHODS[method],
            _recovered(runs),
            _typical(above_truth(records, name).values()),
            f"{median(bars):.1f}",
            f"{min(usage):.2f} to {max(usage):.1f}",
            f"{min(cosine):.2f} to {max(cosine):.2f}",
            f"{dead} of {len(usage)}",
        ])  # fmt: skip
    head = ["$H$", "procedure", "recovered", "ELBO − truth's", r"bars' $\lambda/\sigma$"]
    head += [r"extra fields' $\lambda/\sigma$", r"their largest $\lvert\cos\rvert$ with a bar", "dead"]
    return Table(head, rows)


def _fields(run: Record) -> tuple[list[float], list[float], list[float]]:
    """λ/σ of the bars' fields; λ/σ and the largest cosine with a bar of the fields that no bar needs."""
    usage, matched = run.numbers["usage"], run.numbers["matched"]
    extra = [h for h in range(len(usage)) if h not in matched]
    cosine = (normalize_columns(bar_fields(5)).T @ run.tensor("dictionary")).abs().amax(0)
    return [usage[h] for h in matched], [usage[h] for h in extra], [float(cosine[h]) for h in extra]


@if_computed
def optima(records: Records) -> Table | Text:
    """For each joint run that failed, how many fields hold how many bars."""
    gaps, runs, rows = above_truth(records, "joint"), runs_of(records, "joint"), []
    for seed in sorted(failing(records)):
        held = runs[seed].numbers["bars_held"]
        counts = [held.count(k) for k in (0, 1, 2)]
        rows.append([str(seed), *map(str, counts), str(len(held) - sum(counts)), f"{gaps[seed]:+.3f}"])
    head = ["seed", "fields without a bar", "one bar", "two", "more", "ELBO − truth's"]
    return Table(head, rows) if rows else ALL_FOUND


@if_computed
def more_data(records: Records) -> Table | Text:
    """Where runs that failed end on more data."""
    before, after = above_truth(records, "joint"), above_truth(records, "more", "elbo", "truth-more")
    rows = [
        [str(seed), f"{before[seed]:+.3f}", f"{after[seed]:+.3f}", _yes(run.numbers["recovered"])]
        for seed, run in runs_of(records, "more").items()
    ]
    head = ["seed", "ELBO − truth's", "the same with more data", "recovered then"]
    return Table(head, rows) if rows else ALL_FOUND


def _yes(value: bool) -> str:
    return "yes" if value else "**no**"


def _recovered(runs: Mapping[int, Record]) -> str:
    return f"{sum(run.numbers['recovered'] for run in runs.values())} of {len(runs)}"


def _typical(nats: Collection[float]) -> str:
    """Median with its sign."""
    return f"{median(nats):+.3f}" if nats else "–"
