"""PPCA and factor analysis: all stationary points, and how many latents there are."""
