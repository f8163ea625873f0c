"""E-steps: the posteriors of data for a given dictionary (Section 3.2; D.2).

`infer_diagonal` and `infer_full` are fast and exact, `infer_lbfgs` is the paper's and works for every family;
`fit_posterior` alternates one of them with the closed-form scales of Theorem 2.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
