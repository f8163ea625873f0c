"""A sigmoid belief net of bars, learned by gradients with its ELBO and entropies at every step."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.models.belief_nets import BeliefNet
from paperlib.models.gap import Gap, gap
from paperlib.papers.entropy_sums.belief_nets.data import binary_bars
from paperlib.records.record import Outcome

LEARNING_RATE = 0.1


def learn_bars(*, seed: int, n_points: int, size: int, n_steps: int) -> Outcome:
    """A net with a latent for each bar, by Adam and then L-BFGS, posteriors exact throughout.

    Its numbers are `elbo` and `entropy_sum` before each step and at the end, its array the `weights`.

    Parameters
    ----------
    seed : int
        Of the first weights; the data are the same for all.
    n_points, size : int
        Pictures, of size × size pixels.
    n_steps : int
        Of Adam with all data, and then as many of L-BFGS.
    """
    x = binary_bars(n_points, size, seed=0)
    model, found = first_net(x, 2 * size, seed), list[Gap]()
    free = {name: tensor.clone().requires_grad_() for name, tensor in model.parameters.items()}
    optimizer = torch.optim.Adam(free.values(), lr=LEARNING_RATE)
    for _ in range(n_steps):
        model = model.replace(**{name: tensor.detach() for name, tensor in free.items()})
        found.append(gap(model, x, model.posterior(x)))
        optimizer.zero_grad()
        (-model.replace(**free).log_likelihood(x)).backward()
        optimizer.step()
    model = model.climb(x, maxiter=n_steps)
    found.append(gap(model, x, model.posterior(x)))
    numbers = {
        "elbo": [float(each.elbo) for each in found],
        "entropy_sum": [float(each.terms.elbo) for each in found],
    }
    return Outcome(numbers, {"weights": model.weights.numpy()})


def first_net(x: Float[Tensor, "N D"], n_latents: int, seed: int) -> BeliefNet:
    """A net whose latents only turn pixels of `x` on, each a third of the time, from a `seed`."""
    net = BeliefNet.random(x, [n_latents], torch.Generator().manual_seed(seed))
    return net.replace(
        logits=torch.full_like(net.logits, -0.7),
        weights=net.weights.abs(),
        biases=torch.full_like(net.biases, -2.5),
    )
