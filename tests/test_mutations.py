"""The checks check: a wrong sign in 𝓜, σ², λ, an entropy or a weight fails a test and changes a page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Mutation:
    """A text of a module and what takes its first place, a test file and a page that have to notice."""

    module: str
    right: str
    wrong: str
    tests: str
    page: str


MUTATIONS = {
    "M": Mutation("special.py", "+ a * torch.erf", "- a * torch.erf", "test_special.py", "magnitude"),
    "lambda": Mutation(
        "special.py", "+ mean * softened", "- mean * softened", "test_special.py", "theorem2"
    ),
    "noise variance": Mutation(
        "objectives.py", "squared_residual + stats.trace", "squared_residual - stats.trace",
        "test_objectives.py", "theorem2",
    ),
    "posterior entropy": Mutation(
        "objectives.py", "LOG_2_PI_E + stats.log_det", "LOG_2_PI_E - stats.log_det",
        "test_objectives.py", "model",
    ),
    "prior entropy": Mutation(
        "objectives.py", "prior=torch.log(", "prior=-torch.log(", "test_objectives.py", "model"
    ),
    "likelihood entropy": Mutation(
        "objectives.py", "LOG_2_PI_E + torch.log(optimal", "LOG_2_PI_E - torch.log(optimal",
        "test_objectives.py", "model",
    ),
    "weight": Mutation(
        "objectives.py", "- weights.prior * self.prior", "+ weights.prior * self.prior",
        "test_objectives.py", "weights",
    ),
}  # fmt: skip


def noticed(tmp_path: Path, mutation: Mutation, change: bool) -> list[str]:
    """Which of test and page notice that a copy of the package is changed."""
    copy = tmp_path / "paperlib"
    shutil.copytree(ROOT / "paperlib", copy, ignore=shutil.ignore_patterns("__pycache__"))
    if change:
        module = copy / mutation.module
        text = module.read_text(encoding="utf-8")
        assert mutation.right in text, f"{mutation.module} has no {mutation.right!r} any more"
        module.write_text(text.replace(mutation.right, mutation.wrong, 1), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, ROOT / "tests" / "mutations.py", mutation.tests, mutation.page],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return result.stdout.splitlines()[-1].split() if result.stdout.strip() else []


@pytest.mark.parametrize("name", MUTATIONS)
def test_an_error_is_noticed_by_a_test_and_by_a_page(tmp_path, name):
    assert noticed(tmp_path, MUTATIONS[name], change=True) == ["test", "page"]


def test_nothing_is_noticed_where_nothing_is_wrong(tmp_path):
    assert noticed(tmp_path, MUTATIONS["noise variance"], change=False) == []
