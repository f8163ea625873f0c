"""Learning from natural images in tables: where the methods end, and what their fields are."""

from __future__ import annotations

from collections.abc import Mapping

from paperlib.papers.sparse_codes.judging import elbo, gabor_share, own_family
from paperlib.papers.sparse_codes.natural_images.methods import LABELS, PAPERS_EM, labeled
from paperlib.papers.sparse_codes.shown import Groups, Text, if_computed, one_of
from paperlib.plotting import Table
from paperlib.records import spread, values
from paperlib.records.claims import gain

AUTHORS = 106.3  # ELBO of the authors' script with prior annealing: one λ, one σ²; N = 204,800


@if_computed
def ends(groups: Groups) -> Table:
    """Judgments of the final dictionaries, a row a method, mean ± standard deviation over seeds."""
    rows = []
    for label, group in labeled(groups).items():
        own, epochs = own_family(group[0]), group[0].config["n_epochs"]
        last = [record.numbers["history"][-1] for record in group]
        rows.append([
            label,
            spread(values(group, "judged", own, "elbo")),
            spread(values(group, "judged", own, "minibatch_elbo")),
            spread(values(group, "judged", "diagonal", "elbo")),
            spread(values(group, "judged", "full", "elbo")),
            spread(values(group, "judged", "diagonal", "gini"), 3),
            spread([row["dead_fields"] for row in last], 1),
            spread([row["seconds"] / epochs for row in last], 1),
            str(len(group)),
        ])  # fmt: skip
    head = ["method", "ELBO", "over minibatches", "best diagonal $q$", "full $q$"]
    return Table([*head, "Gini index", "dead fields", "seconds an epoch", "seeds"], rows)


@if_computed
def gains(groups: Groups) -> Text:
    """What prior annealing brings, in the paper's EM and in fast EM."""
    lines = []
    for method, label in {"paper": "the paper's EM", "em": "fast EM"}.items():
        more = gain(groups[f"{method}-none"], groups[f"{method}-prior"], elbo)
        lines.append(f"- In *{label}*: {more.text()} nats a patch.")
    return Text("\n".join(lines))


def after_one_epoch(found: Mapping[str, Groups]) -> Table:
    """The paper's EM after its first epoch: the fields' size and the code's sparsity, for each of `found`."""
    rows = []
    for where, groups in found.items():
        for name in PAPERS_EM if groups else ():
            first = [record.numbers["history"][0] for record in groups[name]]
            d = groups[name][0].config["patch_size"] ** 2
            pixels = spread([row["pixels"] for row in first], 0)
            gini = spread([row["gini"] for row in first], 3)
            rows.append([f"{LABELS[name]}, {where}", pixels, f"{d / 6:.0f}", f"{d / 3:.0f}", gini])
    head = ["after one epoch", "effective pixels (median)", "$D/6$", "$D/3$", "Gini index"]
    return Table(head, rows)


def gabors(found: Mapping[str, Groups]) -> Table:
    """How much of the final fields Gabor functions explain, for each of `found`."""
    rows = []
    for where, groups in found.items():
        for label, group in labeled(groups).items():
            shares = [sorted(record.numbers["gabor"]) for record in group]
            middle = spread([share[len(share) // 2] for share in shares])
            good = spread([100 * gabor_share(record) for record in group], 0)
            rows.append([f"{label}, {where}", middle, good])
    return Table(["fields", "median share explained", "% more than half explained"], rows)


@if_computed
def beside_authors(groups: Groups) -> Table | Text:
    """The held-out ELBO beside that of the authors' script, where images are the same."""
    group = groups["paper-prior"]
    if "olshausen" not in group[0].provenance["images"]["source"]:
        return Text("*Only runs on Olshausen's images can be compared.*")
    row = [LABELS["paper-prior"], f"{AUTHORS}", spread(values(group, "judged", "diagonal", "elbo"))]
    return Table(["run", "authors' script", "ours, on other test patches"], [row])


def minibatches(groups: Groups) -> Text:
    """How far apart minibatches of test patches are."""
    blocks = one_of(labeled(groups)).numbers["judged"]["diagonal"]["blocks"]
    return Text(
        "Test patches matter, because some images are harder than others: minibatches of 512 test patches, "
        f"judged by one dictionary with the same scales, are between {min(blocks):.1f} and "
        f"{max(blocks):.1f} nats. Within one set all dictionaries move together."
    )
