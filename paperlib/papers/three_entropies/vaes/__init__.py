"""Variational autoencoders: their entropies at stationary points, and on the way there."""
