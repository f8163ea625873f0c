"""The claims of the paper, of its abstract and of its public code, by page of the book."""

from __future__ import annotations

from paperlib.papers.three_entropies.collapse import claims as collapse
from paperlib.papers.three_entropies.linear_vae import claims as linear_vae
from paperlib.papers.three_entropies.streaming import claims as streaming
from paperlib.papers.three_entropies.vaes import claims as vaes
from paperlib.records.claims import Claim

CLAIMS: dict[str, list[Claim]] = {page.PAGE: page.CLAIMS for page in (linear_vae, vaes, collapse, streaming)}
