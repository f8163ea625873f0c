from .factor_analysis import FactorAnalysis as FactorAnalysis
from .ppca import PPCA as PPCA
