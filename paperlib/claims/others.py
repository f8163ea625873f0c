"""Claims about overcomplete dictionaries (E.5), sparsenet (4.2) and Bürmann's series (E.1)."""

from __future__ import annotations

from statistics import mean

from paperlib.claims.base import PARTLY, Claim, Finding, Groups, difference, verdict
from paperlib.experiments import Record, spread, values
from paperlib.experiments.overcomplete import KINDS


def _share(record: Record, kind: str) -> float:
    """Percentage of a kind of fields."""
    return 100 * float(mean(record.arrays["kind"] == KINDS.index(kind)))


def _half_textures(runs: Groups) -> Finding:
    shares = [_share(record, "texture") for record in runs["h256-to1"]]
    text = f"{spread(shares, 0)} % at H = 256"
    return Finding(text, verdict(30 <= mean(shares) <= 70, PARTLY), len(shares))


def _prior_gives_gabors(runs: Groups) -> Finding:
    ends = {name: [_share(r, "Gabor") for r in runs[f"h256-{name}"]] for name in ("to1", "to2")}
    text = f"Gabors: {spread(ends['to2'], 0)} % if γ stays at 2, {spread(ends['to1'], 0)} % if it ends at 1"
    return Finding(text, verdict(mean(ends["to2"]) > mean(ends["to1"])), len(ends["to2"]))


def _sparser(runs: Groups) -> Finding:
    ends = {name: values(runs[f"h256-{name}"], "judged", "gini") for name in ("to1", "to2")}
    text = f"Gini index: {spread(ends['to2'], 3)} against {spread(ends['to1'], 3)}"
    return Finding(text, verdict(mean(ends["to2"]) > mean(ends["to1"])), len(ends["to2"]))


def _diagonal(record: Record) -> float:
    return record.numbers["judged"]["diagonal"]["elbo"]


def _sparsenet_is_lower(runs: Groups) -> Finding:
    gain, text = difference(runs["em-prior"], runs["sparsenet"], _diagonal)
    return Finding(
        f"sparsenet minus EM with prior annealing: {text}", verdict(gain < 0), len(runs["sparsenet"])
    )


def _same_with_series(runs: Groups) -> Finding:
    gain, text = difference(runs["torch"], runs["burmann"], lambda record: record.numbers["elbo"])
    return Finding(f"series minus erf: {text}", verdict(abs(gain) < 0.5), len(runs["burmann"]))


def _longer_with_series(runs: Groups) -> Finding:
    seconds = {name: mean(values(runs[name], "learning_seconds")) for name in ("torch", "burmann")}
    longer = 100 * (seconds["burmann"] / seconds["torch"] - 1)
    return Finding(
        f"{longer:+.0f} % of learning time", verdict(10 <= longer <= 50, PARTLY), len(runs["burmann"])
    )


CLAIMS = [
    Claim("E.5", "With γ = 1 at the end about half of the fields are high-frequency textures.",
          "overcomplete", "overcomplete-verdicts", _half_textures),
    Claim("E.5, Fig. 12", "Emphasizing the prior gives localized Gabors instead.",
          "overcomplete", "overcomplete-verdicts", _prior_gives_gabors),
    Claim("E.5", "Emphasizing the prior makes codes sparser.",
          "overcomplete", "overcomplete-verdicts", _sparser),
    Claim("4.2", "A sparsenet dictionary has a lower ELBO: it underfits.",
          "sparsenet", "sparsenet-verdict", _sparsenet_is_lower),
    Claim("E.1", "Bürmann's series instead of erf makes no difference to the result.",
          "error_function", "erf-run", _same_with_series),
    Claim("E.1", "Bürmann's series takes 20 to 30 % longer.",
          "error_function", "erf-run", _longer_with_series),
]  # fmt: skip
