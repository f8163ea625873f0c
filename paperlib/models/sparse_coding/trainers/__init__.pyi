from .amortized import AmortizedResult as AmortizedResult
from .amortized import fit_amortized as fit_amortized
from .amortized import infer_amortized as infer_amortized
from .amortized_step import AmortizedState as AmortizedState
from .em import fit_em as fit_em
from .em_state import EMState as EMState
from .result import FitResult as FitResult
