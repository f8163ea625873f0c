"""Entropy annealing in tables: collapsed latents, and Table 1 beside what our runs and the authors' give."""

from __future__ import annotations

from itertools import chain

from paperlib.papers.sparse_codes.annealing.printed import (
    AUTHORS,
    H_LOG_2,
    TABLE_1,
    TABLE_1_KEYS,
    like_table_1,
    table_1_row,
)
from paperlib.papers.sparse_codes.judging import epochs
from paperlib.papers.sparse_codes.shown import Groups, Text, if_computed, one_of, setting
from paperlib.plotting import Table
from paperlib.records import spread, values


def settings(here: Groups, paper: Groups) -> Text:
    """What this page's runs are, and those at the paper's size."""
    at_paper_size = setting(paper) if paper else "not computed yet"
    return Text(f"> This page: {setting(here)}.\n>\n> Paper's size: {at_paper_size}.")


@if_computed
def collapse(groups: Groups) -> Table:
    """How many latents have collapsed, a row a run."""
    rows = []
    for name, group in groups.items():
        counts = [[row["collapsed"] for row in epochs(record)] for record in group]
        first, most, last = ([of(count) for count in counts] for of in (lambda c: c[0], max, lambda c: c[-1]))
        h = group[0].config["n_latents"]
        shares = [f"{spread(numbers, 1)} of {h}" for numbers in (first, most, last)]
        rows.append([name, *shares, spread(values(group, "judged", "diagonal", "elbo")), str(len(group))])
    head = ["run", "collapsed after epoch 1", "most", "after the last", "held-out ELBO at the end", "seeds"]
    return Table(head, rows)


def table_1(groups: Groups) -> Table:
    """Each printed row with those of the authors' scripts and of our runs of the paper's EM."""
    rows = []
    for label, (kind, *printed) in TABLE_1.items():
        if f"paper-{kind}" not in groups:
            continue
        shifted = [f"{printed[3] - H_LOG_2:.2f}", f"{printed[0] + H_LOG_2:.2f}"]
        rows.append([f"**{label}**, printed", *map(str, printed), "", *shifted])
        if label in AUTHORS:
            rows.append(["authors' scripts", *map(str, AUTHORS[label]), "", ""])
        ours = [table_1_row(record, label) for record in groups[f"paper-{kind}"]]
        steps = ", ".join(map(str, sorted({row["step"] for row in ours})))
        cells = [spread([row[key] for row in ours]) for key in TABLE_1_KEYS]
        rows.append([f"ours, epoch {steps}", *cells, spread([row["gini"] for row in ours], 3), "", ""])
    head = ["row", "ELBO", r"$H[p_{\sigma^2}(x\mid z)]$", "mean $H[q]$", r"$H[p_\lambda(z)]$", "Gini"]
    return Table([*head, r"$H[p_\lambda(z)] - H\log 2$", r"ELBO $+ H\log 2$"], rows)


def over_minibatches(groups: Groups) -> Text:
    """How much more the mean over minibatches is than the ELBO of all."""
    ends = [record.numbers["judged"]["diagonal"] for record in chain(*groups.values())]
    higher = [judged["minibatch_elbo"] - judged["elbo"] for judged in ends]
    return Text(f"in our runs, at the end, by {min(higher):.2f} to {max(higher):.2f} nats.")


def comparable(groups: Groups) -> Text:
    """Whether our rows of Table 1 can be compared with the printed ones."""
    record = one_of(groups)
    config, source = record.config, record.provenance["images"]["source"]
    if like_table_1(record):
        return Text(
            "The rows can be compared: same images, patch size and $H$; "
            f"$N$ is {config['n_patches']:,} here, and 51,200 in the authors' scripts."
        )
    return Text(
        "**The rows cannot be compared with the printed ones**: those are of 16×16 patches of Olshausen's "
        f"images with $H$ = 100, ours of {config['patch_size']}×{config['patch_size']} patches of {source} "
        f"with $H$ = {config['n_latents']}."
    )
