"""What a visit of `fit_em` to a patch costs, counted, and how long it would take at given rates.

The products of matrices are counted term by term (tests/test_benchmarks.py compares with PyTorch's own
count), the rest by reading the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from paperlib.models.sparse_coding.settings import EMSettings
from paperlib.models.sparse_coding.trainers.em_step import TREATMENTS

BATCH_SIZE = EMSettings.batch_size
NUMBER = 4  # bytes, float32


@dataclass(frozen=True)
class Cost:
    """Counts for a visit to one patch, its share of the minibatch's work included.

    Parameters
    ----------
    operations : float
        Floating-point operations of products of matrices.
    passes : float
        Numbers written by elementwise operations.
    functions : float
        Error functions, exponentials and logarithms, which take longer.
    calls : float
        Calls of PyTorch, each of which takes its time however little there is to compute.
    bytes : float
        Traffic with main memory: x is read, ν and τ are read and written; all else stays in caches.
    """

    operations: float
    passes: float
    functions: float
    calls: float
    bytes: float

    def seconds(self, rates: Mapping[str, float]) -> float:
        """Time for all of them one after the other, at `rates` a second for each."""
        return sum(count / rates[name] for name, count in asdict(self).items())


def visit_cost(family: str, n_features: int, n_latents: int, n_steps: int | None = None) -> Cost:
    """Cost of a visit of `fit_em` to a patch with D features, for H latents.

    Parameters
    ----------
    family : {"diagonal", "full"}
        Covariance of the posteriors.
    n_features, n_latents : int
        D and H.
    n_steps : int, optional
        Iterations of the E-step; `fit_em`'s default if not given.
    """
    d, h = n_features, n_latents
    steps = TREATMENTS[family].n_steps if n_steps is None else n_steps
    block = min(BATCH_SIZE, TREATMENTS[family].share)  # patches of which W̃ᵀW̃ is taken once
    if family == "diagonal":
        # products with W̃ᵀW̃ and with the inverse of its bound, which are made once a block
        operations = 4 * steps * h**2 + (2 * d * h**2 + h**3) / block
        passes, functions, calls = 20 * steps * h, 2 * steps * h, 24 * steps
    else:
        evaluations = steps + 1  # the first is that of the start
        # 4/3 H³ for the inverse of a Cholesky factor by halves, 2H³ for the sum of covariances; W̃ times
        # that sum once a block; and products of H×H matrices with vectors
        operations = (4 / 3 * evaluations + 2) * h**3 + 4 * d * h**2 / block + (6 * evaluations + 2) * h**2
        passes, functions, calls = (7 * evaluations + 5) * h**2, 10 * steps * h, 150 * evaluations
    return Cost(
        operations=operations + 6 * d * h,
        passes=passes + 15 * h + 4 * d + 7 * d * h / BATCH_SIZE,
        functions=functions + 3 * h,
        calls=calls / block + 150 / BATCH_SIZE,
        bytes=NUMBER * (d + 4 * h),
    )
