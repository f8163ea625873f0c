"""Other learners of dictionaries, which the paper's method is compared with (Section 4.2).

`fit_sparsenet` is Olshausen & Field's algorithm; the rest are scikit-learn's.  What they return is judged
like any dictionary: `paperlib.papers.sparse_codes.sparsenet.experiment`.
"""

from paperlib.models.sparse_coding.baselines.scikit_learn import (
    learn_ica,
    learn_minibatch_dictionary,
    learn_pca,
)
from paperlib.models.sparse_coding.baselines.sparsenet import (
    Cost,
    SparsenetResult,
    fit_sparsenet,
    infer_codes,
)

__all__ = [
    "Cost", "SparsenetResult", "fit_sparsenet", "infer_codes", "learn_ica", "learn_minibatch_dictionary",
    "learn_pca",
]  # fmt: skip
