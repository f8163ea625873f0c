"""Claims about natural images: the four objectives (Figs. 3, 8; Section 4.2)."""

from __future__ import annotations

import math
from statistics import mean

from paperlib.claims.base import (
    NOT,
    PARTLY,
    UNCHECKABLE,
    Claim,
    Finding,
    Groups,
    difference,
    elbo,
    epochs,
    own_elbo,
    verdict,
)
from paperlib.experiments import Record, spread


def _all_gabors(runs: Groups) -> Finding:
    names = ("paper-none", "paper-prior", "amortized-none", "lowrank-prior")
    shares = {
        name: [mean(share > 0.5 for share in record.numbers["gabor"]) for record in runs[name]]
        for name in names
    }
    lowest = min(shares, key=lambda name: mean(shares[name]))
    text = f"{100 * mean(shares[lowest]):.0f} % of the fields or more ({lowest} has the fewest)"
    good = [mean(share) > 0.8 for share in shares.values()]
    return Finding(
        text, verdict(all(good), PARTLY if any(good) else NOT), min(len(s) for s in shares.values())
    )


def _passes_to(record: Record, goal: float) -> float:
    rows = [row for row in record.numbers["history"] if row.get("held_out", -math.inf) >= goal]
    return rows[0]["step"] if rows else math.inf


def _annealing_is_fastest(runs: Groups) -> Finding:
    plain, annealed = runs["paper-none"], runs["paper-prior"]
    partners = {record.config["seed"]: record for record in plain}
    passes = []
    for record in annealed:
        partner = partners[record.config["seed"]]
        goal = partner.numbers["history"][-1]["held_out"]
        passes.append((_passes_to(record, goal), partner.config["n_epochs"]))
    texts = [f"{ours:g} of {theirs}" for ours, theirs in passes]
    fast = all(ours < theirs for ours, theirs in passes)
    return Finding(
        f"passes until it is where the plain run ends: {', '.join(texts)}", verdict(fast), len(passes)
    )


def _annealing_is_highest(runs: Groups) -> Finding:
    names = ("paper-none", "paper-prior", "amortized-none", "lowrank-prior")
    ends = {name: [own_elbo(record) for record in runs[name]] for name in names}
    best = max(ends, key=lambda name: mean(ends[name]))
    text = "; ".join(f"{name} {spread(numbers)}" for name, numbers in ends.items())
    return Finding(text, verdict(best == "paper-prior"), min(map(len, ends.values())))


def _similar_without(runs: Groups) -> Finding:
    gain, text = difference(runs["paper-none"], runs["paper-prior"], elbo)
    similar = verdict(0 < gain < 5, PARTLY)  # of about 100 nats
    return Finding(f"annealed minus plain: {text}", similar, len(runs["paper-none"]))


def _amortized_is_lower(runs: Groups) -> Finding:
    gain, text = difference(runs["paper-none"], runs["amortized-none"], own_elbo)
    return Finding(f"(C) minus (A): {text}", verdict(gain < 0), len(runs["amortized-none"]))


def _low_rank_is_better(runs: Groups) -> Finding:
    gain, text = difference(runs["amortized-none"], runs["lowrank-prior"], own_elbo)
    return Finding(f"(D) minus (C): {text}", verdict(gain > 0), len(runs["lowrank-prior"]))


def _seconds_an_epoch(runs: Groups) -> Finding:
    text = "; ".join(
        f"{label} {spread([epochs(r)[-1]['seconds'] / len(epochs(r)) for r in runs[name]], 1)} s"
        for label, name in (("EM", "paper-prior"), ("Adam", "amortized-none"), ("fast EM", "em-prior"))
    )
    return Finding(f"on one core of a CPU: {text}", UNCHECKABLE, len(runs["paper-prior"]))


CLAIMS = [
    Claim("4.2, Fig. 8", "All four objectives end in Gabor-like fields.",
          "natural_images", "fig-final-fields", _all_gabors),
    Claim("4.2, Fig. 3", "Prior annealing without amortization converges fastest.",
          "natural_images", "fig-learning-curves", _annealing_is_fastest),
    Claim("4.2, Fig. 3", "Prior annealing without amortization reaches the highest ELBO of the four.",
          "natural_images", "table-objectives", _annealing_is_highest),
    Claim("4.2, Fig. 3", "Without annealing the final ELBO is similar, but takes longer.",
          "natural_images", "table-objectives", _similar_without),
    Claim("4.2, E.3", "Amortized learning with diagonal covariances ends lower.",
          "natural_images", "table-objectives", _amortized_is_lower),
    Claim("4.2, E.3", "Low-rank covariances with prior annealing improve amortized learning.",
          "natural_images", "table-objectives", _low_rank_is_better),
    Claim("E", "An epoch takes 156 s with EM and 12 s with Adam (i9-9900K, GTX 1070).",
          "natural_images", "table-objectives", _seconds_an_epoch),
]  # fmt: skip
