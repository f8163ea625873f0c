"""Rows of sparse coding, the model of the book's first part."""

from __future__ import annotations

from functools import partial

import torch

from paperlib.models.sparse_coding.inference import fit_posterior
from paperlib.models.sparse_coding.trainers import fit_em
from paperlib.papers.entropy_sums.data import standardized
from paperlib.papers.entropy_sums.rows import Row, Rows, measured

PAGE = "entropy_sums/sparse_coding"
FORMULA = r"\bar H[q]-\sum_h\log(2e\lambda_h)-\tfrac D2\log(2\pi e\sigma^2)"
COVARIANCES = {"diagonal": "Gaussian, diagonal", "full": "Gaussian, full covariance"}


def sparse_coding(family: str, n_latents: int = 16) -> Row:
    """Sparse coding of digits, with posteriors of a `family`."""
    x = standardized("digits")
    generator = torch.Generator().manual_seed(0)
    learned = fit_em(x, n_latents, generator=generator, n_epochs=5, polish=5, progress=False).model
    posterior, stats = fit_posterior(x, learned.dictionary, family, max_rounds=5)
    return measured(
        learned.fitted(stats), x, posterior, name=f"sparse coding, H = {n_latents}", data="digits",
        variational=COVARIANCES[family], graph="z→x", formula=FORMULA, condition=r"$\lambda$, $\sigma^2$",
        page=PAGE,
    )  # fmt: skip


ROWS: Rows = {f"sparse-coding-{family}": partial(sparse_coding, family) for family in COVARIANCES}
