"""Learning Sparse Codes with Entropy-Based ELBOs (Velychko, Damm, Fischer, Lücke; AISTATS 2024)."""
