"""Mixtures: from Gaussians of any covariance to k-means, and of any exponential family."""
