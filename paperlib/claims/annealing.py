"""Claims about entropy annealing (Figs. 4, 9 to 11; E.4), among them the numbers of Table 1."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import mean

from paperlib.claims.base import (
    CONTRADICTED,
    NOT,
    PARTLY,
    Claim,
    Finding,
    Groups,
    difference,
    elbo,
    epochs,
    verdict,
)
from paperlib.experiments import Record, spread


def _first(records: Sequence[Record], key: str) -> list[float]:
    return [epochs(record)[0][key] for record in records]


def _localized_early(runs: Groups) -> Finding:
    annealed, plain = _first(runs["paper-prior"], "pixels"), _first(runs["paper-none"], "pixels")
    text = f"effective pixels after epoch 1: {spread(annealed, 0)}, without annealing {spread(plain, 0)}"
    return Finding(text, verdict(mean(annealed) < mean(plain)), len(annealed))


def _sparse_early(runs: Groups) -> Finding:
    annealed, plain = _first(runs["paper-prior"], "gini"), _first(runs["paper-none"], "gini")
    text = f"Gini index after epoch 1: {spread(annealed, 3)}, without annealing {spread(plain, 3)}"
    return Finding(text, verdict(mean(annealed) > mean(plain)), len(annealed))


def _likelihood_is_less_localized(runs: Groups) -> Finding:
    sizes = {}
    for kind in ("prior", "likelihood"):
        rows = [epochs(record) for record in runs[f"paper-{kind}"]]
        sizes[kind] = [mean(row["pixels"] for row in history[: len(history) // 2]) for history in rows]
    text = ", ".join(f"{kind} {spread(numbers, 0)}" for kind, numbers in sizes.items())
    holds = mean(sizes["likelihood"]) > mean(sizes["prior"])
    return Finding(
        f"effective pixels in the first half: {text}", verdict(holds, CONTRADICTED), len(sizes["prior"])
    )


def _dimensions_collapse(runs: Groups) -> Finding:
    first = _first(runs["paper-likelihood"], "collapsed")
    last = [epochs(record)[-1]["collapsed"] for record in runs["paper-likelihood"]]
    text = f"collapsed latents: {spread(first, 1)} after epoch 1, {spread(last, 1)} after the last"
    return Finding(text, verdict(min(first) > 0 and mean(last) < mean(first)), len(first))


def _noise_disappears(runs: Groups) -> Finding:
    last = [epochs(record)[-1]["collapsed"] for record in runs["paper-likelihood"]]
    return Finding(
        f"collapsed latents after the last epoch: {spread(last, 1)}",
        verdict(max(last) == 0, PARTLY),
        len(last),
    )


def _all_in_use(runs: Groups) -> Finding:
    first = _first(runs["paper-prior"], "collapsed")
    text = f"collapsed latents after epoch 1: {spread(first, 1)}"
    return Finding(text, verdict(max(first) == 0, PARTLY), len(first))


def _same_in_the_end(runs: Groups) -> Finding:
    _, text = difference(runs["paper-likelihood"], runs["paper-prior"], elbo)
    shares = {
        kind: [mean(share > 0.5 for share in r.numbers["gabor"]) for r in runs[f"paper-{kind}"]]
        for kind in ("prior", "likelihood")
    }
    gabors = " and ".join(f"{100 * mean(numbers):.0f} %" for numbers in shares.values())
    similar = abs(mean(shares["prior"]) - mean(shares["likelihood"])) < 0.1
    text = f"prior minus likelihood: {text}; Gabors {gabors}"
    return Finding(text, verdict(similar, PARTLY), len(runs["paper-prior"]))


def _annealed_is_lower(runs: Groups) -> Finding:
    gaps = []
    for record in runs["paper-prior"]:
        rows = epochs(record)
        annealed = max(row["elbo"] for row in rows if row["prior_weight"] > 1)
        gaps.append(max(row["elbo"] for row in rows) - annealed)
    text = f"best epoch with γ = 1 above the best annealed one: {spread(gaps)} nats"
    return Finding(text, verdict(min(gaps) > 0), len(gaps))


TABLE_1 = {  # as printed: kind of annealing, ELBO, H[p(x|z)], mean H[q], H[p(z)]
    "no annealing": ("none", 32.40, -234.70, -98.97, 103.33),
    "annealing 1, early": ("prior", -218.72, 10.71, -365.22, -157.21),
    "annealing 1, middle": ("prior", -17.29, -144.81, -112.68, 49.41),
    "annealing 1, end": ("prior", 29.65, -235.50, -99.67, 106.18),
    "annealing 2, early": ("likelihood", -228.33, 30.59, -234.02, -36.27),
    "annealing 2, middle": ("likelihood", -17.77, -115.24, -72.77, 60.24),
    "annealing 2, end": ("likelihood", 29.74, -234.98, -99.43, 105.80),
}
TABLE_1_KEYS = ("elbo", "likelihood_entropy", "posterior_entropy", "prior_entropy")
NEAR = 5.0  # nats


def table_1_row(record: Record, label: str) -> dict:
    """The epoch of a run that a printed row is compared with: the last, or that of the closest H[p(x|z)]."""
    rows = epochs(record)
    if label.endswith("end") or label == "no annealing":
        return rows[-1]
    return min(rows, key=lambda row: abs(row["likelihood_entropy"] - TABLE_1[label][2]))


def _printed_row(label: str, runs: Groups) -> Finding:
    kind, *printed = TABLE_1[label]
    rows = [table_1_row(record, label) for record in runs[f"paper-{kind}"]]
    ours = [[row[key] for row in rows] for key in TABLE_1_KEYS]
    near = [abs(mean(numbers) - number) < NEAR for numbers, number in zip(ours, printed, strict=True)]
    text = ", ".join(spread(numbers, 1) for numbers in ours)
    return Finding(text, verdict(all(near), PARTLY if any(near) else NOT), len(rows))


PRINTED = [
    Claim("Table 1", f"{label}: ELBO {numbers[0]}, $H[p(x\\mid z)]$ {numbers[1]}, mean $H[q]$ {numbers[2]}, "
          f"$H[p(z)]$ {numbers[3]}.", "annealing", "table-1",
          partial(_printed_row, label))
    for label, (_, *numbers) in TABLE_1.items()
]  # fmt: skip

CLAIMS = [
    Claim("4.2, E.4, Fig. 10", "With prior annealing fields are localized after one epoch already.",
          "annealing", "fig-development", _localized_early),
    Claim("4.2, Fig. 4, Fig. 9", "Prior annealing makes codes sparse early (Gini index).",
          "annealing", "fig-entropies", _sparse_early),
    Claim("4.2, E.4, Fig. 11", "Fields are less localized during likelihood than during prior annealing.",
          "annealing", "fig-entropies", _likelihood_is_less_localized),
    Claim("E.4", "With likelihood annealing posteriors of some latents collapse; latents come in gradually.",
          "annealing", "collapse-counted", _dimensions_collapse),
    Claim("E.4", "Fields that explain nothing disappear entirely as likelihood annealing ends.",
          "annealing", "collapse-counted", _noise_disappears),
    Claim("E.4", "With prior annealing all latents are in use from the beginning.",
          "annealing", "collapse-counted", _all_in_use),
    Claim("E.4, Figs. 10, 11", "Prior and likelihood annealing end in similar fields.",
          "annealing", "fig-development", _same_in_the_end),
    Claim("E.4", "The highest ELBO is reached only with the weights of the ELBO itself.",
          "annealing", "fig-entropies", _annealed_is_lower),
    *PRINTED,
]  # fmt: skip
