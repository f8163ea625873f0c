"""Generative models, a folder each."""
