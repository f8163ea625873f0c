"""Dictionaries of other learners, sparsenet above all (Section 4.2)."""
