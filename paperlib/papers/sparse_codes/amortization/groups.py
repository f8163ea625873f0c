"""Records over seeds, by encoder and by the iterations before gradients were taken."""

from __future__ import annotations

from collections.abc import Mapping

from paperlib.records import Record, by_seed

ENCODERS = {  # names of records, as labels
    "diagonal": "diagonal",
    "diagonal-annealed": "diagonal, annealed",
    "semi-diagonal": "diagonal, semi-amortized",
    "low-rank": "low rank",
    "low-rank-annealed": "low rank, annealed",
    "full": "full",
    "semi-full": "full, semi-amortized",
}


def of_encoders(records: Mapping[str, Record]) -> dict[str, list[Record]]:
    """Records of the encoders over seeds, by their label."""
    groups = by_seed(records)
    return {label: groups[name] for name, label in ENCODERS.items() if name in groups}


def after_iterations(records: Mapping[str, Record]) -> dict[str, list[Record]]:
    """Records `noise-<e_steps>-<seed>` over seeds, by the number of iterations before, in words."""
    groups = [group for name, group in by_seed(records).items() if name.startswith("noise-")]
    groups.sort(key=lambda group: group[0].config["e_steps"])
    return {f"after {group[0].config['e_steps']} iterations": group for group in groups}
