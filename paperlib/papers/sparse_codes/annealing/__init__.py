"""Annealing (Section 4.2, E.4; Table 1)."""
