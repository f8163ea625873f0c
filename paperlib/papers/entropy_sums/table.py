"""The table of all models: every topic's rows, computed."""

from __future__ import annotations

from paperlib.papers.entropy_sums.base_measures import rows as base_measures
from paperlib.papers.entropy_sums.belief_nets import rows as belief_nets
from paperlib.papers.entropy_sums.exceptions import rows as exceptions
from paperlib.papers.entropy_sums.linear_gaussian import rows as linear_gaussian
from paperlib.papers.entropy_sums.mixtures import rows as mixtures
from paperlib.papers.entropy_sums.rows import Rows
from paperlib.papers.entropy_sums.sparse_coding import rows as sparse_coding
from paperlib.papers.three_entropies.vaes import rows as vaes

TOPICS = (
    linear_gaussian,
    mixtures,
    base_measures,
    belief_nets,
    sparse_coding,
    vaes,
    exceptions,
)
ROWS: Rows = {name: row for topic in TOPICS for name, row in topic.ROWS.items()}
