"""The ELBO of Variational Autoencoders Converges to a Sum of Three Entropies (Damm et al.; AISTATS 2023)."""
