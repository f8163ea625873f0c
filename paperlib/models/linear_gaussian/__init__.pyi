from .model import FactorAnalysis as FactorAnalysis
from .ppca import PPCA as PPCA
