"""ELBOs and entropies, for any model: terms, posteriors, annealing, criteria."""
