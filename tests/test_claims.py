"""Claims and the map: each has a place in the book that exists, and what is said follows from results."""

from __future__ import annotations

from pathlib import Path

import pytest

from paperlib.claims import CLAIMS, VERDICTS
from paperlib.claims.base import MISSING
from paperlib.claims.figures import FIGURES
from paperlib.experiments import Record
from paperlib.experiments.records import write_record

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "paper"
THE_PAPERS = {f"Fig. {number}" for number in range(1, 13)} | {"Table 1"}


def test_every_figure_and_table_of_the_paper_is_on_the_map():
    assert [place.name for place in FIGURES] == sorted(
        THE_PAPERS, key=lambda name: (name[0] == "T", int(name.split()[1]))
    )


@pytest.mark.parametrize(
    "place", [*FIGURES, *CLAIMS], ids=lambda p: getattr(p, "name", getattr(p, "words", ""))
)
def test_every_place_exists_in_the_book(place):
    page = ROOT / "book" / f"{place.page}.md"
    assert f"({place.anchor})=\n" in page.read_text(encoding="utf-8")


def test_there_are_as_many_claims_as_promised_each_once():
    assert len({claim.words for claim in CLAIMS}) == len(CLAIMS) >= 25


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.words)
def test_claims_are_judged_by_the_committed_results(claim):
    finding = claim.find(RESULTS)
    assert finding.verdict in VERDICTS
    assert (finding.verdict == MISSING) == (finding.ours == "–")


def test_without_results_nothing_is_claimed(tmp_path):
    assert {claim.find(tmp_path).verdict for claim in CLAIMS} == {MISSING}


def _run(folder, name, elbo):
    config = {"seed": int(name[-1]), "method": name.split("-")[0]}
    numbers = {"judged": {"diagonal": {"elbo": elbo}}, "history": []}
    provenance = dict.fromkeys(
        ("schema", "experiment", "images", "commit", "code", "device", "threads", "versions", "started",
         "seconds", "cpu_seconds", "peak_memory_mb")
    )  # fmt: skip
    write_record(folder / f"{name}.json", Record(config, numbers, {}, provenance | {"schema": 1}))


@pytest.mark.parametrize(("gain", "verdict"), [(2.0, "reproduced"), (-1.0, "partly"), (9.0, "partly")])
def test_a_verdict_follows_from_the_numbers(tmp_path, gain, verdict):
    for seed in range(3):
        _run(tmp_path / "natural_images", f"paper-none-{seed}", 100.0 + seed)
        _run(tmp_path / "natural_images", f"paper-prior-{seed}", 100.0 + seed + gain)
    (claim,) = (claim for claim in CLAIMS if claim.words.startswith("Without annealing"))
    finding = claim.find(tmp_path)
    assert finding.verdict == verdict
    assert finding.seeds == 3
    assert f"{gain:+.2f} ± 0.00" in finding.ours
