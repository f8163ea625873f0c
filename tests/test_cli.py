"""The command line before any command runs: quick to start, and in step with the library."""

from __future__ import annotations

import subprocess
import sys

import pytest

from paperlib.cli import main
from paperlib.elbo.annealing import KINDS
from paperlib.elbo.posteriors import FAMILIES
from paperlib.models.sparse_coding.trainers.em_step import TREATMENTS


@pytest.mark.parametrize("arguments", [[], ["train"], ["score"], ["sums"], ["reproduce"], ["data", "info"]])
def test_help_imports_nothing_slow(arguments):
    script = f"""
import sys
from paperlib.cli import main
try:
    main({[*arguments, "--help"]!r}, prog_name="paperlib")
finally:
    slow = {{"torch", "numpy", "matplotlib", "sklearn", "requests", "jupytext"}} & set(sys.modules)
    assert not slow, slow
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Usage: paperlib")


def test_the_package_imports_nothing_slow_and_has_the_names_it_says():
    script = """
import sys, paperlib
slow = {"torch", "numpy", "matplotlib", "sklearn", "requests"} & set(sys.modules)
assert not slow, slow
for name in paperlib.__all__:
    assert getattr(paperlib, name).__name__ == name
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("command", "option", "expected"),
    [("train", "annealing", KINDS), ("train", "family", TREATMENTS), ("score", "family", FAMILIES)],
)
def test_choices_are_those_of_the_library(command, option, expected):
    (parameter,) = [each for each in main.commands[command].params if each.name == option]
    assert list(parameter.type.choices) == list(expected)
