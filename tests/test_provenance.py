"""What numbers say about the code they come from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_package_installed_inside_a_repository_does_not_take_its_commit_for_its_own(tmp_path):
    package = tmp_path / "site" / "paperlib"
    shutil.copytree(ROOT / "paperlib" / "system", package / "system")
    (package / "__init__.py").touch()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "theirs"], cwd=tmp_path, check=True)
    asked = "from paperlib.system.provenance import commit; print(commit())"
    run = [sys.executable, "-c", asked]
    answer = subprocess.run(run, cwd=package.parent, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "None"
