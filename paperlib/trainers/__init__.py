"""Trainers: what the paper calls learning (Section 4).  Each returns a `FitResult`."""

from paperlib.trainers.amortized import AmortizedResult, AmortizedState, fit_amortized, infer_amortized
from paperlib.trainers.em import EMState, fit_em
from paperlib.trainers.joint import fit_jointly
from paperlib.trainers.monte_carlo import fit_monte_carlo
from paperlib.trainers.paper_em import fit_paper_em
from paperlib.trainers.restarts import fit_restarts
from paperlib.trainers.result import FitResult

__all__ = [
    "AmortizedResult", "AmortizedState", "EMState", "FitResult", "fit_amortized", "fit_em", "fit_jointly",
    "fit_monte_carlo", "fit_paper_em", "fit_restarts", "infer_amortized",
]  # fmt: skip
