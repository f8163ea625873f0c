"""Trainers: what the paper calls learning (Section 4).  Each returns a `FitResult`."""

from paperlib.models.sparse_coding.trainers.amortized import (
    AmortizedResult,
    AmortizedState,
    fit_amortized,
    infer_amortized,
)
from paperlib.models.sparse_coding.trainers.em import EMState, fit_em
from paperlib.models.sparse_coding.trainers.joint import fit_jointly
from paperlib.models.sparse_coding.trainers.monte_carlo import fit_monte_carlo
from paperlib.models.sparse_coding.trainers.paper_em import fit_paper_em
from paperlib.models.sparse_coding.trainers.restarts import fit_restarts
from paperlib.models.sparse_coding.trainers.result import FitResult

__all__ = [
    "AmortizedResult", "AmortizedState", "EMState", "FitResult", "fit_amortized", "fit_em", "fit_jointly",
    "fit_monte_carlo", "fit_paper_em", "fit_restarts", "infer_amortized",
]  # fmt: skip
