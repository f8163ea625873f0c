"""One set of versions: pyproject.toml, constraints.txt, environment.yml and .pre-commit-config.yaml agree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from paperlib.system.locks import locked

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


@pytest.fixture
def checkout(tmp_path):
    """The Makefile beside an environment whose Python says what it is given."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$1" != -c ] && printf "%s\\n" "$@" || echo True\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / ".installed").touch()
    return tmp_path


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    of_a_make_around = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in of_a_make_around}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder, env=environment | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("value", ["it's my folder", "x'; touch p; '", "$(shell touch p)", "`touch p`"])
def test_make_hands_on_values_as_they_are(value, checkout):
    for run in (make(checkout, "plan", f"IMAGES={value}"), make(checkout, "plan", IMAGES=value)):
        assert run.returncode == 0, run.stderr
        assert run.stdout.splitlines()[-3:] == ["--images", value, "--plan"]
    assert not (checkout / "p").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(checkout):
    assert "Making .venv" not in make(checkout, "-n", "plan").stdout
    (checkout / ".venv" / "bin" / "python").unlink()
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")
    assert "Making .venv" in make(checkout, "-n", "plan").stdout


def test_nothing_is_cleaned_while_the_book_is_made(tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "_build").mkdir()
    with locked(tmp_path / "_build" / "lock", "the book"):
        refused = make(tmp_path, "clean", f"PYTHON={sys.executable}")
        assert refused.returncode != 0 and f"process {os.getpid()}" in refused.stderr
        assert (tmp_path / "_build").exists()
    assert make(tmp_path, "clean", f"PYTHON={sys.executable}").returncode == 0
    assert not (tmp_path / "_build").exists()


def test_what_others_publish_is_pinned_by_its_content():
    workflows = "".join(path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    assert re.findall(r"uses: \S+@(?![0-9a-f]{40}\b)", workflows) == []
    packages = json.loads((ROOT / "tests" / "npm" / "package-lock.json").read_text())["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)
