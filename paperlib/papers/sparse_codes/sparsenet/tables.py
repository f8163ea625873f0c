"""What the runs of several learners say, in tables and sentences: judgements, weights, and the original."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import mean
from typing import Any

from paperlib.papers.sparse_codes.fields.measures import LOCALIZED, effective_pixels
from paperlib.papers.sparse_codes.learners.sparsenet import Cost
from paperlib.papers.sparse_codes.shown import Text, if_computed, setting
from paperlib.papers.sparse_codes.sparsenet.groups import by_learner, describe_learner, weight_grids
from paperlib.plotting import Table
from paperlib.records import Record, by_seed, spread, values

Records = Mapping[str, Record]
ORIGINAL: dict[str, Any] = {  # the original code on the original images, 16×16 pixels, 100 fields
    "cost": {10_000: 176.0, 30_000: 174.0},  # batches → a patch, mean over the last 2,000 batches
    "elbo": 97.0,  # of its dictionary after 30,000; diagonal posteriors, 10,240 patches
    "milliseconds": 54.0,  # a batch, on one core
}


@if_computed
def score_table(records: Records) -> Table:
    """ELBO, entropies and looks of each learner's dictionaries, by their mean diagonal ELBO."""
    groups = by_learner(records)
    order = sorted(groups, key=lambda name: -_elbos(groups[name])["diagonal"])
    head = ["learner", "ELBO, diagonal", "ELBO, full", r"$H[p_{\sigma^2}(x\mid z)]$", "mean $H[q]$"]
    head += [r"$H[p_\lambda(z)]$", "outside [%]", "localized [%]", "Gini index", "dead fields", "seconds"]
    return Table(head, [_score_row(name, groups[name]) for name in order])


def _score_row(name: str, runs: list[Record]) -> list[str]:
    def average(*path: str) -> float:
        return mean(values(runs, *path))

    terms = (average("judged", "diagonal", "entropies", key) for key in ("likelihood", "posterior", "prior"))
    gini, deviation = (average("judged", "diagonal", key) for key in ("gini", "gini_sd"))
    return [
        name,
        *(spread(values(runs, "judged", family, "elbo")) for family in ("diagonal", "full")),
        *(f"{term:.1f}" for term in terms),
        f"{100 * average('outside'):.1f}",
        f"{mean(map(localized, runs)):.0f}",
        f"{gini:.3f} ± {deviation:.3f}",
        f"{max(map(_lost, runs))}",
        f"{average('learning_seconds'):.0f}",
    ]


def localized(record: Record) -> float:
    """Percentage of the fields that are localized."""
    fields = record.tensor("dictionary")
    return 100 * float((effective_pixels(fields) <= LOCALIZED * len(fields)).float().mean())


def _lost(record: Record) -> int:
    """How many of the H fields are dead, or were not found at all."""
    numbers = record.numbers
    return numbers["judged"]["diagonal"]["dead_fields"] + record.config["n_latents"] - numbers["fields"]


def _elbos(runs: list[Record]) -> dict[str, float]:
    """Mean ELBO by family of posteriors."""
    return {family: mean(values(runs, "judged", family, "elbo")) for family in ("diagonal", "full")}


@if_computed
def verdict(records: Records) -> Text:
    """How far sparsenet is from the entropy ELBO, who is best, and what full covariances add."""
    elbos = {name: _elbos(runs) for name, runs in by_learner(records).items()}
    ours = elbos[describe_learner({"learner": "em"})]
    theirs = elbos[describe_learner(records["sparsenet-0"].config)]
    diagonal, full = (ours[family] - theirs[family] for family in ("diagonal", "full"))
    best = {family: max(elbos, key=lambda name: elbos[name][family]) for family in ours}
    added = {name: elbo["full"] - elbo["diagonal"] for name, elbo in elbos.items()}
    least, most = min(added, key=added.__getitem__), max(added, key=added.__getitem__)
    return Text(
        f"**Sparsenet's dictionaries score {_less(diagonal, 'nats a patch ')} than those of the entropy "
        f"ELBO** with diagonal posteriors, the paper's judgement, and {_less(full)} with full ones. "
        f"The highest ELBO has *{best['diagonal']}* with diagonal and *{best['full']}* with full posteriors; "
        f"full covariances add least for *{least}* ({added[least]:.1f} nats) and most for *{most}* "
        f"({added[most]:.1f}). Runs: {setting(by_seed(records))}."
    )


