"""Claims about amortized learning: what the encoder loses, what low rank and annealing bring (4.2, E.3)."""

from __future__ import annotations

from statistics import mean

from paperlib.claims.base import Claim, Finding, Gain, Groups, elbo, gain, graded
from paperlib.experiments import Record, spread
from paperlib.experiments.amortization import gaps, training_gap

MINOR = 2.0  # nats, of about a hundred


def _own(record: Record) -> float:
    """ELBO that a method itself reaches on other patches: by the encoder, or by optimal posteriors in EM."""
    judged = record.numbers.get("of_record")
    return judged["encoder"] if judged else elbo(record)


def _minor_gap(runs: Groups) -> Finding:
    others, seen = [gaps(r)[1] for r in runs["diagonal"]], [training_gap(r) for r in runs["diagonal"]]
    text = f"{spread(others)} nats on other patches, {spread(seen)} on training patches"
    capacity = mean(seen) > mean(others) / 2  # a lack of capacity shows on patches that were seen, too
    return Finding(text, graded([mean(others) < MINOR, capacity]), len(others))


def _low_rank_diminishes_it(runs: Groups) -> Finding:
    less = gain(runs["low-rank"], runs["diagonal"], lambda record: gaps(record)[1])
    return Finding(f"diagonal minus low rank: {less.text()} nats", less.verdict, less.seeds)


def _effects(runs: Groups) -> tuple[Gain, Gain]:
    """What low rank and what annealing change in amortized learning."""
    return gain(runs["diagonal"], runs["low-rank"], _own), gain(
        runs["diagonal"], runs["diagonal-annealed"], _own
    )


def _rank_matters_more(runs: Groups) -> Finding:
    rank, annealing = _effects(runs)
    text = f"low rank {rank.text()} nats, annealing {annealing.text()}"
    surer = rank.value - abs(annealing.value) > 2 * max(rank.error, annealing.error)
    stronger = rank.value > abs(annealing.value)
    return Finding(text, graded([stronger, surer]) if stronger else graded([False]), rank.seeds)


def _annealing_matters_less(runs: Groups) -> Finding:
    _, amortized = _effects(runs)
    em = gain(runs["paper-none"], runs["paper-prior"], _own)
    text = f"amortized {amortized.text()} nats, the paper's EM {em.text()}"
    return Finding(text, graded([abs(amortized.value) < abs(em.value)]), min(amortized.seeds, em.seeds))


CLAIMS = [
    Claim("E.3", "There is a minor amortization gap, for lack of capacity.",
          "amortization", "amortization-claims", _minor_gap),
    Claim("E.3", "Low-rank covariances diminish it.",
          "amortization", "amortization-claims", _low_rank_diminishes_it),
    Claim("4.2", "In amortized learning low-rank covariances have a stronger effect than annealing.",
          "amortization", "amortization-claims", _rank_matters_more),
    Claim("4.2", "Annealing has a smaller effect with amortization than without.",
          "amortization", "amortization-claims", _annealing_matters_less),
]  # fmt: skip
