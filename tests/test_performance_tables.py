"""The benchmark in tables, sentences and figures: a result with known numbers, and the committed one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paperlib.papers.sparse_codes.performance import figures, tables
from paperlib.papers.sparse_codes.performance.benchmark import FAST, FULL, PAPER, Benchmark, along

COMMITTED = Path(__file__).parents[1] / "benchmarks" / "results" / "full.json"
SHOWN = (
    tables.answers, tables.origin, tables.comparison, tables.about_the_comparison, tables.full_posteriors,
    tables.ceilings, tables.costs, tables.convergence, tables.newton_steps, tables.reference,
    tables.of_many_patches, figures.draw_comparison, figures.draw_scaling,
)  # fmt: skip


def method(*curve, full, repeats=(4.0,), commit="abcdefghij"):
    rows = [{"seconds": seconds, "elbo": elbo} for seconds, elbo in curve]
    return {
        "curve": rows, "full_elbo": full, "repeat_seconds": list(repeats), "repeat_difference": 0.25,
        "date": "2026-01-02", "commit": commit,
    }  # fmt: skip


def scaled(family, n, seconds, threads=1):
    costs = {"seconds": seconds, "predicted": seconds / 2, "operations": 3e6, "bytes": 500.0}
    return {"family": family, "n": n, "patch_size": 8, "h": 20, "threads": threads} | costs


@pytest.fixture
def content():
    return {
        "profile": "full", "images": "photos",
        "machine": {"cores": 2, "cpu": "a processor"},
        "versions": {"torch": "2", "scikit-learn": "1", "numpy": "2", "python": "3"},
        "sizes": {
            "alphas": [0.2, 0.1, 0.4], "patches": 1000, "patch_size": 8, "latents": 20, "test_patches": 50,
        },
        "methods": {
            FAST: method((1.0, 80.0), (2.0, 95.0), (8.0, 100.0), full=101.0, repeats=(7.0, 9.0)),
            PAPER: method((10.0, 70.0), (40.0, 90.0), full=93.0),
            FULL: method((90.0, 102.0), full=106.0, commit="0123456789+"),
            "scikit-learn, alpha = 0.1": method((3.0, 60.0), full=60.0),
            "scikit-learn, alpha = 0.2": method((5.0, 85.0), full=85.0),
            "scikit-learn, alpha = 0.4": method((4.0, 75.0), full=75.0),
        },
        "ceilings": {"rows": [
            {"threads": k, "operations": k * 6e10, "passes": 1e9, "functions": 2e9, "calls": 5e6,
             "bytes": 1e10}
            for k in (1, 2)
        ]},
        "scaling": {"date": "2026-01-05", "commit": None, "rows": [
            scaled("diagonal", 1000, 0.1), scaled("diagonal", 2000, 0.2),
            scaled("diagonal", 1000, 0.06, threads=2), scaled("full", 1000, 3.6),
        ]},
        "exactness": {
            "date": "2026-01-03", "commit": "abcdefghij", "patches": 2000, "diverged": 0, "limit": 1e-4,
            "steps": [
                {"steps": steps, "converged": share, "largest": 0.1 / (1 + steps)}
                for steps, share in ((0, 0.0), (5, 0.5), (9, 0.9995))
            ],
            "reference": {"patches": 20, "elbo": 1e-6, "mean": 1e-3, "std": 2e-3, "gradient": 1e-5},
        },
    }  # fmt: skip


@pytest.fixture
def read(content, tmp_path):
    """Reads the content as it is by then."""

    def read() -> Benchmark:
        file = tmp_path / "full.json"
        file.write_text(json.dumps(content))
        return Benchmark(file)

    return read


def test_seconds_to_a_rival_s_end_are_those_of_the_first_row_that_reaches_it(read):
    bench = read()
    assert bench.best_of_grid == "scikit-learn, alpha = 0.2"
    assert bench.seconds_to(PAPER, FAST) == 2.0
    assert bench.seconds_to(FULL, FAST) is None
    text = tables.answers(bench).markdown
    assert f"took 2.0 s to the 90.00 nats that took *{PAPER}* 40.0 s: **20 times** faster" in text
    assert f"The highest held-out ELBO, 102.00 nats, is that of *{FULL}*, after 90.0 s." in text


def test_a_goal_that_was_not_reached_is_no_race(read, content):
    content["methods"][PAPER]["curve"][-1]["elbo"] = 101.0
    assert "Fast EM did not reach the 101.00 nats" in tables.answers(read()).markdown
    assert tables.comparison(read()).rows[2][5:7] == ["–", "–"]


def test_methods_are_compared_by_their_last_elbo(read):
    table = tables.comparison(read())
    assert [row[0] for row in table.rows][:3] == [FULL, FAST, PAPER]
    assert table.rows[1][1:] == ["100.00", "101.00", "8.0", "7.0 to 9.0", "2.0", "20.0", "2.0", "2.5"]
    assert table.rows[2][4:7] == ["one run", "40.0", "1.0"]


def test_where_it_comes_from(read):
    text = tables.origin(read()).markdown
    assert "measured 2026-01-02 to 2026-01-05 at commit 01234567+, None, abcdefgh (+: with changes)" in text
    assert "1,000 patches of 8² pixels" in text and "judged on 50 others" in text


@pytest.mark.parametrize(("best", "where"), [(0.2, "inside the grid"), (0.4, "at the edge of the grid")])
def test_the_search_for_alpha(best, where, read, content):
    content["methods"][f"scikit-learn, alpha = {best}"]["curve"][-1]["elbo"] = 88.0
    text = tables.about_the_comparison(read()).markdown
    assert "these 3 values took 12.0 s together" in text and where in text and "is 0.2500 nats" in text


def test_full_posteriors_on_the_same_dictionary_and_in_learning(read):
    text = tables.full_posteriors(read()).markdown
    assert f"by **4.00** nats for that of *{FULL}*, **3.00**" in text and "ends +5.00 nats from" in text


def test_costs_are_a_patch_s_and_shares_of_the_ceilings(read):
    bench = read()
    (first, _, threads, full) = tables.costs(bench).rows
    assert first == [
        "diagonal", "1,000", "64", "20", "1", "3,000,000", "500", "100.0", "50.0", "50.0%", "0.1%",
    ]  # fmt: skip
    assert threads[4] == "2" and full[0] == "full"
    assert tables.ceilings(bench).rows[0] == ["products of matrices", "60.00", "120.00", "Gflop/s"]
    hours, *_, stored = tables.of_many_patches(bench).rows
    assert hours == ["core-hours", "27.78", "1,000.00"]
    assert stored[1:] == ["0.42", "0.42"]  # 4 (64 + 2 · 20) bytes


def test_scaling_takes_rows_that_differ_in_one_size(read):
    rows = read().scaling["diagonal"]
    assert along("n", rows) == [
        (1000, pytest.approx(100), pytest.approx(50)),
        (2000, pytest.approx(100), pytest.approx(50)),
    ]
    assert [size for size, *_ in along("threads", rows)] == [1, 2]


def test_convergence_is_said_of_the_first_number_of_steps_that_is_enough(read, content):
    assert tables.convergence(read()).markdown.startswith(
        "Yes, after 9 Newton steps for 99.9 % of patches. Of 2,000"
    )
    assert tables.newton_steps(read()).rows == [["5", "50.00%", "1.7e-02"], ["9", "99.95%", "1.0e-02"]]
    content["exactness"]["steps"].pop()
    assert tables.convergence(read()).markdown.startswith("Not to the limit")


@pytest.mark.parametrize("show", SHOWN, ids=lambda show: show.__name__)
def test_all_is_shown_of_the_committed_result(show):
    assert show(Benchmark(COMMITTED)) is not None
