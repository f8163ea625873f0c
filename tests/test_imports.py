"""What some code imports decides what is up to date: nothing less, and no other module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paperlib.system.imports import imported_files

ROOT = Path(__file__).parents[1]
FILES = {
    "__init__.py": "lazily = ...",
    "__init__.pyi": "from .tools.knife import cut as cut",
    "direct.py": "from paperlib.through import anything\nimport numpy",
    "through.py": "def later():\n    from paperlib import inside",
    "inside.py": "",
    "tools/__init__.py": "",
    "tools/__init__.pyi": "from .knife import cut as cut\nfrom .spoon import stir as stir",
    "tools/knife.py": "from . import steel",
    "tools/steel.py": "",
    "tools/spoon.py": "",
    "never.py": "import paperlib.direct",
}


@pytest.fixture
def root(tmp_path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "paperlib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import numpy, json", set()),
        ("from paperlib.inside import x", {"inside"}),
        ("import paperlib.direct as d", {"direct", "through", "inside"}),
        ("def f():\n    from paperlib import through", {"through", "inside"}),
        ("from paperlib.tools import cut", {"tools/__init__", "tools/knife", "tools/steel"}),
        ("from paperlib import cut", {"tools/__init__", "tools/knife", "tools/steel"}),
        ("from paperlib import tools", {"tools/__init__", "tools/knife", "tools/steel", "tools/spoon"}),
        ("from paperlib.tools import *", {"tools/__init__", "tools/knife", "tools/steel", "tools/spoon"}),
        ("import paperlib", {"tools/__init__", "tools/knife", "tools/steel"}),
    ],
)
def test_the_modules_are_found_through_others_inside_functions_and_by_lazy_names(root, code, expected):
    files = imported_files(code, root)
    found = {path.relative_to(root / "paperlib").with_suffix("").as_posix() for path in files}
    assert found - {"__init__"} == expected
    assert ("__init__" in found) == bool(expected)


STATEMENTS = [
    "from paperlib.plotting import Table",
    "from paperlib.data import PatchSampler",
    "from paperlib import entropy_elbo, fit_em",
    "import paperlib.records.record",
]
# Every statement in a process of its own, forked from one that has loaded the libraries.
LOADED = """
import os, sys
import matplotlib.pyplot, scipy.optimize, skimage, sklearn, torch
for code in sys.argv[1:]:
    if not os.fork():
        exec(code)
        print(*(m.__file__ for name, m in sys.modules.items() if name.startswith("paperlib")), flush=True)
        os._exit(0)
    os.wait()
"""


def test_whatever_python_loads_is_among_them():
    command = [sys.executable, "-c", LOADED, *STATEMENTS]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for code, line in zip(STATEMENTS, lines, strict=True):
        loaded = {Path(name) for name in line.split() if name != "None"}
        assert loaded and loaded <= imported_files(code, ROOT), code
