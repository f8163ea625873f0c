"""Learned fields and true ones: which is which, and whether all are found (Fig. 2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from paperlib.system.errors import InputError


class FieldMatch(NamedTuple):
    """One-to-one match; ``signs * learned[:, permutation]`` are the learned fields aligned with the truth.

    `permutation` (H,) numbers the learned field matched with each true one, `signs` (H,) are ±1, and `cosine`
    (H,) is each pair's |cos|.
    """

    permutation: Int[Tensor, " H"]
    signs: Float[Tensor, " H"]
    cosine: Float[Tensor, " H"]


def match_fields(learned: Float[Tensor, "_ K"], truth: Float[Tensor, "_ H"]) -> FieldMatch:
    """Match `learned` fields (D, K) with those of `truth` (D, H), K ≥ H, so that the sum of |cos| is largest.

    Order and sign of fields mean nothing in the model: align them before comparing.

    Raises
    ------
    InputError
        If the fields differ in dimension, fewer are learned than true, or a value is not finite.
    """
    cosine = _cosines(learned, truth)
    _, permutation = linear_sum_assignment(-cosine.abs().numpy())
    permutation = torch.from_numpy(permutation)
    matched = cosine[torch.arange(len(permutation)), permutation]
    signs = torch.where(matched < 0, -1.0, 1.0).to(learned.dtype)
    return FieldMatch(permutation.to(learned.device), signs.to(learned.device), matched.abs().to(learned))


def is_recovered(learned: Float[Tensor, "_ K"], truth: Float[Tensor, "_ H"], threshold: float = 0.7) -> bool:
    """Whether `truth` can be matched one to one with `learned` fields so that every |cos| > `threshold`."""
    close = _cosines(learned, truth).abs().numpy() > threshold
    pairs = linear_sum_assignment(close, maximize=True)
    return bool(close[pairs].all())


def _cosines(learned: Float[Tensor, "_ K"], truth: Float[Tensor, "_ H"]) -> Float[Tensor, "H K"]:
    """Cosine of every true with every learned field, on the CPU in float64; 0 for a field of zeros."""
    if learned.shape[0] != truth.shape[0] or learned.shape[1] < truth.shape[1]:
        raise InputError(
            f"Learned fields of shape {tuple(learned.shape)} cannot be matched with {tuple(truth.shape)}; "
            "expected the same number of rows and at least as many columns."
        )
    learned, truth = (fields.detach().cpu().to(torch.float64) for fields in (learned, truth))
    if not (torch.isfinite(learned).all() and torch.isfinite(truth).all()):
        raise InputError("Fields to be matched must not contain NaN or infinite values.")
    unit_learned, unit_truth = (torch.nn.functional.normalize(fields, dim=0) for fields in (learned, truth))
    return unit_truth.T @ unit_learned
