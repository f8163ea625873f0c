"""Rows of PPCA and factor analysis."""

from __future__ import annotations

from functools import partial

import torch

from paperlib.models.linear_gaussian import PPCA, FactorAnalysis
from paperlib.papers.entropy_sums.data import standardized
from paperlib.papers.entropy_sums.rows import Row, Rows, measured

PAGE = "entropy_sums/linear_gaussian"
PPCA_FORMULA = r"\tfrac12\log\det(\sigma^2M^{-1})-\tfrac D2\log(2\pi e\sigma^2),\ M=W^\mathsf TW+\sigma^2I"
FACTOR_FORMULA = r"\tfrac12\log\det G-\tfrac12\sum_d\log(2\pi e\psi_d),\ G=(I+W^\mathsf T\Psi^{-1}W)^{-1}"


def ppca(data: str, n_latents: int, retained: tuple[int, ...] | None = None) -> Row:
    """PPCA of standardized `data` in closed form; a saddle if other eigenvalues are `retained`."""
    x = standardized(data)
    model = PPCA.stationary(x, n_latents, retained)
    name = f"PPCA, H = {n_latents}" + ("" if retained is None else ", a saddle")
    return measured(
        model, x, model.posterior(x), name=name, data=data, variational="exact", graph="z→x",
        formula=PPCA_FORMULA, condition=r"$\sigma^2$, $W$", page=PAGE,
    )  # fmt: skip


def factor_analysis(data: str, n_latents: int) -> Row:
    """Factor analysis of standardized `data` by EM."""
    x = standardized(data)
    start = FactorAnalysis.random(x, n_latents, torch.Generator().manual_seed(0))
    model, posterior = start.fit(x, max_rounds=300)
    return measured(
        model, x, posterior, name=f"factor analysis, H = {n_latents}", data=data, variational="exact",
        graph="z→x", formula=FACTOR_FORMULA, condition=r"$\psi$, $W$", page=PAGE,
    )  # fmt: skip


ROWS: Rows = {
    "ppca-wine": partial(ppca, "wine", 3),
    "ppca-wine-saddle": partial(ppca, "wine", 3, (0, 2)),
    "ppca-digits": partial(ppca, "digits", 10),
    "ppca-breast_cancer": partial(ppca, "breast_cancer", 5),
    "factor-wine": partial(factor_analysis, "wine", 2),
    "factor-diabetes": partial(factor_analysis, "diabetes", 1),
    "factor-breast_cancer": partial(factor_analysis, "breast_cancer", 2),
}
