"""Sparse coding as one row of the table."""
