"""Bars (Section 4.1, E.2)."""
