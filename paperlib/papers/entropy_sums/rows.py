"""What a row of the table of models is: an ELBO and its entropy sum on data, and how to contribute rows.

A topic of this or another paper, a folder, contributes by a module `rows.py` that ends with

    ROWS: Rows = {"ppca-wine": ppca_wine, ...}

a mapping from names, unique in the table, to functions without arguments that return a `Row`.  They are
seeded, in double precision, and take at most two seconds on one core each.  Most return `measured(model, x,
posterior, ...)` of a model under the contract at a stationary point; where there is no such model, they make
the `Row` themselves.  A row whose gap is not to vanish says why in `exception`; it is shown, not left out.

The module is then imported by `paperlib.papers.entropy_sums.table`, the one place that lists all topics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from paperlib.models.contract import Model
from paperlib.models.gap import gap

STEP = 0.3  # how far from the stationary point the gap identity is tested, as a share of the temperature


@dataclass(frozen=True)
class Row:
    """One model on one data set, and what the table says of it.

    Parameters
    ----------
    model, data, variational : str
        What was learned, from which data, with which family of posteriors q.
    elbo, entropy_sum : float
        In nats a data point, at the end of learning.
    kind : str
        ``"entropy"``, or ``"pseudo entropy"`` where a base measure is not constant.
    graph : str
        Edges between variables, those of x observed, such as ``"z→x"`` or ``"z₁→z₂, z₁→x₁, z₂→x₂"``.
    formula : str
        The entropy sum in LaTeX, without dollars.
    condition : str
        What learning must have made stationary, in words or Markdown.
    page : str
        Key of the page that shows it, such as ``"entropy_sums/mixtures"``.
    identity : float, optional
        Error of the gap identity at random parameters, relative to ELBO and entropies; None if the model has
        no temperature.
    exception : str
        Why the two are not equal; empty where they are to be.
    tolerance : float
        Largest |gap| in nats that counts as equal: 1e-8 for EM and closed forms, 1e-5 for gradients.
    spread : float
        Standard deviation of the gap, where learning or the ELBO is stochastic.
    """

    model: str
    data: str
    variational: str
    elbo: float
    entropy_sum: float
    kind: str
    graph: str
    formula: str
    condition: str
    page: str
    identity: float | None = None
    exception: str = ""
    tolerance: float = 1e-8
    spread: float = 0.0

    @property
    def gap(self) -> float:
        """ELBO minus entropy sum, in nats a data point."""
        return self.elbo - self.entropy_sum

    @property
    def equal(self) -> bool:
        """Whether the gap is within the tolerance."""
        return abs(self.gap) <= self.tolerance

    @property
    def as_expected(self) -> bool:
        """Whether ELBO and entropies are equal, or differ where they are an exception."""
        return self.equal != bool(self.exception)


Rows = Mapping[str, Callable[[], Row]]


def measured(model: Model[Any, Any], x: Tensor, posterior: Any, *, name: str, **words: Any) -> Row:
    """Row of a model on data `x` (N, …) under their `posterior`.

    `name` is the row's `model`, and `words` are the fields that `gap` and `identity_error` do not give; kind
    is that of the model's entropies.
    """
    found = gap(model, x, posterior)
    return Row(
        model=name,
        elbo=float(found.elbo),
        entropy_sum=float(found.terms.elbo),
        kind="pseudo entropy" if float(found.terms.base) != 0 else "entropy",
        identity=identity_error(model, x, posterior),
        **words,
    )


def identity_error(model: Model[Any, Any], x: Tensor, posterior: Any, seed: int = 0) -> float:
    """Relative error of the gap identity at random parameters around those of a `model`.

    Each parameter that the temperature moves goes a random share of up to `STEP` of its way.  `x` are data
    (N, …) under their `posterior`, and the `seed` says which parameters.
    """
    generator = torch.Generator().manual_seed(seed)
    moved = {
        name: model.parameters[name] + STEP * (2 * torch.rand((), generator=generator).item() - 1) * along
        for name, along in model.temperature().items()
    }
    found = gap(model.replace(**moved), x, posterior)
    return abs(float(found.difference - found.derivative)) / float(found.elbo.abs() + found.terms.elbo.abs())
