"""Claims and the map: each has a place in the book that exists, and what is said follows from results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paperlib.papers.sparse_codes import judging
from paperlib.papers.sparse_codes.claims import CLAIMS, find_all
from paperlib.papers.sparse_codes.overcomplete.experiment import KINDS
from paperlib.papers.sparse_codes.places import FIGURES
from paperlib.records import Record
from paperlib.records import claims as base
from paperlib.records.claims import Verdict

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "paper" / "sparse_codes"
ALL = [claim for claims in CLAIMS.values() for claim in claims]
THE_PAPERS = {f"Fig. {number}" for number in range(1, 13)} | {"Table 1"}


def test_every_figure_and_table_of_the_paper_is_on_the_map():
    assert [place.name for place in FIGURES] == sorted(
        THE_PAPERS, key=lambda name: (name[0] == "T", int(name.split()[1]))
    )


@pytest.mark.parametrize(
    ("page", "anchor"),
    sorted(
        {(place.page, place.anchor) for place in FIGURES}
        | {(page, claim.anchor) for page, claims in CLAIMS.items() for claim in claims}
    ),
)
def test_every_place_exists_in_the_book(page, anchor):
    text = (ROOT / "book" / "sparse_codes" / f"{page}.md").read_text(encoding="utf-8")
    assert f"({anchor})=\n" in text


def test_there_are_as_many_claims_as_promised_each_once():
    assert len({claim.words for claim in ALL}) == len(ALL) >= 25


def test_claims_are_judged_by_the_committed_results():
    found = find_all(RESULTS)
    assert [claim for _, claim, _ in found] == ALL
    for _, claim, finding in found:
        assert (finding.verdict is Verdict.MISSING) == (finding.ours == "–"), claim.words


def test_without_results_nothing_is_claimed(tmp_path):
    assert {finding.verdict for *_, finding in find_all(tmp_path)} == {Verdict.MISSING}


def record(name, numbers, arrays=None, **config):
    """A record as pages name it: what stands before the last hyphen is the method, then comes the seed."""
    seed = int(name.rpartition("-")[2])
    return Record({"seed": seed, "method": name.split("-")[0]} | config, numbers, arrays or {}, {})


def judged(elbo):
    return {"judged": {"diagonal": {"elbo": elbo}}}


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((2.0, 2.1, 1.9), "reproduced"),
        ((2.0, 5.0, 1.0), "partly"),
        ((-2.0, -2.1, -1.9), "contradicted"),
        ((2.0, -2.1, 1.9), "not reproduced"),
        ((0.5,), "partly"),
        ((-0.5,), "not reproduced"),
    ],
)
def test_a_difference_counts_if_student_s_test_says_so(gains, verdict):
    first = [record(f"a-{seed}", judged(100.0 + seed)) for seed in range(len(gains))]
    second = [record(f"b-{seed}", judged(100.0 + seed + gain)) for seed, gain in enumerate(gains)]
    found = base.gain(first, second[::-1], judging.elbo)
    assert found.value == pytest.approx(sum(gains) / len(gains)) and found.seeds == len(gains)
    assert found.verdict == verdict


def test_records_without_a_common_seed_are_no_comparison():
    runs = {"sparsenet-0": "sparsenet", "em-none-1": "em"}
    found = {name: record(name, judged(100.0), learner=learner) for name, learner in runs.items()}
    assert {claim.find(found).verdict for claim in CLAIMS["sparsenet"]} == {Verdict.MISSING}


def overcomplete_runs(n_latents, rise, numbers=lambda end, seed: {}, arrays=None):
    """Two seeds of three conditions on patches of 16 pixels, whose ELBO the last epoch raised by `rise`."""
    elbos = [("em", 1.0), ("em", 1.0 + rise), ("final", 9.0)]
    history = [{"phase": phase, "elbo": elbo} for phase, elbo in elbos]
    return {
        name: record(
            name, {"history": history} | numbers(end, seed), arrays, n_latents=n_latents, patch_size=4
        )
        for end in ("none", "to1", "to2", "to1-codes", "to2-codes")
        for seed in range(2)
        for name in [f"h{n_latents}-{end}-{seed}"]
    }


@pytest.mark.parametrize(
    ("n_textures", "n_latents", "rise", "verdict"),
    [
        (9, 18, 0.1, "reproduced"),
        (9, 18, 3.0, "partly"),
        (2, 18, 0.1, "not reproduced"),
        (8, 16, 0.1, "not run yet"),
    ],
)
def test_overcomplete_claims_are_of_more_fields_than_pixels(n_textures, n_latents, rise, verdict):
    kind = np.repeat([KINDS.index("texture"), KINDS.index("other")], [n_textures, n_latents - n_textures])
    arrays = {"kind": kind.astype(np.float16), "contribution": np.ones(n_latents, np.float16)}
    (claim,) = (claim for claim in ALL if "about half of the fields" in claim.words)
    finding = claim.find(overcomplete_runs(n_latents, rise, arrays=arrays))
    assert finding.verdict == verdict
    assert verdict == "not run yet" or f"{100 * n_textures / n_latents:.0f}" in finding.ours


@pytest.mark.parametrize(("rise", "verdict"), [(0.1, "contradicted"), (3.0, "not reproduced")])
def test_runs_that_have_not_ended_contradict_nothing(rise, verdict):
    assert sparser(rise, gini=-0.1, active=+3).verdict == verdict


def test_runs_that_have_not_ended_count_only_without_others():
    def textures(n_latents, n_textures, rise):
        kind = np.full(n_latents, KINDS.index("other"), np.float16)
        kind[:n_textures] = KINDS.index("texture")
        arrays = {"kind": kind, "contribution": np.ones(n_latents, np.float16)}
        return overcomplete_runs(n_latents, rise, arrays=arrays)

    (claim,) = (claim for claim in ALL if "about half of the fields" in claim.words)
    ended, others = textures(18, 9, rise=0.1), textures(36, 3, rise=3.0)
    assert claim.find(ended | others).verdict == claim.find(ended).verdict == "reproduced"
    assert claim.find(others).verdict == "not reproduced"


@pytest.mark.parametrize(("gini", "active", "verdict"), [(0.1, -3, "reproduced"), (-0.1, -3, "partly")])
def test_codes_are_sparser_if_all_measures_say_so(gini, active, verdict):
    found = sparser(rise=0.1, gini=gini, active=active)
    assert found.verdict == verdict
    assert f"{active:+d}" in found.ours


def sparser(rise, gini, active):
    """Finding where γ = 2 changes the Gini indices and the number of active latents by so much."""

    def numbers(end, seed):
        more = (1 + 0.001 * seed) * end.startswith("to2")
        codes = {"gini_means": 0.7 + gini * more, "active": 9 + active * more}
        return codes if end.endswith("codes") else {"judged": {"gini": 0.7 + gini * more}}

    (claim,) = (claim for claim in ALL if claim.words == "Emphasizing the prior makes codes sparser.")
    return claim.find(overcomplete_runs(18, rise, numbers))


@pytest.mark.parametrize(
    ("entropy", "pixels", "verdict"),
    [(-310.0, 60.0, "reproduced"), (-310.0, 9.0, "partly"), (0.0, 9.0, "not reproduced")],
)
def test_fields_differ_where_entropies_are_alike(entropy, pixels, verdict):
    def row(weight, kind, posterior_entropy, size):
        entropies = dict.fromkeys(("prior_entropy", "likelihood_entropy"), 0.0)
        weights = {"prior_weight": 1.0, "likelihood_weight": 1.0} | {f"{kind}_weight": weight}
        return entropies | weights | {"posterior_entropy": posterior_entropy, "pixels": size}

    found = {
        f"paper-{kind}-{seed}": record(f"paper-{kind}-{seed}", {"history": rows})
        for seed in range(2)
        for kind, rows in {
            "prior": [row(10, "prior", -300.0, 10.0), row(1, "prior", 0.0, 1.0), {}],
            "likelihood": [row(0.1, "likelihood", entropy, pixels), row(1, "likelihood", -300.0, 99.0), {}],
        }.items()
    }
    (claim,) = (claim for claim in ALL if "yet very different" in claim.words)
    assert claim.find(found).verdict == verdict


def test_parts_of_a_claim_are_put_together():
    up, one = base.Gain((1.0, 1.1, 0.9)), base.Gain((1.0,))
    down = -up
    assert base.graded([True, up]) == "reproduced"
    assert base.graded([True, one]) == base.graded([up, down]) == base.graded([Verdict.PARTLY]) == "partly"
    assert base.graded([down, -up]) == "contradicted"
    assert base.graded([Verdict.UNCHECKABLE]) == "not checkable"
    assert base.graded([True, Verdict.UNCHECKABLE]) == "reproduced"
    assert base.graded([False, down]) == base.graded([]) == "not reproduced"
