"""Generative models, a folder each; `MODELS` has where each is, as `pkgutil.resolve_name` takes it."""

MODELS = {
    "sparse coding": "paperlib.models.sparse_coding.model:SparseCodingModel",
    "PPCA": "paperlib.models.linear_gaussian:PPCA",
    "factor analysis": "paperlib.models.linear_gaussian:FactorAnalysis",
    "Gaussian mixture": "paperlib.models.mixtures:FullGaussianMixture",
    "Gaussian mixture, shared covariance": "paperlib.models.mixtures:SharedGaussianMixture",
    "Gaussian mixture, one variance": "paperlib.models.mixtures:IsotropicGaussianMixture",
    "mixture of an exponential family": "paperlib.models.mixtures:FamilyMixture",
    "belief net": "paperlib.models.belief_nets:BeliefNet",
    "belief net of two layers": "paperlib.models.belief_nets:TwoLayerBeliefNet",
    "VAE": "paperlib.models.vae:VAE",
    "Bernoulli VAE": "paperlib.models.vae:BernoulliVAE",
    "hidden Markov model": "paperlib.models.hidden_markov:HiddenMarkovModel",
}
