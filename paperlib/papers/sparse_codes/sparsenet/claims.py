"""Claims about sparsenet (4.2)."""

from __future__ import annotations

from paperlib.papers.sparse_codes.judging import elbo
from paperlib.records.claims import Claim, Finding, Groups, Verdict, gain

PAGE = "sparsenet"
MOST = 0.8  # of a gap


def _sparsenet_is_lower(runs: Groups) -> Finding:
    lead = gain(runs["sparsenet"], runs["em-none"], elbo)
    return Finding(f"EM minus sparsenet: {lead.text(1)} nats", lead.verdict, lead.seeds)


def _weight_is_the_reason(runs: Groups) -> Finding:
    weights = [group for group in runs.values() if group[0].config["learner"] == "sparsenet"]
    lead = gain(runs["sparsenet"], runs["em-none"], elbo)
    rest = min((gain(group, runs["em-none"], elbo) for group in weights), key=lambda gap: gap.value)
    text = f"with the best of {len(weights)} weights EM minus sparsenet is still {rest.text(1)} nats"
    closed = 1 - rest.value / lead.value
    return Finding(text, Verdict.of(closed > MOST, partly=closed > 1 - MOST), rest.seeds)


CLAIMS = [
    Claim("sparsenet-verdict", "4.2", "A sparsenet dictionary has a lower ELBO.", _sparsenet_is_lower),
    Claim("sparsenet-weights", "4.2",
          "It underfits because the weight of its sparsity penalty is set by hand.", _weight_is_the_reason),
]  # fmt: skip
