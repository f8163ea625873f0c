"""Posterior collapse, read from the entropies of the encoder."""
