"""Deliberate errors in copies of paperlib: does a test fail, and does a page print other numbers?

Reads a line "FOLDER TESTS PAGE" for each copy: the folder it lies in, what of tests/ to run and the page to
execute. Answers each with a line that names what noticed an error: "test", "page", both or nothing. Every
copy is imported by a process of its own, forked from this one, which has loaded the libraries.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

import hypothesis.strategies  # noqa: F401 - this and the following: what tests and pages import
import jaxtyping  # noqa: F401
import matplotlib.pyplot  # noqa: F401
import mpmath  # noqa: F401
import nbformat
import pytest
import scipy.optimize
import scipy.stats  # noqa: F401
import sklearn.decomposition  # noqa: F401
import sympy  # noqa: F401
import torch
import torch._dynamo  # torch.func loads it

HERE = Path(__file__).parent
REFERENCES = HERE / "reference"


def test_fails(tests: str) -> bool:
    """Whether a test fails; stops at the first.  Types are not checked, which is half of the time."""
    os.environ["PAPERLIB_UNTYPED"] = "1"
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:nbval", "-o", "addopts="]
    return pytest.main([*options, str(HERE / tests)]) == pytest.ExitCode.TESTS_FAILED


def page_differs(page: str) -> bool:
    """Whether a checked cell of the page prints what its reference does not have, or a cell raises."""
    os.chdir(HERE.parent / "book")
    notebook = nbformat.read(REFERENCES / f"{page}.ipynb", 4)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(cell.source, page, "exec"), namespace)
        except Exception as error:  # of whatever kind: the reference was made without
            print(f"{page}: {type(error).__name__}: {error}", file=sys.stderr)
            return True
        expected = "".join(output.get("text", "") for output in cell.outputs)
        if "nbval-check-output" in cell.metadata.get("tags", []) and printed.getvalue() != expected:
            return True
    return False


def what_notices(folder: str, tests: str, page: str) -> str:
    sys.path.insert(0, folder)
    with contextlib.redirect_stdout(sys.stderr):
        noticed = {"page": page_differs(page), "test": test_fails(tests)}
    return " ".join(name for name, found in noticed.items() if found)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            print(what_notices(*line.split()), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"{line.strip()}: the process for this copy ended badly")
