"""Generative models, a folder each; `MODELS` has where each is, as `pkgutil.resolve_name` takes it."""

MODELS = {
    "sparse coding": "paperlib.models.sparse_coding.model:SparseCodingModel",
    "PPCA": "paperlib.models.linear_gaussian:PPCA",
    "factor analysis": "paperlib.models.linear_gaussian:FactorAnalysis",
}
