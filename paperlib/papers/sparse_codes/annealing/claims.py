"""Claims about entropy annealing (Figs. 4, 9 to 11; E.4), among them the numbers of Table 1."""

from __future__ import annotations

from functools import partial
from itertools import pairwise, product
from statistics import mean

from paperlib.papers.sparse_codes.annealing.printed import (
    TABLE_1,
    TABLE_1_KEYS,
    is_last,
    like_table_1,
    table_1_row,
)
from paperlib.papers.sparse_codes.fields.measures import LEAST_INFORMATION
from paperlib.papers.sparse_codes.judging import epochs, gabor_share, own_elbo
from paperlib.records import Record, spread
from paperlib.records.claims import Claim, Finding, Gain, Groups, NotRun, Verdict, common_seeds, gain, graded

PAGE = "annealing"
SIMILAR = 0.1  # in the share of Gabors
FEW = 0.05  # of the latents
STEPS = 2  # epochs after which fewer latents have collapsed: they come in gradually
AS_PLAIN = "without annealing"


def _first(record: Record, key: str) -> float:
    return epochs(record)[0][key]


def _judged(record: Record, key: str) -> float:
    """A number of the final dictionary with optimal posteriors."""
    return record.numbers["judged"]["diagonal"][key]


def _annealed_half(record: Record, key: str) -> float:
    """Mean over the first half of the epochs, in which weights are annealed."""
    rows = epochs(record)
    return mean(row[key] for row in rows[: max(len(rows) // 2, 1)])


def _sparse_early(runs: Groups) -> Finding:
    more = gain(runs["paper-none"], runs["paper-prior"], partial(_first, key="gini"))
    values = [_first(record, "gini") for record in runs["paper-prior"]]
    text = f"Gini index after epoch 1: {spread(values, 3)}, {more.text(3)} more than {AS_PLAIN}"
    return Finding(text, more.verdict, more.seeds)


def _sparse_during_both(runs: Groups) -> Finding:
    gains = {
        kind: gain(runs["paper-none"], runs[f"paper-{kind}"], partial(_annealed_half, key="gini"))
        for kind in ("prior", "likelihood")
    }
    text = ", ".join(f"{kind} {more.text(3)}" for kind, more in gains.items())
    text = f"Gini index in the first half, above that {AS_PLAIN}: {text}"
    return Finding(text, graded(gains.values()), gains["prior"].seeds)


def _sparser_in_the_end(runs: Groups) -> Finding:
    more = gain(runs["paper-none"], runs["paper-prior"], partial(_judged, key="gini"))
    return Finding(f"Gini index at the end, {more.text(3)} more than {AS_PLAIN}", more.verdict, more.seeds)


def _likelihood_is_less_localized(runs: Groups) -> Finding:
    more = gain(runs["paper-prior"], runs["paper-likelihood"], partial(_annealed_half, key="pixels"))
    text = f"effective pixels in the first half, likelihood minus prior: {more.text(0)}"
    return Finding(text, more.verdict, more.seeds)


def _fine_fields_emerge(runs: Groups) -> Finding:
    counts = _counts(runs, "prior", "fine")
    early, end = ([count[epoch] for count in counts] for epoch in (0, -1))
    text = f"fine localized fields: {spread(early, 0)} after epoch 1, {spread(end, 0)} at the end"
    return Finding(text, graded(last > first for first, last in zip(early, end, strict=True)), len(counts))


def _distance(pair: tuple[dict, dict]) -> float:
    """Largest difference of two epochs' entropies in nats."""
    return max(abs(pair[0][key] - pair[1][key]) for key in TABLE_1_KEYS[1:])


def _annealed(runs: Groups, kind: str) -> dict[int, list[dict]]:
    """The epochs by seed whose weights are not yet 1."""
    return {
        record.config["seed"]: [row for row in epochs(record) if row[f"{kind}_weight"] != 1]
        for record in runs[f"paper-{kind}"]
    }


def _different_fields(runs: Groups) -> Finding:
    prior, likelihood = _annealed(runs, "prior"), _annealed(runs, "likelihood")
    seeds = common_seeds(runs["paper-prior"], runs["paper-likelihood"])
    pairs = [min(product(prior[seed], likelihood[seed]), key=_distance) for seed in seeds]
    apart = max(map(_distance, pairs))
    larger = Gain(tuple(after["pixels"] - before["pixels"] for before, after in pairs))
    text = f"entropies of the closest annealed epochs up to {apart:.0f} nats apart (printed: "
    text += f"{PRINTED_APART:.0f}), effective pixels, likelihood minus prior: {larger.text(0)}"
    return Finding(text, graded([apart <= PRINTED_APART, larger]), len(seeds))


def _counts(runs: Groups, kind: str, key: str = "collapsed") -> list[list[int]]:
    """How many latents have collapsed, or how many fields are something else, epoch by epoch, by seed."""
    return [[row[key] for row in epochs(record)] for record in runs[f"paper-{kind}"]]


def _dimensions_collapse(runs: Groups) -> Finding:
    counts = _counts(runs, "likelihood")
    gradually = [sum(after < before for before, after in pairwise(count)) >= STEPS for count in counts]
    most = [max(count) for count in counts]
    last = [count[-1] for count in counts]
    text = f"collapsed latents: {spread(most, 1)} at most, {spread(last, 1)} at the end"
    return Finding(text, graded([min(most) > 0, all(gradually)]), len(counts))


def _scales_shrink(runs: Groups) -> Finding:
    most = [max(count) for count in _counts(runs, "likelihood", "dead_fields")]
    text = f"fields with λ below a tenth of σ: {spread(most, 1)} at most"
    return Finding(text, Verdict.of(min(most) > 0), len(most))


def _divergence_vanishes(runs: Groups) -> Finding:
    kept = [record for record in runs["paper-likelihood"] if "information" in record.arrays]
    if not kept:
        raise NotRun("information")
    least = min(float(record.arrays["information"].min()) for record in kept)
    text = f"at least {least:.3f} nats; no Gaussian is nearer to a Laplace prior than {LEAST_INFORMATION:.3f}"
    vanishes = least < LEAST_INFORMATION / 2
    return Finding(text, Verdict.REPRODUCED if vanishes else Verdict.CONTRADICTED, len(kept))


def _noise_disappears(runs: Groups) -> Finding:
    noisy = [1 - gabor_share(record) for record in runs["paper-likelihood"]]
    last = [count[-1] for count in _counts(runs, "likelihood")]
    text = f"collapsed latents {spread(last, 1)}, fields that no Gabor function explains by half "
    text += f"{spread([100 * share for share in noisy], 0)} %"
    return Finding(text, graded([max(last) == 0, max(noisy) < FEW]), len(last))


def _all_in_use(runs: Groups) -> Finding:
    first = [count[0] for count in _counts(runs, "prior")]
    dead = [_first(record, "dead_fields") for record in runs["paper-prior"]]
    unused = max(map(max, zip(first, dead, strict=True))) / runs["paper-prior"][0].config["n_latents"]
    text = f"after epoch 1: collapsed latents {spread(first, 1)}, dead fields {spread(dead, 1)}"
    return Finding(text, Verdict.of(unused == 0, partly=unused <= FEW), len(first))


def _same_in_the_end(runs: Groups) -> Finding:
    more = gain(runs["paper-likelihood"], runs["paper-prior"], own_elbo)
    shares = [mean(map(gabor_share, runs[f"paper-{kind}"])) for kind in ("prior", "likelihood")]
    gabors = " and ".join(f"{share:.0%}" for share in shares)
    text = f"prior minus likelihood: {more.text()} nats; Gabors {gabors}"
    similar = abs(shares[0] - shares[1]) < SIMILAR
    return Finding(text, graded([similar, min(shares) > 0.5]), more.seeds)


def _annealed_is_lower(runs: Groups) -> Finding:
    gaps = []
    for record in runs["paper-prior"]:
        rows = epochs(record)
        annealed = max(row["elbo"] for row in rows if row["prior_weight"] > 1)
        gaps.append(max(row["elbo"] for row in rows) - annealed)
    text = f"best epoch with γ = 1 above the best annealed one: {spread(gaps)} nats"
    return Finding(text, Verdict.of(min(gaps) > 0), len(gaps))


EARLY = (TABLE_1[f"annealing {number}, early"][2:] for number in (1, 2))
PRINTED_APART = max(abs(first - second) for first, second in zip(*EARLY, strict=True))  # nats, called close
NEAR = 5.0  # nats


def _printed_row(label: str, runs: Groups) -> Finding:
    kind, *printed = TABLE_1[label]
    if not all(map(like_table_1, runs[f"paper-{kind}"])):
        return Finding("other images or sizes", Verdict.UNCHECKABLE)
    rows = [table_1_row(record, label) for record in runs[f"paper-{kind}"]]
    ours = [[row[key] for row in rows] for key in TABLE_1_KEYS]
    free = [key != "likelihood_entropy" or is_last(label) for key in TABLE_1_KEYS]  # else it chose the epoch
    columns = zip(ours, printed, free, strict=True)
    near = [abs(mean(numbers) - number) < NEAR for numbers, number, judged in columns if judged]
    text = ", ".join(spread(numbers, 1) for numbers in ours)
    return Finding(text, graded(near), len(rows))


PRINTED = [
    Claim("table-1", "Table 1",
          f"{label}: ELBO {numbers[0]}, $H[p(x\\mid z)]$ {numbers[1]}, mean $H[q]$ {numbers[2]}, "
          f"$H[p(z)]$ {numbers[3]}.",
          partial(_printed_row, label))
    for label, (_, *numbers) in TABLE_1.items()
]  # fmt: skip

_plot = partial(Claim, "fig-entropies")
_count = partial(Claim, "collapse-counted")
CLAIMS = [
    _plot("4.2, Fig. 4, Fig. 9", "Prior annealing makes codes sparse early (Gini index).", _sparse_early),
    _plot("4.2, Table 1", "Prior annealing ends with a sparser code (Gini index).", _sparser_in_the_end),
    _plot("E.4, Fig. 9", "Codes are sparse during both annealings (Gini index).", _sparse_during_both),
    _plot("4.2, E.4, Fig. 11", "Fields are less localized during likelihood than during prior annealing.",
          _likelihood_is_less_localized),
    _plot("E.4, Fig. 10", "As prior annealing decays, more Gabors of high frequency emerge.",
          _fine_fields_emerge),
    _plot("E.4, Table 1", "During the two annealings entropies can be similar and fields yet very different.",
          _different_fields),
    _count("E.4", "With likelihood annealing posteriors of some latents collapse; latents come in gradually.",
           _dimensions_collapse),
    _count("E.4", "Prior scales of such latents shrink to very small values.", _scales_shrink),
    _count("E.4", "Their share in the KL divergence can come arbitrarily close to 0.", _divergence_vanishes),
    _count("E.4", "Noisy fields without a place disappear entirely as likelihood annealing ends.",
           _noise_disappears),
    _count("E.4", "With prior annealing all latents are in use from the beginning.", _all_in_use),
    Claim("fig-development", "E.4, Figs. 10, 11", "Prior and likelihood annealing end in similar fields.",
          _same_in_the_end),
    _plot("E.4", "The highest ELBO is reached only with the weights of the ELBO itself.", _annealed_is_lower),
    *PRINTED,
]  # fmt: skip
