"""Sphinx extension: pages that screen readers understand, as axe-core checks (tests/test_rendered_book.py).

Repairs what Sphinx and the theme write: controls without a name, lists that are none. Each repair is a
pattern and what takes its place in the finished pages.
"""

from __future__ import annotations

import re
from pathlib import Path

REPAIRS = [
    # The button that unfolds a section of the contents has no text.
    (re.compile(r"<summary>(?=<span class=\"toctree-toggle\")"), '<summary aria-label="Pages below">'),
    # The search field's text is "Search" and the keys that open it: a shorter label would hide the keys.
    (re.compile(r'(<button class="btn search-button-field[^>]*?)\s+aria-label="Search"'), r"\1"),
    # Sphinx writes a signature of several lines as a list of descriptions of nothing.
    (
        re.compile(r"<dl>\s*((?:<dd>(?:(?!</?d[dlt]\b).)*</dd>\s*)+)</dl>", re.DOTALL),
        r'<span class="lines">\1</span>',
    ),
    (re.compile(r'<dd>(?=<em class="sig-param">)(.*?)</dd>', re.DOTALL), r'<span class="line">\1</span>'),
    # The text says "Show code cell source", its label something else.
    (re.compile(r'(<summary) aria-label="Toggle hidden content"'), r"\1"),
    # What scrolls has to be reached by keyboard.
    (re.compile(r'(<div class="pst-scrollable-table-container")'), r'\1 tabindex="0"'),
    # The entries of a bibliography are not items of a list.
    (re.compile(r'(<div) role="list" (class="citation-list")'), r"\1 \2"),
    # A list inside a list has to stand in one of its items.
    (re.compile(r"</li>\n<ul>((?:(?!</?ul>).)*)</ul>", re.DOTALL), r"\n<ul>\1</ul></li>"),
]


def repair_pages(app, exception) -> None:
    """Apply all repairs to every page of a finished build."""
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            for pattern, repaired in REPAIRS:
                text = pattern.sub(repaired, text)
            page.write_text(text, encoding="utf-8")


def setup(app) -> dict[str, bool]:
    app.connect("build-finished", repair_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