def _less(gap: float, unit: str = "") -> str:
    return f"{abs(gap):.1f} {unit}{'less' if gap > 0 else 'more'}"


@if_computed
def weight_table(records: Records) -> Table:
    """What sparsenet's constants assume, and what the judgement finds; of the first seed."""
    rows = []
    for name, (record, *_) in by_learner(records).items():
        if record.config["learner"] != "sparsenet":
            continue
        numbers, judged = record.numbers, record.numbers["judged"]["diagonal"]
        cost = Cost(sparsity=record.config.get("sparsity", Cost.sparsity))
        # an entropy of Laplace priors is the sum of 1 + log 2λ
        found = math.exp(judged["entropies"]["prior"] / numbers["fields"] - 1) / 2 * math.log(2)
        rows.append([
            name, f"{1 / cost.precision:.4f}", f"{judged['noise_variance']:.4f}",
            f"{numbers['gain'] * cost.prior_median:.3f}", f"{found:.3f}", f"{judged['elbo']:.1f}",
        ])  # fmt: skip
    head = ["learner", r"assumed $1/\lambda$", r"$\sigma^2$ found", "assumed median $|z_h|$"]
    return Table([*head, "found", "ELBO, diagonal"], rows)


@if_computed
def weight_verdict(records: Records) -> Text:
    """Whether the best weight closes the gap to the entropy ELBO, a line for each learner with a weight."""
    reference = _elbos(by_seed(records)["em-none"])["diagonal"]
    return Text("\n".join(_best_weight(*item, reference) for item in weight_grids(records).items()))


def _best_weight(label: str, grid: Mapping[float, list[Record]], reference: float) -> str:
    elbos = {weight: values(runs, "judged", "diagonal", "elbo") for weight, runs in grid.items()}
    means = {weight: mean(runs) for weight, runs in elbos.items()}
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    within = max(max(runs) - min(runs) for runs in elbos.values())
    gap = reference - means[best]
    seeds = f" (one weight's seeds: up to {within:.1f})" if within else ""
    return (
        f"- The best of {len(grid)} values of {label} is {best:g}, {means[best] - means[worst]:.1f} nats "
        f"above the worst{seeds} and {abs(gap):.1f} nats {'below' if gap > 0 else 'above'} the entropy ELBO, "
        "which has none."
    )


@if_computed
def held_to_the_original(records: Records) -> Table | Text:
    """Cost, ELBO and time beside those of the original code, where images and sizes are the same."""
    runs = by_learner(records)[describe_learner(records["sparsenet-0"].config)]
    batches = runs[0].config["n_batches"]
    if not _as_the_original(runs[0]):
        return Text(
            f"*These runs have other sizes or images than the original's ({setting(by_seed(records))}, "
            f"{batches:,} batches), so their numbers cannot be compared with it.*"
        )
    cost, elbos = ORIGINAL["cost"][batches], values(runs, "judged", "diagonal", "elbo")
    costs, milliseconds = values(runs, "cost"), values(runs, "milliseconds")
    return Table(
        [f"{batches:,} batches of 100 patches", "original", "here", "difference"],
        [
            ["cost a patch", f"{cost:.0f}", spread(costs, 1), f"{100 * (mean(costs) / cost - 1):+.1f} %"],
            ["ELBO, diagonal posteriors (original: 30,000 batches)", f"{ORIGINAL['elbo']:.1f}",
             spread(elbos, 1), f"{mean(elbos) - ORIGINAL['elbo']:+.1f} nats"],
            ["milliseconds a batch, one core (other machine, other day)",
             f"{ORIGINAL['milliseconds']:.0f}", f"{mean(milliseconds):.1f}", ""],
        ],
    )  # fmt: skip


def _as_the_original(record: Record) -> bool:
    config = record.config
    same = (config["patch_size"], config["n_latents"], config["n_test"]) == (16, 100, 10_240)
    same &= "olshausen" in record.provenance["images"]["source"] and config["learning_rate"] == 1.0
    return same and config["n_batches"] in ORIGINAL["cost"]
