"""One deliberate error in a copy of paperlib: does a test fail, and does a page print other numbers?

    python mutations.py TEST_FILE PAGE

runs with the copy's folder first on PYTHONPATH and prints what noticed the error: "test", "page", both or
nothing.  The page's cells run in this process, without a kernel, up to the first checked one that differs.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).parent
REFERENCES = HERE / "reference"


def test_fails(path: Path) -> bool:
    """Whether a test of the file fails; stops at the first."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:nbval", "-o", "addopts="]
    with contextlib.redirect_stdout(io.StringIO()):
        return pytest.main([*options, str(path)]) == pytest.ExitCode.TESTS_FAILED


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


if __name__ == "__main__":
    noticed = {"test": test_fails(HERE / sys.argv[1]), "page": page_differs(sys.argv[2])}
    print(" ".join(name for name, found in noticed.items() if found))
