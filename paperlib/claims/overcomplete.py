"""Claims about overcomplete dictionaries (Fig. 12, E.5), for every H above D that there are results of."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean

from paperlib.claims.base import Claim, Finding, Groups, NotRun, common_seeds, gain, graded
from paperlib.experiments import Record, spread
from paperlib.experiments.overcomplete import evenness, octaves, share_of_kind

HALF = 35, 65  # % of the fields: about half
MARGINAL = 0.5  # of what the number of these fields would let expect
WIDE, EVEN = 1.0, 0.8  # octaves of frequencies, evenness of directions

Judgement = tuple[str, bool]
Conditions = dict[str, list[Record]]  # none, to1, to2


def _each_size(runs: Groups, judge: Callable[[Conditions], Judgement]) -> Finding:
    """A judgement of every overcomplete H, put together."""
    texts, held, seeds = [], [], []
    for n_latents, conditions in sorted(_sizes(runs).items()):
        text, holds = judge(conditions)
        texts.append(f"H = {n_latents}: {text}")
        held.append(holds)
        seeds.append(len(common_seeds(*conditions.values())))
    return Finding("; ".join(texts), graded(held), min(seeds))


def _sizes(runs: Groups) -> dict[int, Conditions]:
    sizes = {
        group[0].config["n_latents"]: {end: runs[name.replace("to1", end)] for end in ("none", "to1", "to2")}
        for name, group in runs.items()
        if name.endswith("-to1") and group[0].config["n_latents"] > group[0].config["patch_size"] ** 2
    }
    if not sizes:
        raise NotRun("an overcomplete dictionary")
    return sizes


def _percent(group: list[Record], kind: str, measure: str | None = None) -> list[float]:
    return [100 * share_of_kind(record, kind, measure) for record in group]


def _gini(record: Record) -> float:
    return record.numbers["judged"]["gini"]


def _elbo(record: Record) -> float:
    return record.numbers["judged"]["elbo"]


def _half_textures(conditions: Conditions) -> Judgement:
    shares = _percent(conditions["to1"], "texture")
    return f"{spread(shares, 0)} %", HALF[0] <= mean(shares) <= HALF[1]


def _marginal(conditions: Conditions) -> Judgement:
    number = _percent(conditions["to1"], "texture")
    amount = _percent(conditions["to1"], "texture", "contribution")
    return f"{spread(amount, 1)} % of all contributions", mean(amount) < MARGINAL * mean(number)


def _prior_gives_gabors(conditions: Conditions) -> Judgement:
    more = gain(conditions["to1"], conditions["to2"], lambda r: 100 * share_of_kind(r, "Gabor"))
    return f"{spread(_percent(conditions['to2'], 'Gabor'), 0)} % Gabors, {more.text(0)} more", more.positive


def _wide_range(conditions: Conditions) -> Judgement:
    range_, even = ([measure(r) for r in conditions["to2"]] for measure in (octaves, evenness))
    text = f"{spread(range_, 1)} octaves, evenness {spread(even, 2)}"
    return text, mean(range_) >= WIDE and mean(even) >= EVEN


def _sparser(conditions: Conditions) -> Judgement:
    more = gain(conditions["to1"], conditions["to2"], _gini)
    return f"Gini index {more.text(3)}", more.positive


def _annealing_improves(conditions: Conditions) -> Judgement:
    gains = {m.__name__: gain(conditions["none"], conditions["to1"], m) for m in (_elbo, _gini)}
    text = f"ELBO {gains['_elbo'].text()} nats, Gini index {gains['_gini'].text(3)}"
    return text, all(more.positive for more in gains.values())


def _claim(section: str, words: str, judge: Callable[[Conditions], Judgement]) -> Claim:
    return Claim(
        section, words, "overcomplete", "overcomplete-verdicts", lambda runs: _each_size(runs, judge)
    )


CLAIMS = [
    _claim("E.5", "Annealing improves both the ELBO and the sparseness of the code.", _annealing_improves),
    _claim("E.5", "With γ = 1 at the end about half of the fields are high-frequency textures.",
           _half_textures),
    _claim("E.5", "Textures contribute only marginally to the reconstruction.", _marginal),
    _claim("E.5, Fig. 12", "Emphasizing the prior gives localized Gabors instead.", _prior_gives_gabors),
    _claim("E.5, Fig. 12", "These Gabors cover a wide range of frequencies and directions.", _wide_range),
    _claim("E.5", "Emphasizing the prior makes codes sparser.", _sparser),
]  # fmt: skip
