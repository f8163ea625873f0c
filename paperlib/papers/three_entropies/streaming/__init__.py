"""Choosing the number of latents on a stream, by the BIC of entropies."""
