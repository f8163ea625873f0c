"""Why an ELBO becomes a sum of entropies: the gap along a run."""
