"""One set of versions: pyproject.toml, constraints.txt, environment.yml and .pre-commit-config.yaml agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
NAMES_IN_CONDA = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
TOOLS = {"python", "pip", "make"}


def read_constraints(text: str) -> dict[str, str]:
    pins = [line.split("==") for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def read_conda(environment: dict) -> dict[str, str]:
    pins = dict(pin.split("=") for pin in environment["dependencies"] if isinstance(pin, str) and "=" in pin)
    return {NAMES_IN_CONDA.get(name, name): version for name, version in pins.items() if name not in TOOLS}


def differences(project: dict, constraints: dict[str, str], environment: dict) -> list[str]:
    """What does not agree, in words."""
    found = []
    core = [Requirement(text) for text in project["dependencies"]]
    extras = [Requirement(text) for texts in project["optional-dependencies"].values() for text in texts]
    for requirement in core + [extra for extra in extras if extra.name != project["name"]]:
        pin = constraints.get(canonicalize_name(requirement.name))
        if pin is None or pin not in requirement.specifier:
            found.append(f"constraints.txt: {requirement.name} is {pin}, pyproject.toml says {requirement}")
    conda = read_conda(environment)
    if missing := {canonicalize_name(requirement.name) for requirement in core} - set(conda):
        found.append(f"environment.yml lacks {sorted(missing)}")
    for name, version in conda.items():
        if constraints.get(name) != version:
            found.append(f"environment.yml: {name}={version}, constraints.txt: {constraints.get(name)}")
    python = next(pin for pin in environment["dependencies"] if str(pin).startswith("python="))
    if python.removeprefix("python=") not in Requirement(f"python{project['requires-python']}").specifier:
        found.append(f"environment.yml: {python}, pyproject.toml: {project['requires-python']}")
    return found


CONSTRAINTS = read_constraints((ROOT / "constraints.txt").read_text())


def test_the_files_agree():
    assert differences(PROJECT, CONSTRAINTS, CONDA) == []


def test_conda_adds_the_rest_through_pip_with_the_same_constraints():
    (pip,) = [entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-c constraints.txt", "-e .[dev]"]


@pytest.mark.parametrize("name", ["torch", "numpy", "papermill", "ruff"])
def test_another_version_in_the_constraints_is_noticed(name):
    assert differences(PROJECT, {**CONSTRAINTS, name: "0.0.1"}, CONDA)
    assert differences(PROJECT, {key: pin for key, pin in CONSTRAINTS.items() if key != name}, CONDA)


@pytest.mark.parametrize("replacement", ["pytorch=2.12.0", None])
def test_another_version_in_conda_is_noticed(replacement):
    pins = [pin for pin in CONDA["dependencies"] if not str(pin).startswith("pytorch=")]
    assert differences(PROJECT, CONSTRAINTS, {"dependencies": pins + [replacement] * bool(replacement)})


def test_every_package_is_pinned_for_every_platform():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line), line


def test_pre_commit_uses_the_same_tools():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    for pin in (pin for hook in hooks for pin in hook["additional_dependencies"]):
        name, version = pin.split("==")
        assert CONSTRAINTS[name] == version


def test_the_package_says_the_version_it_is():
    import importlib.metadata

    import paperlib

    assert importlib.metadata.version("paperlib") == paperlib.__version__ == PROJECT["version"]
    assert f"version: {PROJECT['version']}" in (ROOT / "CITATION.cff").read_text()
