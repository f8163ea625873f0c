"""Public names have docstrings in numpydoc's form; those of the API reference say what they take."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import Validator, validate

import paperlib

MODULES = [
    module.name
    for module in pkgutil.walk_packages(paperlib.__path__, "paperlib.")
    if not module.name.endswith("__main__")
]
PAGES = sorted((Path(__file__).parents[1] / "book" / "api").glob("*.md"))
# Parameters that mean the same everywhere: the table in book/api/index.md explains them once.
COMMON = set(
    re.findall(r"`(\w+)`", "".join(re.findall(r"^\|[^|]*", PAGES[0].with_name("index.md").read_text(), re.M)))
)
ENTRY = re.compile(r"automodule:: (\S+)\n   :members:(.*)")
REFERENCE = {name: chosen for page in PAGES for name, chosen in ENTRY.findall(page.read_text())}
# Of numpydoc's rules: a summary that ends, known sections in order, parameters that exist and in order.
RULES = {
    "GL03", "GL05", "GL06", "GL07", "GL08", "GL10", "SS01", "SS03", "SS04", "PR02", "PR03", "PR05", "PR10",
    "RT02",
}  # fmt: skip


def public(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The functions and classes that a module defines or exports, and their methods and properties."""
    lazily = {key: getattr(module, key) for key in getattr(module, "__all__", ())}
    for key, value in {**vars(module), **lazily}.items():
        own = getattr(value, "__module__", None) == module.__name__ and not key.startswith("_")
        if (own or key in getattr(module, "__all__", ())) and (
            inspect.isfunction(value) or inspect.isclass(value)
        ):
            yield f"{module.__name__}.{key}", value
            if inspect.isclass(value):
                yield from members(f"{module.__name__}.{key}", value)


def members(name: str, owner: type) -> Iterator[tuple[str, object]]:
    """What a class itself defines; what it overrides is documented where it comes from."""
    for key, value in vars(owner).items():
        function = getattr(value, "fget", getattr(value, "__func__", value))
        overrides = any(hasattr(base, key) for base in owner.__mro__[1:])
        written = getattr(function, "__qualname__", "").startswith(owner.__qualname__)
        if inspect.isfunction(function) and written and not overrides and not key.startswith("_"):
            yield f"{name}.{key}", value


def undocumented(thing: object) -> set[str]:
    """Parameters that neither a section Parameters nor, without such a section, the text names."""
    if getattr(thing, "_is_protocol", False):  # nobody makes one
        return set()
    described = Validator(get_doc_object(thing))
    parameters = {name.lstrip("*") for name in described.signature_parameters} - COMMON
    if described.doc_parameters:
        return parameters - {
            name.strip(" *") for names in described.doc_all_parameters for name in names.split(",")
        }
    return {name for name in parameters if not re.search(rf"\b{name}\b", described.raw_doc)}


@pytest.mark.parametrize("name", MODULES)
def test_modules_functions_and_classes_have_docstrings_in_numpydocs_form(name):
    module = importlib.import_module(name)
    assert inspect.getdoc(module)
    found = {each: validate(each)["errors"] for each, _ in public(module)}
    assert [(each, text) for each, errors in found.items() for code, text in errors if code in RULES] == []


@pytest.mark.parametrize("name", REFERENCE)
def test_the_api_reference_says_what_every_parameter_is(name):
    chosen = [f"{name}.{each.strip()}" for each in REFERENCE[name].split(",") if each.strip()]
    shown = dict(public(importlib.import_module(name)))
    if chosen:
        shown = {each: thing for each, thing in shown.items() if each.startswith(tuple(chosen))}
        assert shown.keys() >= set(chosen)
    missing = {each: undocumented(thing) for each, thing in shown.items()}
    assert {each: parameters for each, parameters in missing.items() if parameters} == {}
