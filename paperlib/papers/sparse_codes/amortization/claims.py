"""Claims about amortized learning: what the encoder loses, what low rank and annealing bring (4.2, E.3)."""

from __future__ import annotations

from statistics import mean

from paperlib.papers.sparse_codes.amortization.experiment import gaps, training_gap
from paperlib.papers.sparse_codes.judging import elbo
from paperlib.records import Record, spread
from paperlib.records.claims import (
    NOT,
    PARTLY,
    UNCHECKABLE,
    Claim,
    Finding,
    Gain,
    Groups,
    gain,
    graded,
    verdict,
)

MINOR = 2.0  # nats, of about a hundred


def _own(record: Record) -> float:
    """ELBO that a method itself reaches on other patches: by the encoder, or by optimal posteriors in EM."""
    judged = record.numbers.get("of_record")
    return judged["encoder"] if judged else elbo(record)


def _minor_gap(runs: Groups) -> Finding:
    others = [gaps(record)[1] for record in runs["diagonal"]]
    return Finding(f"{spread(others)} nats on other patches", verdict(mean(others) < MINOR), len(others))


def _lack_of_capacity(runs: Groups) -> Finding:
    others = mean(gaps(record)[1] for record in runs["diagonal"])
    seen = [training_gap(record) for record in runs["diagonal"]]
    # a lack of capacity shows on patches that were seen, too; but so does a lack of training
    text = f"{100 * mean(seen) / others:.0f} % of it are there on training patches; more epochs lessen it"
    return Finding(text, UNCHECKABLE if mean(seen) > others / 2 else NOT, len(seen))


def _low_rank_diminishes_it(runs: Groups) -> Finding:
    less = gain(runs["low-rank"], runs["diagonal"], lambda record: sum(gaps(record)))
    text = f"below the best full posteriors, diagonal minus low rank: {less.text()} nats"
    return Finding(text, less.verdict, less.seeds)


def _effects(runs: Groups) -> tuple[Gain, Gain]:
    """What low rank and what annealing change in amortized learning."""
    return gain(runs["diagonal"], runs["low-rank"], _own), gain(
        runs["diagonal"], runs["diagonal-annealed"], _own
    )


def _rank_matters_more(runs: Groups) -> Finding:
    rank, annealing = _effects(runs)
    stronger = rank.value > abs(annealing.value)
    text = f"low rank {rank.text()} nats, annealing {annealing.text()}"
    return Finding(text, graded([stronger, rank]) if stronger else NOT, rank.seeds)


def _annealing_matters_less(runs: Groups) -> Finding:
    _, amortized = _effects(runs)
    em = gain(runs["paper-none"], runs["paper-prior"], _own)
    smaller = abs(amortized.value) + 2 * amortized.error < abs(em.value) - 2 * em.error
    text = f"amortized (γ from 2) {amortized.text()} nats, the paper's EM (γ from 10) {em.text()}"
    surely = PARTLY if abs(amortized.value) < abs(em.value) else NOT
    return Finding(text, verdict(smaller, surely), min(amortized.seeds, em.seeds))


CLAIMS = [
    Claim("E.3", "There is a minor amortization gap.",
          "amortization", "amortization-claims", _minor_gap),
    Claim("E.3", "The gap is for lack of the encoder's capacity.",
          "amortization", "amortization-claims", _lack_of_capacity),
    Claim("E.3", "Low-rank covariances diminish what is lost.",
          "amortization", "amortization-claims", _low_rank_diminishes_it),
    Claim("4.2", "In amortized learning low-rank covariances have a stronger effect than annealing.",
          "amortization", "amortization-claims", _rank_matters_more),
    Claim("4.2", "Annealing has a smaller effect with amortization than without.",
          "amortization", "amortization-claims", _annealing_matters_less),
]  # fmt: skip
