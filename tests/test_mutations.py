"""The checks check: a wrong sign in 𝓜, σ², λ, an entropy or a weight fails a test and changes a page."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Mutation:
    """A text of a module and what takes its first place, a test and a page that have to notice."""

    module: str
    right: str
    wrong: str
    tests: str
    page: str


MUTATIONS = {
    "M": Mutation(
        "models/sparse_coding/special.py", "+ a * softened", "- a * softened",
        "test_special.py::test_softened_magnitude_agrees_with_mpmath_from_0_to_1e30", "magnitude",
    ),
    "lambda": Mutation(
        "models/sparse_coding/special.py", "+ mean * softened", "- mean * softened",
        "test_special.py::test_expected_magnitude_is_the_integral", "theorem2",
    ),
    "noise variance": Mutation(
        "models/sparse_coding/objectives.py", "residual + stats.trace", "residual - stats.trace",
        "test_objectives.py::test_closed_form_scales_are_stationary_by_autograd", "theorem2",
    ),
    "posterior entropy": Mutation(
        "models/sparse_coding/statistics.py", "LOG_2_PI_E + self.log_det", "LOG_2_PI_E - self.log_det",
        "test_objectives.py::test_terms_are_the_entropies_of_the_distributions", "model",
    ),
    "prior entropy": Mutation(
        "models/sparse_coding/objectives.py", "prior=torch.log(", "prior=-torch.log(",
        "test_objectives.py::test_terms_are_the_entropies_of_the_distributions", "model",
    ),
    "likelihood entropy": Mutation(
        "models/sparse_coding/objectives.py", "LOG_2_PI_E + torch.log(noise", "LOG_2_PI_E - torch.log(noise",
        "test_objectives.py::test_terms_are_the_entropies_of_the_distributions", "model",
    ),
    "weight": Mutation(
        "elbo/terms.py", "- weights.prior * self.prior", "+ weights.prior * self.prior",
        "test_objectives.py::test_weighted_terms", "weights",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def warm() -> Iterator[subprocess.Popen]:
    """The process that tries copies of the package (tests/mutations.py)."""
    with subprocess.Popen(
        [sys.executable, ROOT / "tests" / "mutations.py"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        process.stdin.close()


def noticed(warm: subprocess.Popen, folder: Path, mutation: Mutation, change: bool) -> list[str]:
    """Which of test and page notice that a copy of the package is changed."""
    copy = folder / "paperlib"
    shutil.copytree(ROOT / "paperlib", copy, ignore=shutil.ignore_patterns("__pycache__"))
    if change:
        module = copy / mutation.module
        text = module.read_text(encoding="utf-8")
        assert mutation.right in text, f"{mutation.module} has no {mutation.right!r} any more"
        module.write_text(text.replace(mutation.right, mutation.wrong, 1), encoding="utf-8")
    print(folder, mutation.tests, f"sparse_codes/{mutation.page}", file=warm.stdin, flush=True)
    answer = warm.stdout.readline()
    assert answer, "the process that tries copies has ended: its messages are above"
    return answer.split()


@pytest.mark.parametrize("name", MUTATIONS)
def test_an_error_is_noticed_by_a_test_and_by_a_page(warm, tmp_path, name):
    assert noticed(warm, tmp_path, MUTATIONS[name], change=True) == ["page", "test"]


@pytest.mark.parametrize("name", ["noise variance", "weight"])
def test_nothing_is_noticed_where_nothing_is_wrong(warm, tmp_path, name):
    assert noticed(warm, tmp_path, MUTATIONS[name], change=False) == []
