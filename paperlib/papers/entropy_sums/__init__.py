"""Generative Models with ELBOs Converging to Entropy Sums (Warnken, Velychko, Damm, Fischer, Lücke; 2025)."""
