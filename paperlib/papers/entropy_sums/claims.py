"""The paper's claims, with verdicts by rules over the rows of the table.

Its text could not be had: claims are those of the abstracts of this paper and the one that it builds on
("abstract"), or of summaries by others ("summary"), and sections are unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from paperlib.models.linear_gaussian import PPCA
from paperlib.papers.entropy_sums.linear_gaussian.spectrum import bic, eigenvalues
from paperlib.papers.entropy_sums.rows import Row
from paperlib.records.claims import Claim, Finding, Verdict, graded

NAMED = ("PPCA", "belief net", "Gaussian mixture", "mixture,")  # models that the abstract names
N_LATENTS, N_POINTS, TRIALS = 4, 1000, 10  # of the comparison of models


def _closes(rows: Sequence[Row]) -> Finding:
    """Of some rows, whether ELBO and entropies are equal."""
    return Finding(_text(rows), graded(row.equal for row in rows) if rows else Verdict.MISSING)


def _text(rows: Sequence[Row]) -> str:
    equal = sum(row.equal for row in rows)
    largest = max((abs(row.gap) for row in rows), default=0.0)
    return f"{equal} of {len(rows)} rows, largest gap {largest:.0e}"


def _meant(rows: Sequence[Row]) -> list[Row]:
    """Rows that are no exceptions."""
    return [row for row in rows if not row.exception]


def _every_model(rows: Sequence[Row]) -> Finding:
    return _closes(_meant(rows))


def _any_posterior(rows: Sequence[Row]) -> Finding:
    inexact = [row for row in _meant(rows) if row.variational != "exact" or "saddle" in row.model]
    rigid = [row for row in rows if row.exception and row.variational.endswith("fixed")]
    text = f"saddles and inexact posteriors: {_text(inexact)}"
    apart = ", ".join(f"{row.gap:+.2f}" for row in rigid)
    text += f"; but {apart} where neither q nor the prior can rescale" if rigid else ""
    return Finding(text, Verdict.of(all(row.equal for row in inexact) and not rigid, partly=True))


def _list_of_models(rows: Sequence[Row]) -> Finding:
    found = [name for name in NAMED if any(name in row.model for row in _meant(rows))]
    kinds = {(row.model.partition(",")[0], row.formula) for row in _meant(rows)}
    text = f"{len(kinds)} sums, {len(found)} of the {len(NAMED)} kinds that the abstract names"
    return Finding(text, graded(name in found for name in NAMED))


def _usually(rows: Sequence[Row]) -> Finding:
    models = {row.model for row in rows if row.exception and row.identity is None}
    others = {row.model for row in rows if row.identity is not None}
    text = f"a temperature in {len(others)} models of the table, none in {len(models)}"
    return Finding(text, Verdict.of(len(others) > len(models), partly=bool(others)))


def _pseudo(rows: Sequence[Row]) -> Finding:
    return _closes([row for row in _meant(rows) if row.kind == "pseudo entropy"])


def _comparison(rows: Sequence[Row]) -> Finding:
    """BIC by eigenvalues alone, on data of a known number of latents."""
    right = 0
    for seed in range(TRIALS):
        generator = torch.Generator().manual_seed(seed)
        loadings = torch.randn(10, N_LATENTS, generator=generator, dtype=torch.float64)
        true = PPCA.from_standard(loadings, torch.zeros(10).double(), torch.tensor(1.0).double())
        scores = bic(eigenvalues(true.sample(N_POINTS, generator)[0]), N_POINTS)
        right += min(scores, key=lambda h: scores[h]) == N_LATENTS
    text = f"BIC from entropies names the number of latents in {right} of {TRIALS} trials"
    return Finding(text, Verdict.of(right >= 0.8 * TRIALS, partly=right > TRIALS / 2), TRIALS)


CLAIMS = [
    Claim("table-numbers", "abstract", "At stationary points the ELBO is a sum of entropies.", _every_model),
    Claim("exceptions-rigid", "abstract",
          "So it is for finitely many data, at saddles, for any variational family.", _any_posterior),
    Claim("table-sums", "abstract", "There is a list of models with their sums.", _list_of_models),
    Claim("exceptions-densities", "abstract",
          "The condition on the parametrization is usually fulfilled.", _usually),
    Claim("table-numbers", "summary", "Other base measures lead to pseudo entropies.", _pseudo),
    Claim("linear-how-many", "summary", "Sums can be used to compare models.", _comparison),
]  # fmt: skip


def find_all(rows: Sequence[Row]) -> list[tuple[Claim, Finding]]:
    """Every claim, and what the table's `rows` say of it."""
    return [(claim, claim.judge(rows)) for claim in CLAIMS]
