"""Overcomplete dictionaries (E.5)."""
