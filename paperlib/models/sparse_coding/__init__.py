"""Sparse coding with a Laplace prior (Eqs. 1 and 5): model, objectives, inference, learning, baselines."""
