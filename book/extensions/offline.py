"""Sphinx extension: pages read from a file, without a network, without console errors, and by everyone.

Jupyter Book always adds, twice, what thebe needs (running cells through a server elsewhere), and its theme
preloads fonts in a way that browsers refuse for files. Both are taken out of the finished pages, and controls
that the theme leaves without a name for screen readers get one.
"""

from __future__ import annotations

import re
from pathlib import Path

UNUSED = re.compile(
    r'<link rel="preload" as="font"[^>]*>'
    r"|<link[^>]*sphinx-thebe\.css[^>]*>"
    r"|<script>const THEBE_JS_URL[^<]*</script>"
    r"|<script[^>]*sphinx-thebe\.js[^>]*></script>"
    r'|<script type="text/x-thebe-config">.*?</script>',
    re.DOTALL,
)


NAMED = {
    '<summary><span class="toctree-toggle"': '<summary aria-label="Pages below"><span class="toctree-toggle"',
    '<span class="search-button__kbd': '<span aria-hidden="true" class="search-button__kbd',
}


def clean_pages(app, exception) -> None:
    """Take the unused elements out of every page of a finished build."""
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = UNUSED.sub("", page.read_text(encoding="utf-8"))
            for element, named in NAMED.items():
                text = text.replace(element, named)
            page.write_text(text, encoding="utf-8")


def setup(app) -> dict[str, bool]:
    app.connect("build-finished", clean_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
