"""Sphinx extension: download and launch buttons for pages that are executed copies of their sources.

Beside the executed notebook the download button offers its MyST source, which the rendering step leaves in
the folder `sources`. Launch buttons need the repository's address (_config.yml) and are left out without it.
"""

from __future__ import annotations

import shutil
from pathlib import Path


def drop_launch_buttons(app, config) -> None:
    """Without an address there is nothing to launch."""
    if not config.html_theme_options.get("repository_url"):
        config.html_theme_options["launch_buttons"] = {}


def source_of(app, page: str) -> Path:
    return Path(app.srcdir) / "sources" / f"{page}.md"


def offer_source(app, pagename, templatename, context, doctree) -> None:
    """Put the MyST source into the menu of downloads, before "print"."""
    if source_of(app, pagename).is_file():
        groups = [group for group in context["header_buttons"] if group.get("label") == "download-buttons"]
        for group in groups:
            button = {
                "type": "link",
                "url": f"{context['pathto']('_sources', 1)}/{pagename}.md",
                "text": ".md",
                "tooltip": "Download the source that was executed",
                "icon": "fas fa-file",
                "label": "download-myst-button",
            }
            group["buttons"].insert(-1, button)


def copy_sources(app, exception) -> None:
    if exception is None and app.builder.name == "html":
        for page in app.env.found_docs:
            if source_of(app, page).is_file():
                shutil.copyfile(source_of(app, page), Path(app.outdir) / "_sources" / f"{page}.md")


def setup(app) -> dict[str, bool]:
    app.connect("config-inited", drop_launch_buttons)
    app.connect("html-page-context", offer_source, priority=900)  # after the theme's own buttons
    app.connect("build-finished", copy_sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
