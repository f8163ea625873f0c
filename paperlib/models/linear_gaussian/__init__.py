"""Linear models of Gaussian latents with exact posteriors: PPCA and factor analysis."""

from paperlib.models.linear_gaussian.factor_analysis import FactorAnalysis
from paperlib.models.linear_gaussian.ppca import PPCA

__all__ = ["PPCA", "FactorAnalysis"]
