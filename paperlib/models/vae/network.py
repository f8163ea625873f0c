"""Multilayer perceptrons as dictionaries of weights; of several runs at once, with a leading dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from paperlib.system.errors import InputError
from paperlib.system.validation import check_choice

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "leaky": functional.leaky_relu}


@dataclass(frozen=True)
class Network:
    """Linear layers with an `activation` between them.

    `weights` has `<layer>.weight` (…, out, in) and `<layer>.bias` (…, out) for layers 0, 1, …  The
    last bias may be shorter than the output: what is beyond it has none.

    Raises
    ------
    InputError
        If weights are missing, do not fit, or are not finite.
    """

    weights: Mapping[str, Tensor]
    activation: str = "relu"

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)
        if set(self.weights) != {f"{k}.{kind}" for k in range(self.depth) for kind in ("weight", "bias")}:
            raise InputError(
                f"A network cannot have weights {sorted(self.weights)}; expected 0.weight, 0.bias …"
            )
        n_outputs = self.sizes[0]
        for layer in range(self.depth):
            weight, bias = self.weights[f"{layer}.weight"], self.weights[f"{layer}.bias"]
            is_last = layer == self.depth - 1
            fits = bias.shape[-1] <= weight.shape[-2] if is_last else bias.shape[-1] == weight.shape[-2]
            if not fits or weight.shape[-1] != n_outputs or weight.shape[:-2] != bias.shape[:-1]:
                raise InputError(f"Layer {layer} of a network has shapes that do not fit its neighbors.")
            n_outputs = weight.shape[-2]
        for name, tensor in self.weights.items():
            if not torch.isfinite(tensor).all():
                raise InputError(f"Weights {name} of a network must be finite.")

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.weights) // 2

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of inputs and of outputs."""
        return self.weights["0.weight"].shape[-1], self.weights[f"{self.depth - 1}.weight"].shape[-2]

    @classmethod
    def random(
        cls, sizes: Sequence[int], generator: torch.Generator, *, runs: tuple[int, ...] = (),
        activation: str = "relu", n_biases: int | None = None, dtype: torch.dtype = torch.float32,
    ) -> Network:  # fmt: skip
        """Network of these `sizes`, inputs first, with PyTorch's usual first weights, U(±1/√n_inputs).

        There is one for each of the `runs`, a shape; the last layer has `n_biases`, by default one an output.
        """
        weights = {}
        for layer, (n_inputs, n_outputs) in enumerate(pairwise(sizes)):
            n_here = n_outputs if n_biases is None or layer < len(sizes) - 2 else n_biases
            for kind, shape in {"weight": (n_outputs, n_inputs), "bias": (n_here,)}.items():
                draw = torch.rand(*runs, *shape, generator=generator, dtype=dtype)
                weights[f"{layer}.{kind}"] = (2 * draw - 1) * n_inputs**-0.5
        return cls(weights, activation)

    def __call__(self, x: Float[Tensor, "*any n_in"]) -> Float[Tensor, "*more n_out"]:
        """Outputs for inputs `x`, whose leading dimensions broadcast with those of the runs."""
        for layer in range(self.depth):
            x = ACTIVATIONS[self.activation](x) if layer else x
            weight, bias = self.weights[f"{layer}.weight"], self.weights[f"{layer}.bias"]
            x = x @ weight.mT
            if missing := weight.shape[-2] - bias.shape[-1]:
                bias = functional.pad(bias, (0, missing))
            x = x + bias.unsqueeze(-2)
        return x
