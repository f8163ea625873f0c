"""The paper's experiments as functions: a configuration in, numbers and dictionaries out (Section 4, App. E).

Each module is one experiment; `records` keeps what they return, with its provenance.  Pages call them.
"""

from paperlib.records.record import Outcome, Record, Results, read_records, results_folder
from paperlib.records.summary import by_seed, read_complete, spread, values

__all__ = [
    "Outcome", "Record", "Results", "by_seed", "read_complete", "read_records", "results_folder", "spread",
    "values",
]  # fmt: skip
