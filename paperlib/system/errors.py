"""The one exception paperlib raises for bad input: a wrong file, shape, name or number."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input from the user: one sentence that says what was wrong, what was expected and what to do."""
