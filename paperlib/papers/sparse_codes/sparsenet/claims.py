"""Claims about sparsenet (4.2) and Bürmann's series (E.1)."""

from __future__ import annotations

from statistics import mean, stdev

from paperlib.papers.sparse_codes.judging import elbo
from paperlib.records import values
from paperlib.records.claims import CONTRADICTED, NOT, PARTLY, Claim, Finding, Groups, gain, verdict

LONGER = 15, 35  # % of learning time that count as 20 to 30
ROUGHLY = 0, 60
MOST = 0.8  # of a gap


def _sparsenet_is_lower(runs: Groups) -> Finding:
    lead = gain(runs["sparsenet"], runs["em-none"], elbo)
    return Finding(f"EM minus sparsenet: {lead.text(1)} nats", lead.verdict, lead.seeds)


def _weight_is_the_reason(runs: Groups) -> Finding:
    weights = [name for name in runs if name.startswith("sparsenet")]
    lead = gain(runs["sparsenet"], runs["em-none"], elbo)
    rest = min((gain(runs[name], runs["em-none"], elbo) for name in weights), key=lambda gap: gap.value)
    text = f"with the best of {len(weights)} weights EM minus sparsenet is still {rest.text(1)} nats"
    closed = 1 - rest.value / lead.value
    return Finding(text, verdict(closed > MOST, PARTLY if closed > 1 - MOST else NOT), rest.seeds)


def _same_with_series(runs: Groups) -> Finding:
    change = gain(runs["torch"], runs["burmann"], lambda record: record.numbers["elbo"])
    if change.seeds == 1:
        return Finding(f"series minus erf: {change.text(3)} nats, one seed", PARTLY, 1)
    seeds = stdev(values(runs["torch"], "elbo"))
    text = f"series minus erf: {change.text(3)} nats; two seeds differ by {seeds:.3f} (standard deviation)"
    return Finding(text, verdict(abs(change.value) < seeds), change.seeds)


def _longer_with_series(runs: Groups) -> Finding:
    seconds = {name: mean(values(runs[name], "learning_seconds")) for name in ("torch", "burmann")}
    longer = 100 * (seconds["burmann"] / seconds["torch"] - 1)
    near = PARTLY if ROUGHLY[0] < longer <= ROUGHLY[1] else NOT
    judged = verdict(LONGER[0] <= longer <= LONGER[1], CONTRADICTED if longer <= 0 else near)
    return Finding(f"{longer:+.0f} % of learning time", judged, len(runs["burmann"]))


CLAIMS = [
    Claim("4.2", "A sparsenet dictionary has a lower ELBO.",
          "sparsenet", "sparsenet-verdict", _sparsenet_is_lower),
    Claim("4.2", "It underfits because the weight of its sparsity penalty is set by hand.",
          "sparsenet", "sparsenet-weights", _weight_is_the_reason),
    Claim("E.1", "Bürmann's series instead of erf makes no difference to the result.",
          "error_function", "erf-run", _same_with_series),
    Claim("E.1", "Bürmann's series takes 20 to 30 % longer.",
          "error_function", "erf-run", _longer_with_series),
]  # fmt: skip
