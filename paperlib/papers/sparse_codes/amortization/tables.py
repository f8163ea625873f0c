"""Encoders and sampled gradients in tables: sizes, gaps, ELBOs, times and noise (Section 4.2, E.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from paperlib.elbo.encoders import Encoder
from paperlib.papers.sparse_codes.amortization.experiment import gaps, training_gap
from paperlib.papers.sparse_codes.amortization.gradients import LOCAL, SHARED
from paperlib.papers.sparse_codes.amortization.groups import after_iterations, of_encoders
from paperlib.papers.sparse_codes.shown import Text, if_computed
from paperlib.plotting import Table
from paperlib.records import Record, by_seed, spread, values
from paperlib.records.claims import gain

Records = Mapping[str, Record]
WITHOUT = {  # an encoder, as references
    "paper-none": "the paper's EM, no encoder",
    "paper-prior": "the paper's EM, annealed",
    "em-none": "fast EM, no encoder",
}


def encoder_sizes(encoders: Mapping[str, Encoder]) -> Table:
    """Numbers of weights, and how many of them are in the heads."""
    rows = []
    for family, encoder in encoders.items():
        total = sum(weights.numel() for weights in encoder.parameters())
        heads = total - sum(weights.numel() for weights in encoder.body.parameters())
        rows.append([family, f"{total:,}", f"{heads / total:.0%}"])
    return Table(["family", "weights", "of them in the heads"], rows)


@if_computed
def gap_table(records: Records) -> Table:
    """Gaps, ELBOs of record, epochs and seconds of every encoder, and of EM where it was run."""
    rows = [[label, *_gaps(group), *_cost(group)] for label, group in of_encoders(records).items()]
    groups = by_seed(records)
    for name in filter(groups.__contains__, WITHOUT):
        elbos = [spread(values(groups[name], "judged", key, "elbo")) for key in ("diagonal", "full")]
        rows.append([WITHOUT[name], "", "", "", "", *elbos, *_cost(groups[name])])
    head = ["learned with", "approximation gap", "amortization gap", "on training patches"]
    head += ["ELBO, encoder", "ELBO, diagonal $q$", "ELBO, full $q$", "epochs", "seconds"]
    return Table(head, rows)


def _gaps(group: Sequence[Record]) -> list[str]:
    approximation, amortization = zip(*map(gaps, group), strict=True)
    return [
        spread(approximation),
        spread(amortization),
        spread([training_gap(record) for record in group]),
        *(spread(values(group, "of_record", key)) for key in ("encoder", "diagonal", "full")),
    ]


def _cost(group: Sequence[Record]) -> list[str]:
    """Epochs and seconds."""
    return [str(group[0].config["n_epochs"]), spread([record.seconds for record in group], 0)]


@if_computed
def time_table(records: Records) -> Table:
    """Microseconds a patch that an encoder takes, and the E-step from nothing."""
    rows = []
    for family in ("diagonal", "low-rank", "full"):
        group = by_seed(records)[family]
        optimum = values(group, "microseconds", family)
        # of the 100 iterations that the optimum takes, five
        few = spread([time / 20 for time in optimum], 0) if family == "diagonal" else ""
        rows.append([family, spread(values(group, "microseconds", "encoder"), 0), few, spread(optimum, 0)])
    head = ["family", "encoder [µs]", "5 iterations from nothing [µs]", "to the optimum [µs]"]
    return Table(head, rows)


def share_of_contrast(records: Records) -> Text:
    """What the patches of most contrast have of the diagonal encoder's gap, for the first seed."""
    arrays = by_seed(records)["diagonal"][0].arrays
    gap, contrast = arrays["gap"].astype(float), arrays["contrast"]
    strongest = contrast.argsort()[-len(contrast) // 10 :]
    share = gap[strongest].sum() / gap.sum()
    return Text(
        f"The tenth of the patches with the most contrast has {share:.0%} of the diagonal encoder's gap."
    )


@if_computed
def noise_table(records: Records) -> Table:
    """Bias and variance of sampled gradients, for each parameter and number of iterations before."""
    rows = [
        [
            f"{name}, {label}",
            *_noise([record.numbers[name] for record in group], group[0].config["n_samples"]),
        ]
        for label, group in after_iterations(records).items()
        for name in (*SHARED, *LOCAL)
    ]
    head = ["gradient in", "misfit", "$S$ · variance, first / last $S$"]
    return Table([*head, "length / deviation at $S = 1$", "samples that match the minibatch"], rows)


def _noise(found: Sequence[Mapping], samples: Sequence[int]) -> list[str]:
    variances = [numbers["variance"] for numbers in found]
    falls = [samples[0] * variance[0] / (samples[-1] * variance[-1]) for variance in variances]
    ratios = [(numbers["signal"] / numbers["variance"][0]) ** 0.5 for numbers in found]
    equal = [n["variance"][0] / n["minibatch_variance"] for n in found if "minibatch_variance" in n]
    return [
        spread([numbers["misfit"] for numbers in found]),
        spread(falls),
        f"{mean(ratios):.2g}",
        spread(equal) if equal else "no other minibatch has them",
    ]


def what_low_rank_does(found: Mapping[str, Records]) -> Text:
    """What correlations bring in a given dictionary, and in learning; a line for each place with records."""
    return Text("\n".join(_low_rank(where, by_seed(records)) for where, records in found.items() if records))


def _low_rank(where: str, groups: Mapping[str, Sequence[Record]]) -> str:
    tests = [record.numbers["test"] for record in groups["diagonal"]]
    low_rank, full = ([test[family] - test["diagonal"] for test in tests] for family in ("low-rank", "full"))
    change = gain(groups["diagonal"], groups["low-rank"], lambda run: run.numbers["of_record"]["encoder"])
    return (
        f"- *{where}*: in the dictionary learned with diagonal posteriors, "
        f"optimal ones of rank 5 bring {spread(low_rank)} nats and full ones "
        f"{spread(full)}; learned with a low-rank encoder, the result changes by {change.text()}."
    )
