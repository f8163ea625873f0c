"""Trainers: what the paper calls learning (Section 4).  Each returns a `FitResult`."""

from paperlib.trainers.em import EMState, fit_em
from paperlib.trainers.joint import fit_jointly
from paperlib.trainers.restarts import fit_restarts
from paperlib.trainers.result import FitResult

__all__ = ["EMState", "FitResult", "fit_em", "fit_jointly", "fit_restarts"]
