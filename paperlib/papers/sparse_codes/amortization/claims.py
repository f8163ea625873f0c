"""Claims about amortized learning: what the encoder loses, what low rank and annealing bring (4.2, E.3)."""

from __future__ import annotations

from functools import partial
from statistics import mean

from paperlib.papers.sparse_codes.amortization.experiment import gaps, training_gap
from paperlib.papers.sparse_codes.judging import elbo
from paperlib.records import Record, spread
from paperlib.records.claims import Claim, Finding, Gain, Groups, Verdict, gain, graded

PAGE = "amortization"
MINOR = 2.0  # nats, of about a hundred


def _own(record: Record) -> float:
    """ELBO that a method itself reaches on other patches: by the encoder, or by optimal posteriors in EM."""
    judged = record.numbers.get("of_record")
    return judged["encoder"] if judged else elbo(record)


def _minor_gap(runs: Groups) -> Finding:
    others = [gaps(record)[1] for record in runs["diagonal"]]
    return Finding(f"{spread(others)} nats on other patches", Verdict.of(mean(others) < MINOR), len(others))


def _lack_of_capacity(runs: Groups) -> Finding:
    others = mean(gaps(record)[1] for record in runs["diagonal"])
    seen = [training_gap(record) for record in runs["diagonal"]]
    # a lack of capacity shows on patches that were seen, too; but so does a lack of training
    text = f"{100 * mean(seen) / others:.0f} % of it are there on training patches; more epochs lessen it"
    return Finding(text, Verdict.UNCHECKABLE if mean(seen) > others / 2 else Verdict.NOT, len(seen))


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
    return Finding(text, graded([stronger, rank]) if stronger else Verdict.NOT, rank.seeds)


def _annealing_matters_less(runs: Groups) -> Finding:
    _, amortized = _effects(runs)
    em = gain(runs["paper-none"], runs["paper-prior"], _own)
    smaller = abs(amortized.value) + 2 * amortized.error < abs(em.value) - 2 * em.error
    text = f"amortized (γ from 2) {amortized.text()} nats, the paper's EM (γ from 10) {em.text()}"
    judged = Verdict.of(smaller, partly=abs(amortized.value) < abs(em.value))
    return Finding(text, judged, min(amortized.seeds, em.seeds))


_claim = partial(Claim, "amortization-claims")
CLAIMS = [
    _claim("E.3", "There is a minor amortization gap.", _minor_gap),
    _claim("E.3", "The gap is for lack of the encoder's capacity.", _lack_of_capacity),
    _claim("E.3", "Low-rank covariances diminish what is lost.", _low_rank_diminishes_it),
    _claim("4.2", "In amortized learning low-rank covariances have a stronger effect than annealing.",
           _rank_matters_more),
    _claim("4.2", "Annealing has a smaller effect with amortization than without.", _annealing_matters_less),
]  # fmt: skip
