"""The linear VAE, which is PPCA: ELBO, entropies and the exact log-likelihood while it learns."""
