"""Base measures that are not constant: entropies relative to them take the place of entropies."""
