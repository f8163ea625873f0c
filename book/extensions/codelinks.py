"""Sphinx extension: names of the package link to its reference (book/api) in prose, docstrings, signatures.

    {computed}`entropy_elbo, entropies`    below a formula: which functions compute it

A name need not be complete: what only one entry of the reference ends with is enough. In docstrings a name in
single backticks is a link if the reference has it, and plain code if not, such as the name of an argument.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxRole
from sphinx.util.nodes import make_refnode

OUTERMOST = {"function", "class", "exception", "module", "data"}
CODE = re.compile(r"(`+[^`]+`+)")


class Computed(SphinxRole):
    """The line "computed by f, g" with links; an unknown name is a warning."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        line = nodes.inline(classes=["computed-by"])
        for name in map(str.strip, self.text.split(",")):
            line += nodes.Text("computed by " if not line.children else ", ")
            link = addnodes.pending_xref(
                refdomain="py", reftype="func", reftarget=name, refwarn=True, refdoc=self.env.docname
            )
            link += nodes.literal(name, name, classes=["xref", "py"])
            line += link
        return [line], []


def find_by_ending(app, env, node, contnode) -> nodes.Node | None:
    """The entry whose name ends with a name that was not found as it stands."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    domain = env.domains["py"]
    found = {
        name: entry
        for name, entry in domain.objects.items()
        if name.endswith(f".{target}") and not entry.aliased and (entry.objtype in OUTERMOST or "." in target)
    }
    if len(found) == 1:
        ((name, entry),) = found.items()
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, name)
    return contnode if node["reftype"] == "obj" else None


def keep_bars(app, what, name, obj, options, lines: list[str]) -> None:
    """In docstrings |a| is a magnitude and a_ a name, not markup: escape them, except in code."""
    for number, line in enumerate(lines):
        parts = CODE.split(line)
        parts[::2] = [re.sub(r"\||_\b(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
        lines[number] = "".join(parts)


def name_factories(app, what, name, obj, options, signature, returned) -> tuple[str | None, str | None]:
    """The default `<factory>` of a dataclass is no expression, and types beside it would not be linked."""
    return signature and signature.replace("<factory>", "..."), returned


def setup(app) -> dict[str, bool]:
    app.add_role("computed", Computed())
    app.connect("missing-reference", find_by_ending)
    app.connect("autodoc-process-docstring", keep_bars)
    app.connect("autodoc-process-signature", name_factories)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
