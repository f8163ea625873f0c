"""Rows of belief nets and hidden Markov models, those included that hold a parameter fixed."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from paperlib.models.belief_nets import BeliefNet, TwoLayerBeliefNet
from paperlib.models.exponential_families import Binomial, Categorical, Family, Poisson
from paperlib.models.hidden_markov import HiddenMarkovModel
from paperlib.papers.entropy_sums.belief_nets.data import ALPHABET, binary_bars, binary_digits, letters
from paperlib.papers.entropy_sums.mixtures.data import counts
from paperlib.papers.entropy_sums.rows import Row, Rows, measured

N_LATENTS = 3
DIGITS, COUNTS = "digits, 33 pixels, binary", "digits, 8 pixels"
PAGE = "entropy_sums/belief_nets"
CONDITION = r"logits of $\pi$, $W$, $b$"
MEAN_ENTROPY = r"\tfrac1N\sum_nH[q^{(n)}]"
NET = MEAN_ENTROPY + r"-\sum_hH_b(\pi_h)-\sum_d\mathbb E_{\bar q}H_b(p(x_d=1\mid z))"
TWO_LAYERS = MEAN_ENTROPY + (
    r"-H[p(z_2)]-\mathbb E_{\bar q}H[p(z_1\mid z_2)]-\mathbb E_{\bar q}H[p(x\mid z_1)]"
)
OF_COUNTS = MEAN_ENTROPY + (
    r"-\sum_hH_b(\pi_h)-\mathbb E_{\bar q}\tilde H[p(x\mid z)]+\tfrac1N\sum_n\log h(x^{(n)})"
)
CHAIN = MEAN_ENTROPY + (
    r"-H[\pi]-\sum_{t>1}\mathbb E_{\bar q}H[A_{z_{t-1}}]-\sum_t\mathbb E_{\bar q}H[p(x_t\mid z_t)]"
)


def seeded() -> torch.Generator:
    """The generator that everything here starts from."""
    return torch.Generator().manual_seed(0)


@cache
def best_net() -> BeliefNet:
    """The sigmoid belief net of the digits at a maximum of the likelihood."""
    x = binary_digits()
    return BeliefNet.random(x, [N_LATENTS], seeded()).climb(x)


def row_of_net(model: BeliefNet, x: Tensor, posterior: Any, **words: Any) -> Row:
    """`measured` for sigmoid belief nets of one layer."""
    usual = {"name": f"sigmoid belief net, H = {model.n_latents}", "data": DIGITS, "variational": "exact"}
    same = {"formula": NET, "graph": "z→x", "condition": CONDITION, "page": PAGE}
    return measured(model, x, posterior, **(usual | same | words))


def net(variational: str) -> Row:
    """The net of the digits, learned with exact, mean-field or amortized posteriors."""
    x = binary_digits()
    learn = {
        "exact": lambda: best_net().fit(x, max_rounds=20),
        "mean field": lambda: best_net().fit_mean_field(x, tolerance=1e-8, max_rounds=100),
        "amortized": lambda: best_net().fit_amortized(x, maxiter=150),
    }[variational]
    model, posterior = learn()
    return row_of_net(model, x, posterior, variational=variational)


def net_of_bars() -> Row:
    """A net of bars, which no net is the truth of."""
    x = binary_bars(300, 3, seed=0)
    model, posterior = BeliefNet.random(x, [4], seeded()).climb(x, maxiter=150).fit(x, max_rounds=20)
    return row_of_net(model, x, posterior, data="bars, 3 × 3 pixels")


def fixed_logits(value: float, exception: str) -> Row:
    """The net of the digits with all logits of its prior held at a `value`; `exception` as in the row."""
    x, model = binary_digits(), best_net()
    held = model.replace(logits=torch.full_like(model.logits, value)).climb(
        x, ["weights", "biases"], maxiter=150
    )
    name = f"sigmoid belief net, prior logits fixed at {value:g}"
    return row_of_net(held, x, held.posterior(x), name=name, exception=exception, tolerance=1e-5)


def fixed_biases() -> Row:
    """The net of the digits with all biases held at half of what they should be."""
    x, model = binary_digits(), best_net()
    held = model.replace(biases=model.biases / 2).climb(x, ["logits", "weights"], maxiter=150)
    name, why = "sigmoid belief net, biases fixed", "$W$ alone cannot follow the temperature"
    return row_of_net(held, x, held.posterior(x), name=name, exception=why, tolerance=1e-5)


def two_layers() -> Row:
    """A net of two layers with mean-field posteriors."""
    x = binary_digits()
    start = TwoLayerBeliefNet.random(x, [2, N_LATENTS], seeded())
    model, posterior = start.fit_mean_field(x, tolerance=1e-8, max_rounds=40)
    return measured(
        model, x, posterior, name="sigmoid belief net of two layers, H = 2, 3", data=DIGITS,
        variational="mean field", formula=TWO_LAYERS, graph="z₂→z₁, z₁→x",
        condition="logits, weights and biases of each layer", page=PAGE,
    )  # fmt: skip


def net_of_counts(family: Family, name: str) -> Row:
    """Binary latents and counts of a `family`, called `name`, with natural parameters linear in them."""
    x = counts()
    model, posterior = BeliefNet.random(x, [2], seeded(), family).climb(x).fit(x, max_rounds=20)
    return measured(
        model, x, posterior, name=f"binary latents, {name} observables, H = 2", data=COUNTS,
        variational="exact", formula=OF_COUNTS, graph="z→x", condition=CONDITION, page=PAGE,
    )  # fmt: skip


def chain(variational: str) -> Row:
    """A hidden Markov model of letters with exact posteriors, or with independent states."""
    x = letters(10)[:400]
    start = HiddenMarkovModel.random(x, 2, Categorical(len(ALPHABET)), seeded())
    learn = {"exact": start.fit, "factorized over time": start.fit_mean_field}[variational]
    model, posterior = learn(x, tolerance=1e-8, max_rounds=100)
    return measured(
        model, x, posterior, name="hidden Markov model, 2 states", data="letters of data sets' descriptions",
        variational=variational, formula=CHAIN, graph="z₁→z₂, z₁→x₁, z₂→x₂",
        condition=r"logits of $\pi$ and $A$, emissions", page=PAGE,
    )  # fmt: skip


ROWS: Rows = {
    "belief-net-exact": partial(net, "exact"),
    "belief-net-mean-field": partial(net, "mean field"),
    "belief-net-amortized": partial(net, "amortized"),
    "belief-net-bars": net_of_bars,
    "belief-net-two-layers": two_layers,
    "belief-net-poisson": partial(net_of_counts, Poisson(), "Poisson"),
    "belief-net-binomial": partial(net_of_counts, Binomial(16), "binomial"),
    "belief-net-uniform-prior": partial(fixed_logits, 0.0, ""),
    "belief-net-fixed-prior": partial(fixed_logits, -1.0, "the prior cannot follow the temperature"),
    "belief-net-fixed-biases": fixed_biases,
    "hidden-markov-exact": partial(chain, "exact"),
    "hidden-markov-factorized": partial(chain, "factorized over time"),
}
