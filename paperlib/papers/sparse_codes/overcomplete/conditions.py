"""Which dictionaries are learned, and their records by H and by how the prior's weight γ ends (E.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paperlib.papers.sparse_codes.shown import one_of
from paperlib.records import Record, by_seed

ENDS = {"none": (1, 1, 0), "to1": (10, 1, 0), "to2": (10, 2, 0)}  # first and last γ, iterations of a polish
THREE = ("no annealing", "annealed to 1", "stays at 2")  # the same in words

Conditions = Mapping[str, list[Record]]  # condition in words → records of its seeds


def configurations(
    sizes: Sequence[Sequence[Any]],
    *,
    more_gammas: Sequence[float] = (),
    polish: int = 0,
    **shared: Any,
) -> dict[str, dict[str, Any]]:
    """Configurations of `learn_overcomplete` by the record's name, ``h<H>-<end>-<seed>``.

    Parameters
    ----------
    sizes : sequence
        Of H, N, a list of numbers of epochs, and how many seeds.  Each number of epochs but the last is for
        one more run, annealed to 1.
    more_gammas : sequence of float
        Other weights to stay at, for the first H.
    polish : int
        L-BFGS iterations of one more run of the first H, annealed to 1; 0 for leaving it out.
    **shared
        What all have in common, such as `patch_size` and `n_test`.
    """
    more = {f"to{gamma:g}": (10, gamma, 0) for gamma in more_gammas}
    if polish:
        more["polished"] = (10, 1, polish)
    configs = {}
    for n_latents, n_patches, (*fewer, n_epochs), n_seeds in sizes:
        ends = ENDS | (more if n_latents == sizes[0][0] else {})
        runs = {(name, seed): (*end, n_epochs) for name, end in ends.items() for seed in range(n_seeds)}
        runs |= {(f"to1in{epochs}", 0): (*ENDS["to1"], epochs) for epochs in fewer}
        for (name, seed), (first, last, iterations, epochs) in runs.items():
            configs[f"h{n_latents}-{name}-{seed}"] = {
                "first_gamma": first, "last_gamma": last, "polish": iterations, "seed": seed,
                "n_patches": n_patches, "n_latents": n_latents, "n_epochs": epochs, **shared,
            }  # fmt: skip
    return configs


def of_kind(records: Mapping[str, Record], kind: str = "run") -> dict[str, Record]:
    """Records of a kind: a "run", one that is "shorter" than the others of its H, or a run's "codes"."""
    marks = {"shorter": "-to1in", "codes": "-codes-"}
    if kind in marks:
        return {name: record for name, record in records.items() if marks[kind] in name}
    return {
        name: record for name, record in records.items() if not any(mark in name for mark in marks.values())
    }


def in_words(config: Mapping[str, Any]) -> str:
    """The condition of a configuration."""
    if config["first_gamma"] == config["last_gamma"]:
        return "no annealing"
    if config["polish"]:
        return "annealed to 1, polished"
    how = "annealed to" if config["last_gamma"] == 1 else "stays at"
    return f"{how} {config['last_gamma']:g}"


def by_condition(records: Mapping[str, Record], kind: str = "run") -> dict[int, Conditions]:
    """H → condition → records of its seeds, γ ascending; only of those H that have all `THREE`."""

    def place(group: Sequence[Record]) -> tuple:
        config = group[0].config
        annealed = config["first_gamma"] > 1
        return config["n_latents"], annealed, config["last_gamma"], config["polish"]

    tree: dict[int, dict[str, list[Record]]] = {}
    for group in sorted(by_seed(of_kind(records, kind)).values(), key=place):
        config = group[0].config
        tree.setdefault(config["n_latents"], {})[in_words(config)] = group
    return {h: conditions for h, conditions in tree.items() if conditions.keys() >= set(THREE)}


def by_length(records: Mapping[str, Record]) -> Conditions:
    """Single runs annealed to 1 by epochs, and one without annealing, of each H that has shorter ones."""
    tree = by_condition(records)
    shorter = [run for run in of_kind(records, "shorter").values() if run.config["n_latents"] in tree]
    longest = [
        tree[n_latents][end][0]
        for n_latents in {run.config["n_latents"] for run in shorter}
        for end in ("annealed to 1", "no annealing")
    ]

    def place(run: Record) -> tuple:
        return run.config["n_latents"], run.config["first_gamma"] == 1, run.config["n_epochs"]

    return {
        f"H = {run.config['n_latents']}, {in_words(run.config)}, {run.config['n_epochs']} epochs": [run]
        for run in sorted([*shorter, *longest], key=place)
    }


def named(records: Mapping[str, Record]) -> Conditions:
    """H and condition in words → records of its seeds."""
    return {
        f"H = {n_latents}, {name}": group
        for n_latents, conditions in by_condition(records).items()
        for name, group in conditions.items()
    }


def setting(conditions: Conditions) -> str:
    """H, sizes, epochs and images of one H's runs, for a figure's title."""
    record = one_of(conditions)
    config, source = record.config, record.provenance["images"]["source"]
    return (
        f"H = {config['n_latents']}, {config['patch_size']}×{config['patch_size']} pixels, "
        f"N = {config['n_patches']:,}, {config['n_epochs']} epochs (images: {source})"
    )
