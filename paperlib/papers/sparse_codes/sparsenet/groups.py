"""Records of `score_learner` over seeds, by learner and by the weight that a learner has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paperlib.papers.sparse_codes.learners.sparsenet import Cost
from paperlib.records import Record, by_seed


def describe_learner(config: Mapping[str, Any]) -> str:
    """Name of the learner of a configuration of `score_learner` with its choices, without seed and sizes."""
    match config:
        case {"learner": "sparsenet", **rest}:
            fall = ", η falling" if isinstance(rest.get("learning_rate"), list) else ""
            return f"sparsenet, β = {rest.get('sparsity', Cost.sparsity):g}{fall}"
        case {"learner": "minibatch", "alpha": alpha}:
            return f"dictionary learning, α = {alpha:g}"
        case {"learner": "em", **rest}:
            annealed = ", prior annealing" if rest.get("annealing", "none") == "prior" else ""
            return f"entropy ELBO{', full' if rest.get('family') == 'full' else ''}{annealed}"
    return {"pca": "PCA", "ica": "FastICA"}[config["learner"]]


def by_learner(records: Mapping[str, Record]) -> dict[str, list[Record]]:
    """Records of all seeds, by the learner's description."""
    return {describe_learner(group[0].config): group for group in by_seed(records).values()}


def weight_grids(records: Mapping[str, Record]) -> dict[str, dict[float, list[Record]]]:
    """Name of a weight → its value → records of all seeds, for weights with more than one value."""
    grids: dict[str, dict[float, list[Record]]] = {
        r"sparsenet's $\beta$": {},
        r"dictionary learning's $\alpha$": {},
    }
    beta, alpha = grids.values()
    for group in by_seed(records).values():
        match group[0].config:
            case {"learner": "sparsenet", **rest}:
                beta[rest.get("sparsity", Cost.sparsity)] = group
            case {"learner": "minibatch", "alpha": weight}:
                alpha[weight] = group
    return {name: grid for name, grid in grids.items() if len(grid) > 1}
