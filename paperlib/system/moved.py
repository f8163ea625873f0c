"""Modules by their names of version 0.1: importing one gives the module of today, and a warning."""

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

HOMES = {
    "elbo": "annealing criteria encoders posteriors",
    "models.sparse_coding": "estimator inference metrics model objectives special statistics trainers",
    "papers.sparse_codes.fields": "gabor",
    "system": "distributed errors files parallel provenance validation",
}
MOVED = {f"paperlib.{old}": f"paperlib.{home}.{old}" for home, olds in HOMES.items() for old in olds.split()}
MOVED["paperlib.experiments"] = "paperlib.records"
MOVED["paperlib.baselines"] = "paperlib.papers.sparse_codes.learners"
MOVED["paperlib.data.bars"] = "paperlib.papers.sparse_codes.bars.data"


def new_name(name: str) -> str:
    """What a module is called today; the name itself where it did not move."""
    old = next((old for old in MOVED if f"{name}.".startswith(f"{old}.")), name)
    return MOVED.get(old, old) + name.removeprefix(old)


class MovedModules(MetaPathFinder, Loader):
    """Finds moved modules for ``import``."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """A module that moved, and no other."""
        return None if new_name(name) == name else ModuleSpec(name, self)

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of today into the place of `module`."""
        name = new_name(module.__name__)
        warnings.warn(f"{module.__name__} is now {name}", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(name)


def with_moved(find: Callable[[str], Any], home: str, names: Sequence[str]) -> Callable[[str], Any]:
    """The function `__getattr__` of a package, which also finds `names` that have left it for `home`."""

    def find_moved(name: str) -> Any:
        if name not in names:
            return find(name)
        warnings.warn(f"{name} is now in {home}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(home), name)

    return find_moved
