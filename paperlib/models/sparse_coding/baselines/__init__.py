"""Other learners of dictionaries, which the paper's method is compared with (Section 4.2).

`fit_sparsenet` is Olshausen & Field's algorithm; the rest are scikit-learn's.  What they return is judged
like any dictionary: `paperlib.papers.sparse_codes.sparsenet.experiment`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
