"""How sparse the codes of learned dictionaries are, by measures that unused latents do not decide.

The Gini index of posterior samples (Table 1) counts the noise of latents that encode nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial

from jaxtyping import Float
from torch import Tensor

from paperlib.data import Images
from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.metrics import gini
from paperlib.models.sparse_coding.model import normalize_columns
from paperlib.papers.sparse_codes.judging import held_out_patches
from paperlib.records.record import Outcome, Record, Results
from paperlib.records.summary import method_of


def collect_codes(
    results: Results, learned: Mapping[str, Record], images: Images, n_codes: int
) -> dict[str, Record]:
    """Records `<run>-codes-<seed>` of `code_sparseness`, for each of the records `<run>-<seed>`.

    Parameters
    ----------
    results : Results
        Where they are kept.
    learned : mapping
        Records with a `dictionary` (D, H) of patches of `patch_size`² pixels.
    images : Images
        Where the patches come from.
    n_codes : int
        How many patches, other ones than those of learning.

    Returns
    -------
    dict
        Their configuration is that of the run, the `dictionary`'s hash and `n_codes`.
    """
    configs = {}
    for run, record in learned.items():
        digest = hashlib.sha256(record.arrays["dictionary"].tobytes()).hexdigest()
        own = {"run": run, "dictionary": digest, "n_codes": n_codes}
        configs[f"{method_of(run)}-codes-{record.config['seed']}"] = record.config | own
    return results.collect(partial(measure_codes, learned), configs, images)


def measure_codes(
    learned: Mapping[str, Record], *, images: Images, run: str, patch_size: int, n_codes: int, **_: object
) -> Outcome:
    """`code_sparseness` of the dictionary that `run` has `learned`, on `n_codes` patches of `images`."""
    x = held_out_patches(images, patch_size, n_codes)
    return Outcome(code_sparseness(x, normalize_columns(learned[run].tensor("dictionary"))))


def code_sparseness(x: Float[Tensor, "N D"], dictionary: Float[Tensor, "D H"]) -> dict[str, float]:
    """Sparseness of the optimal diagonal posteriors at γ = 1, mean over data points.

    Returns
    -------
    dict
        `gini_means`, the Gini index of the posterior means ν; `active`, how many latents have |ν_h| > τ_h.
    """
    posterior, _ = fit_posterior(x, dictionary)
    size = posterior.mean.abs()
    return {
        "gini_means": float(gini(size).mean()),
        "active": float((size > posterior.std).sum(1).double().mean()),
    }
