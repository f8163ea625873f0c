"""Every module and every public name says what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import paperlib

MODULES = [module.name for module in pkgutil.walk_packages(paperlib.__path__, "paperlib.")]


@pytest.mark.parametrize("name", MODULES)
def test_modules_functions_and_classes_have_docstrings(name):
    if name.endswith("__main__"):
        return
    module = importlib.import_module(name)
    own = {
        key: value
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", None) == name and callable(value)
    }
    nameless = [key for key, value in own.items() if not inspect.getdoc(value)]
    assert inspect.getdoc(module)
    assert not nameless
