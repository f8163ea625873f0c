"""Sigmoid belief nets of one layer and two, belief nets of counts, and hidden Markov models as chains."""
