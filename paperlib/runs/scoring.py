"""Judging any dictionary by its ELBO on image patches (Table 1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from paperlib.data import Images, PatchSampler
from paperlib.data.readers import read_dictionary
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.judging import judge
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.system.errors import InputError
from paperlib.system.memory import check_memory
from paperlib.system.provenance import provenance
from paperlib.system.validation import check_counts, check_seed


def score(
    dictionary: torch.Tensor,
    images: Images,
    *,
    n_patches: int = 10_240,
    seed: int = 0,
    family: str = "diagonal",
) -> dict:
    """Judge a dictionary on patches: optimal posteriors, ONE σ² and ONE λ for the whole set.

    Parameters
    ----------
    dictionary : tensor (D, H)
        D must be a square number, rows in row-major pixel order; columns are normalized here.
    images : Images
        Whitened images.
    n_patches, seed : int
        How many patches, and which.
    family : {"diagonal", "low-rank", "full"}
        Covariance of the posteriors.

    Returns
    -------
    dict
        `elbo`, `entropies`, `gini`, `gini_sd`, `dead_fields`, `noise_variance` and what was judged on.

    Raises
    ------
    InputError
        If D is not a square number, or patches cannot be drawn.
    """
    check_counts(n_patches=n_patches)
    check_seed(seed)
    side = round(len(dictionary) ** 0.5)
    if side**2 != len(dictionary):
        raise InputError(
            f"The dictionary has {len(dictionary)} rows, which is no square number of pixels; "
            "expected features × fields, for example 256 × 100 for patches of 16×16."
        )
    n_numbers = n_patches * (len(dictionary) + 6.0 * dictionary.shape[1])
    check_memory(n_numbers * dictionary.element_size(), f"Scoring on {n_patches:,} patches")
    x = PatchSampler(images, side, seed).draw(n_patches).to(dictionary)
    fitted, stats = fit_posterior(x, normalize_columns(dictionary), family)
    return {
        **judge(stats, fitted, seed),
        "posterior": family,
        "patches": n_patches,
        "patch_size": side,
        "latents": dictionary.shape[1],
        "seed": seed,
        "images": images.identity,
        **provenance(dictionary.device.type),
    }


def load_dictionary(path: Path, *, device: str = "cpu", dtype: str = "float32") -> torch.Tensor:
    """Dictionary (D, H) of a file (`paperlib.data.readers.read_dictionary`), the largest of a field 1."""
    fields = np.asarray(read_dictionary(path), dtype=np.float64)
    fields = fields / np.abs(fields).max(axis=0)  # lengths say nothing, and `dtype` may not hold them
    return torch.from_numpy(np.ascontiguousarray(fields, dtype=dtype)).to(device)
