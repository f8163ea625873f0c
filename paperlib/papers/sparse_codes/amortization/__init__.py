"""Amortization (Section 4.2, E.3)."""
