"""Where an ELBO does not become a sum of entropies: each exception with its number."""
