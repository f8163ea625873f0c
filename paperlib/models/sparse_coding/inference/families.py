"""How sparse coding infers posteriors of each family: fast and exact where there is a way, else by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from paperlib.elbo.posteriors import FAMILIES, GaussianPosterior
from paperlib.models.sparse_coding.inference.diagonal import infer_diagonal
from paperlib.models.sparse_coding.inference.full import infer_full
from paperlib.models.sparse_coding.inference.lbfgs import infer_lbfgs
from paperlib.system.validation import check_choice

EStep = Callable[..., GaussianPosterior]  # (x, model, *, start): posteriors of x that are better than start
STEPWISE: dict[str, EStep] = {  # those of which a few iterations are enough
    "diagonal": infer_diagonal, "full": infer_full,
}  # fmt: skip


def e_step(family: str) -> EStep:
    """The E-step of a family, which ends near the optimum.

    Raises
    ------
    InputError
        If the family is unknown.
    """
    check_choice("posterior family", family, FAMILIES)
    return STEPWISE.get(family) or partial(infer_lbfgs, family=family)
