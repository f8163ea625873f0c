"""The type checker of the tests: beartype, with whole numbers welcome where floats are (PEP 484).

Checks would be most of the time of a test that learns, and there the same few functions are called again and
again: the first calls of every test are checked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

CALLS_CHECKED = 300
calls = 0
typed = beartype(conf=BeartypeConf(is_pep484_tower=True))


def start_checking() -> None:
    """Check the calls that follow, up to `CALLS_CHECKED` of them."""
    global calls
    calls = 0
    jaxtyping.config.update("jaxtyping_disable", False)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the types of what it takes and returns checked."""
    strict = typed(function)

    @functools.wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        global calls
        calls += 1
        if calls == CALLS_CHECKED:
            jaxtyping.config.update("jaxtyping_disable", True)
        return strict(*args, **kwargs)

    return counted
