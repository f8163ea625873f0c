"""How exact Newton's E-step for full covariances is, from a cold start, for a dictionary just learned."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.posteriors import FullGaussian
from paperlib.models.sparse_coding.inference import infer_full, infer_lbfgs
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.models.sparse_coding.special import expected_magnitude, softened_magnitude_derivative
from paperlib.models.sparse_coding.trainers import fit_em
from paperlib.system.parallel import map_threads

STEPS = 8
LIMIT = 1e-5  # of the relative gradient
BATCH = 256
REFERENCES = 50
REFERENCE_STEPS = 10_000  # of L-BFGS, at most


def exactness(x: Float[Tensor, "N D"], x_test: Float[Tensor, "M D"], n_latents: int, n_epochs: int) -> dict:
    """Convergence of Newton's method over its steps, and its distance from an independent optimum.

    Returns
    -------
    dict
        `patches` and `limit`; `steps`, a row for each number of steps with the share of patches whose
        relative gradient is below the limit, and the largest one; `diverged`, the number of patches whose
        ELBO was ever not finite or below that of the start; `reference`, see `compare`.
    """
    generator = torch.Generator().manual_seed(0)
    model = fit_em(x, n_latents, n_epochs=n_epochs, polish=0, generator=generator, progress=False).model
    batches = map_threads(lambda batch: follow(batch, model), x_test.split(BATCH))
    gradients, elbos = (torch.cat(parts, dim=1) for parts in zip(*batches, strict=True))
    diverged = ~(torch.isfinite(elbos) & (elbos >= elbos[0])).all(0)
    rows = [
        {"steps": k, "converged": float((row < LIMIT).double().mean()), "largest": float(row.max())}
        for k, row in enumerate(gradients)
    ]
    return {
        "patches": len(x_test),
        "limit": LIMIT,
        "steps": rows,
        "diverged": int(diverged.sum()),
        "reference": compare(x_test[:REFERENCES], model),
    }


def follow(
    x: Float[Tensor, "N D"], model: SparseCodingModel
) -> tuple[Float[Tensor, "K N"], Float[Tensor, "K N"]]:
    """Relative gradient and ELBO of every patch after 0 (the start), 1, ... steps."""
    posteriors = (infer_full(x, model, n_steps=k) for k in range(STEPS + 1))
    pairs = [(relative_gradient(x, q, model), elbo_of_each(x, q, model)) for q in posteriors]
    gradients, elbos = zip(*pairs, strict=True)
    return torch.stack(gradients), torch.stack(elbos)


def compare(x: Float[Tensor, "N D"], model: SparseCodingModel) -> dict:
    """Largest differences from L-BFGS in float64, which shares no code with Newton's method."""
    model64 = SparseCodingModel.unchecked(*(value.double() for value in parameters(model)))
    found, variance = infer_full(x, model).to(torch.float64), model64.noise_variance
    optimum = infer_lbfgs(x.double(), model64, "full", max_iterations=REFERENCE_STEPS)
    elbo = elbo_of_each(x, found, model) - elbo_of_each(x, optimum, model)
    return {
        "patches": len(x),
        "elbo": float(elbo.abs().max()),
        "mean": float((found.mean - optimum.mean).abs().max() / variance.sqrt()),
        "std": float((found.std - optimum.std).abs().max() / variance.sqrt()),
        "gradient": float(relative_gradient(x, optimum, model).max()),  # L-BFGS's own
    }


def parameters(model: SparseCodingModel) -> tuple[Tensor, Tensor, Tensor]:
    """W̃, λ and σ²."""
    return model.dictionary, model.prior_scales, model.noise_variance


def relative_gradient(
    x: Float[Tensor, "N D"], posterior: FullGaussian, model: SparseCodingModel
) -> Float[Tensor, " N"]:
    """‖∂ELBO/∂ν‖ of every patch, relative to ‖W̃ᵀx/σ²‖, in float64."""
    dictionary, scales, variance = (value.double() for value in parameters(model))
    mean, std = posterior.mean.double(), posterior.std.double()
    target = x.double() @ dictionary / variance
    gradient = target - mean @ (dictionary.T @ dictionary) / variance
    gradient = gradient - softened_magnitude_derivative(mean / std) / scales
    return gradient.norm(dim=1) / target.norm(dim=1)


def elbo_of_each(
    x: Float[Tensor, "N D"], posterior: FullGaussian, model: SparseCodingModel
) -> Float[Tensor, " N"]:
    """ELBO of every patch in float64, up to what no posterior changes."""
    posterior = posterior.to(torch.float64)
    dictionary, scales, variance = (value.double() for value in parameters(model))
    residual = (x.double() - posterior.mean @ dictionary.T).square().sum(1)
    trace = (posterior.covariance() * (dictionary.T @ dictionary)).sum((1, 2))
    magnitude = expected_magnitude(posterior.mean, posterior.std) / scales
    return posterior.log_det() / 2 - (residual + trace) / (2 * variance) - magnitude.sum(1)
