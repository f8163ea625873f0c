"""Printing: all pages as one, which headless Chromium turns into a PDF."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from paperlib.book.failures import BookError
from paperlib.book.rendering import run_jupyter_book
from paperlib.system.errors import InputError
from paperlib.system.files import write_atomically

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 300_000  # milliseconds of the page's own time, for MathJax to draw all formulas


def print_book(root: Path, *, echo: Callable[[str], None] = print) -> Path:
    """Print the pages that `build_book` has staged into ``_build/book.pdf``, which is returned."""
    browser = find_browser()
    pages = run_jupyter_book(root, False, echo, builder="singlehtml")
    # the paths in it are relative to the folder above it
    page = (pages / "book" / "intro.html").rename(pages / "book.html")
    pdf = root / "_build" / "book.pdf"
    write_atomically(pdf, lambda path: print_page(browser, page, path))
    return pdf


def find_browser() -> str:
    """Chromium's program; InputError where it is not installed."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise InputError(f"Chromium is needed, but none of {', '.join(BROWSERS)} is installed.")
    return browser


def print_page(browser: str, page: Path, pdf: Path) -> None:
    """Print a `page` into the file `pdf` with the program `browser`; BookError if nothing comes of it."""
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
        f"--virtual-time-budget={PATIENCE}", f"--print-to-pdf={pdf}", page.as_uri(),
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0 or not (pdf.is_file() and pdf.stat().st_size):
        raise BookError(f"{browser} could not print {page}: {run.stderr.strip()[-500:]}")
