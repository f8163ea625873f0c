"""Sphinx extension: pages read from a file, without a network and without errors in the console.

Jupyter Book always adds, twice, what thebe needs (running cells through a server elsewhere), and its theme
preloads fonts in a way that browsers refuse for files. Both are taken out of the finished pages.
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


def clean_pages(app, exception) -> None:
    """Take the unused elements out of every page of a finished build."""
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            page.write_text(UNUSED.sub("", text), encoding="utf-8")


def setup(app) -> dict[str, bool]:
    app.connect("build-finished", clean_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
