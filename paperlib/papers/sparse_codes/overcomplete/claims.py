"""Claims about overcomplete dictionaries (Fig. 12, E.5), for every H above D that there are results of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import mean

from paperlib.papers.sparse_codes.overcomplete.conditions import ENDS, Conditions
from paperlib.papers.sparse_codes.overcomplete.experiment import evenness, last_rise, octaves, share_of_kind
from paperlib.records import Record, spread
from paperlib.records.claims import Claim, Finding, Groups, NotRun, Part, Verdict, common_seeds, gain, graded

PAGE = "overcomplete"
HALF = 35, 65  # % of the fields: about half
CONVERGED = 0.5  # nats that the last epoch gains, at most
# verdicts on one seed, or on runs far from their end
PROVISIONAL = {Verdict.REPRODUCED: Verdict.PARTLY, Verdict.CONTRADICTED: Verdict.NOT}
MARGINAL = 5  # % of the energy, that are unexplained without these fields
WIDE, EVEN = 1.0, 0.8  # octaves of frequencies, evenness of directions

Judgement = tuple[str, Part]  # and a text
WANTED = (*ENDS, "to1-codes", "to2-codes")  # conditions of each H


def _each_size(runs: Groups, judge: Callable[[Conditions], Judgement]) -> Finding:
    """A judgement of every overcomplete H, put together.

    Those of one seed, or of runs far from their end, count only if there are no others.
    """
    texts, judged, unsure = [], [], []
    for n_latents, conditions in sorted(_sizes(runs).items()):
        text, holds = judge(conditions)
        seeds = len(common_seeds(*conditions.values()))
        rise = mean(map(last_rise, conditions["to1"]))
        notes = ["one seed"] * (seeds == 1)
        notes += [f"the ELBO still rising by {rise:.1f} nats an epoch"] * (rise > CONVERGED)
        texts.append(f"H = {n_latents}: {text}" + (f" ({', '.join(notes)})" if notes else ""))
        if notes:
            unsure.append((seeds, PROVISIONAL.get(graded([holds]), holds)))
        else:
            judged.append((seeds, holds))
    counted = judged or unsure
    return Finding(
        "; ".join(texts), graded(holds for _, holds in counted), min(seeds for seeds, _ in counted)
    )


def _sizes(runs: Groups) -> dict[int, Conditions]:
    sizes: dict[int, Conditions] = {
        group[0].config["n_latents"]: {end: runs[name.replace("to1", end)] for end in WANTED}
        for name, group in runs.items()
        if name.endswith("-to1") and group[0].config["n_latents"] > group[0].config["patch_size"] ** 2
    }
    if not sizes:
        raise NotRun("an overcomplete dictionary")
    return sizes


def _percent(kind: str, record: Record, measure: str | None = None) -> float:
    return 100 * share_of_kind(record, kind, measure)


def _gini(record: Record) -> float:
    return record.numbers["judged"]["gini"]


def _of_codes(measure: str, record: Record) -> float:
    return record.numbers[measure]


def _elbo(record: Record) -> float:
    return record.numbers["judged"]["elbo"]


def _half_textures(conditions: Conditions) -> Judgement:
    shares = [_percent("texture", record) for record in conditions["to1"]]
    return f"{spread(shares, 0)} %", HALF[0] <= mean(shares) <= HALF[1]


def _marginal(conditions: Conditions) -> Judgement:
    if not any(_percent("texture", record) for record in conditions["to1"]):
        return "no textures", Verdict.UNCHECKABLE
    lost = [
        100 * (r.numbers["without_textures"]["unexplained"] - r.numbers["unexplained"])
        for r in conditions["to1"]
    ]
    return f"without them {spread(lost, 1)} % more of the energy are unexplained", mean(lost) <= MARGINAL


def _prior_gives_gabors(conditions: Conditions) -> Judgement:
    """Among the fields in use."""
    gabors, textures = (
        gain(conditions["to1"], conditions["to2"], partial(_percent, kind, measure="used"))
        for kind in ("Gabor", "texture")
    )
    share = spread([_percent("Gabor", record, "used") for record in conditions["to2"]], 0)
    text = f"of the fields in use {share} % Gabors, {gabors.text(0)}, textures {textures.text(0)}"
    return text, graded([gabors, -textures])


def _wide_range(conditions: Conditions) -> Judgement:
    range_, even = ([measure(r) for r in conditions["to2"]] for measure in (octaves, evenness))
    text = f"{spread(range_, 1)} octaves, evenness {spread(even, 2)}"
    return text, mean(range_) >= WIDE and mean(even) >= EVEN


def _sparser(conditions: Conditions) -> Judgement:
    samples = gain(conditions["to1"], conditions["to2"], _gini)
    means, active = (
        gain(conditions["to1-codes"], conditions["to2-codes"], partial(_of_codes, key))
        for key in ("gini_means", "active")
    )
    text = f"Gini index {samples.text(3)}, of means {means.text(3)}, active latents {active.text(0)}"
    return text, graded([samples, means, -active])


def _annealing_improves(conditions: Conditions) -> Judgement:
    gabors, sparser, elbo = (
        gain(conditions["none"], conditions["to1"], measure)
        for measure in (partial(_percent, "Gabor"), _gini, _elbo)
    )
    text = f"Gabors {gabors.text(0)} %, Gini index {sparser.text(3)} (ELBO {elbo.text(1)} nats)"
    return text, graded([gabors, sparser])


def _claim(section: str, words: str, judge: Callable[[Conditions], Judgement]) -> Claim:
    return Claim("overcomplete-verdicts", section, words, partial(_each_size, judge=judge))


CLAIMS = [
    _claim("E.5", "Annealing improves the dictionary and the sparseness of the code.", _annealing_improves),
    _claim("E.5", "With γ = 1 at the end about half of the fields are high-frequency textures.",
           _half_textures),
    _claim("E.5", "Textures contribute only marginally to the reconstruction.", _marginal),
    _claim("E.5, Fig. 12", "Emphasizing the prior gives Gabors instead of textures.", _prior_gives_gabors),
    _claim("E.5, Fig. 12", "These Gabors cover a wide range of frequencies and directions.", _wide_range),
    _claim("E.5", "Emphasizing the prior makes codes sparser.", _sparser),
]  # fmt: skip
