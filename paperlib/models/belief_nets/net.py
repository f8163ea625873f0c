"""Belief nets of few binary latents: every expectation is a sum over all their vectors.

A net is a chain of layers, and its ELBO, entropies and M-step are sums over them.  Below the chain are the
nets that there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from paperlib.elbo.binary import BinaryPosterior, BinaryTable, IndependentBinary, binary_vectors
from paperlib.elbo.maximum import maximize_tensors
from paperlib.elbo.terms import EntropyTerms
from paperlib.models.belief_nets.layer import Layer, LayerSums
from paperlib.models.contract import ExactModel, variational_em
from paperlib.models.exponential_families import Bernoulli, Family
from paperlib.models.mixtures.mixture import MixtureStatistics
from paperlib.system.errors import InputError
from paperlib.system.validation import check_counts, check_data, check_parameter

LATENT = Bernoulli()
B = TypeVar("B", bound="BinaryChain")
SWEEPS_A_ROUND = 3  # of mean field in EM
SMALL_CHANGE = 1e-10  # of logits, where mean field ends


class BinaryChain(ExactModel[MixtureStatistics, BinaryPosterior]):
    """A chain of layers: binary latents, few enough to sum over all their vectors, and visible units.

    The fields of a class are the logits of the top layer and then, layer by layer down to the visible units,
    weights (units, parents) and biases; last is the `family` of the visible units, which has one natural
    parameter and no bounds on it.  Latents z have the layer next to the visible units first.

    Such a net is a mixture whose classes are the K binary vectors of the latents, and so are its statistics.
    """

    family: Family

    def __post_init__(self) -> None:
        (name, logits), *others = self.parameters.items()
        check_parameter(name, logits, logits.shape[:1])
        width = len(logits)
        for (name, weights), (of_biases, biases) in zip(others[::2], others[1::2], strict=True):
            check_parameter(name, weights, (len(weights), width))
            check_parameter(of_biases, biases, (len(weights),))
            width = len(weights)
        binary_vectors(self.n_latents)  # refuses too many

    @classmethod
    def random(
        cls: type[B],
        x: Float[Tensor, "N D"],
        widths: Sequence[int],
        generator: torch.Generator,
        family: Family = LATENT,
    ) -> B:
        """Model of a `family` to start from, with means of data `x`; `widths` count latents, top first."""
        check_data(x)
        family.check_data(x)
        tensors = [x.new_zeros(widths[0])]
        for above, below in pairwise([*widths, x.shape[1]]):
            weights = torch.randn(below, above, generator=generator, dtype=x.dtype)
            tensors += [weights, -weights.sum(1) / 2]  # as often on as off
        tensors[-1] += family.natural(family.sufficient(x).mean(0))[:, 0]
        return cls(*tensors, family)  # type: ignore[call-arg]

    @property
    def layers(self) -> list[Layer]:
        """The layers from the top, which has no parents, to the visible units."""
        logits, *others = self.parameters.values()
        *hidden, visible = zip(others[::2], others[1::2], strict=True)
        top = Layer(LATENT, logits.new_zeros(len(logits), 0), logits)
        return [top, *(Layer(LATENT, *pair) for pair in hidden), Layer(self.family, *visible)]

    @property
    def widths(self) -> list[int]:
        """Numbers of latents, from the top layer to the one next to the visible units."""
        return [len(layer.biases) for layer in self.layers[:-1]]

    @property
    def n_latents(self) -> int:
        """H, those of all layers."""
        return sum(self.widths)

    @property
    def n_features(self) -> int:
        """D, the number of visible units."""
        return len(self.layers[-1].biases)

    def sample(
        self, n_points: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N H"]]:
        drawn = [self.layers[0].biases.new_zeros(n_points, 0)]
        for layer in self.layers:
            drawn.append(layer.family.sample(layer.natural(drawn[-1]), generator))
        return drawn[-1], torch.cat(drawn[-2:0:-1], 1)

    def log_joint(
        self, x: Float[Tensor, "*#batch D"], z: Float[Tensor, "*#batch H"]
    ) -> Float[Tensor, "*#batch"]:
        chain = [x, *z.split(self.widths[::-1], dim=-1), z[..., :0]]
        pairs = zip(self.layers[::-1], chain[:-1], chain[1:], strict=True)
        each = [layer.log_density(units, parents) for layer, units, parents in pairs]
        return torch.stack(torch.broadcast_tensors(*each)).sum(0)

    def log_table(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """Log p(x, s) of each data point `x` and each binary vector s of the latents, in nats."""
        *hidden, visible = self.layers
        prior = x.new_zeros(1)
        for layer, below in zip(hidden, self.layers[1:], strict=True):
            prior = prior.unsqueeze(-1) + layer.log_table(below.parents).T
        return (visible.log_table(x).unsqueeze(1) + prior.reshape(-1, len(visible.parents))).flatten(1)

    def posterior(self, x: Float[Tensor, "N D"]) -> BinaryTable:
        self.check_points(x)
        return BinaryTable(self.log_table(x).softmax(1))

    def mean_field(
        self, x: Float[Tensor, "N D"], start: IndependentBinary | None = None, max_sweeps: int = 500
    ) -> IndependentBinary:
        """Independent latents by coordinate ascent of the ELBO, each step exact, from `start` on.

        A logit becomes the mean of log p(x, z_h=1, ·) − log p(x, z_h=0, ·) under the other latents.  It ends
        with a sweep that changes none by more than 10⁻¹⁰, or after `max_sweeps`.
        """
        self.check_points(x)
        check_counts(max_sweeps=max_sweeps)
        log_table, signs = self.log_table(x), 2 * binary_vectors(self.n_latents).to(x) - 1
        logits = x.new_zeros(len(x), self.n_latents) if start is None else start.logits.clone()
        for _ in range(max_sweeps):
            before = logits.clone()
            for h in range(self.n_latents):
                logits[:, h] = 0.0  # makes q(s) half of what it is without z_h
                others = 2 * IndependentBinary(logits).table()
                logits[:, h] = (others * log_table) @ signs[:, h]
            if (logits - before).abs().max() < SMALL_CHANGE:
                break
        return IndependentBinary(logits)

    def climb(self: B, x: Float[Tensor, "N D"], names: Sequence[str] | None = None, **options: float) -> B:
        """The model at a maximum of the likelihood of data `x`, by L-BFGS from here on; faster than `fit`.

        Parameters of `names`, or all, are learned and the others stay; `options` are SciPy's for L-BFGS-B.
        """
        learned = {name: self.parameters[name] for name in names or self.parameters}
        found = maximize_tensors(lambda free: self.replace(**free).log_likelihood(x), learned, **options)
        return self.replace(**found)

    def fit_mean_field(
        self: B, x: Float[Tensor, "N D"], tolerance: float = 1e-10, max_rounds: int = 10_000
    ) -> tuple[B, IndependentBinary]:
        """`fit` with independent latents instead of exact posteriors; `tolerance`, `max_rounds` as there."""

        def infer(model: B, before: IndependentBinary | None) -> IndependentBinary:
            return model.mean_field(x, before, SWEEPS_A_ROUND)

        return variational_em(self, x, infer, tolerance, max_rounds)

    def fit_amortized(self: B, x: Float[Tensor, "N D"], **options: float) -> tuple[B, IndependentBinary]:
        """Learn with logits of q that are linear in `x`, a recognition network's, by L-BFGS in all together.

        The model's own parameters get an M-step at the end.  `options` are SciPy's for L-BFGS-B.
        """
        self.check_points(x)

        def posterior(free: dict[str, Tensor]) -> IndependentBinary:
            return IndependentBinary(x @ free["recognition"] + free["offsets"])

        def objective(free: dict[str, Tensor]) -> Float[Tensor, ""]:
            model = self.replace(**{name: free[name] for name in self.parameters})
            return model.elbo(model.statistics(x, posterior(free)))

        zeros = x.new_zeros(self.n_features + 1, self.n_latents)
        start = self.parameters | {"recognition": zeros[1:], "offsets": zeros[0]}
        free = maximize_tensors(objective, start, **options)
        learned = self.replace(**{name: free[name] for name in self.parameters})
        return learned.fitted(learned.statistics(x, posterior(free))), posterior(free)

    def statistics(self, x: Float[Tensor, "N D"], posterior: BinaryPosterior) -> MixtureStatistics:
        self.check_points(x)
        if (len(posterior), posterior.n_latents) != (len(x), self.n_latents):
            raise InputError(
                f"Posteriors are of {len(posterior)} points and {posterior.n_latents} latents; expected "
                f"{len(x)} and {self.n_latents}."
            )
        x, table = x.double(), posterior.table().double()
        totals, base = table.T @ self.family.sufficient(x)[..., 0], self.family.log_base(x).sum()
        return MixtureStatistics(table.sum(0), totals, base, posterior.entropy().double().sum())

    def layer_sums(self, stats: MixtureStatistics) -> list[LayerSums]:
        """What each of the `layers` needs of the statistics, in the same order."""
        sizes = [2**width for width in self.widths]
        counts, sums = stats.counts.reshape([1, *sizes]), []
        for above, (size, below) in enumerate(pairwise([1, *sizes])):
            pairs = counts.movedim((above, above + 1), (-2, -1)).reshape(-1, size, below).sum(0)
            sums.append(LayerSums(pairs.sum(1), pairs @ self.layers[above + 1].parents))
        totals = stats.totals.reshape(-1, sizes[-1], self.n_features).sum(0)
        return [*sums, LayerSums(counts.reshape(-1, sizes[-1]).sum(0), totals)]

    def elbo(self, stats: MixtureStatistics) -> Float[Tensor, ""]:
        each = zip(self.layers, self.layer_sums(stats), strict=True)
        total = torch.stack([layer.expected_log_density(sums).sum() for layer, sums in each]).sum()
        return (total + stats.base + stats.entropy) / stats.count

    def entropies(self, stats: MixtureStatistics) -> EntropyTerms:
        """The entropies; the prior's is the sum of those of all hidden layers, each given the one above."""
        each = zip(self.layers, self.layer_sums(stats), strict=True)
        *hidden, visible = (layer.entropy(sums.counts) / stats.count for layer, sums in each)
        prior, base = torch.stack(hidden).sum(), stats.base / stats.count
        return EntropyTerms(stats.entropy / stats.count, prior, visible, base)

    def fitted(self: B, stats: MixtureStatistics) -> B:
        each = zip(self.layers, self.layer_sums(stats), strict=True)
        top, *others = (layer.fitted(sums) for layer, sums in each)
        tensors = [top.biases, *(tensor for layer in others for tensor in (layer.weights, layer.biases))]
        return self.replace(**dict(zip(self.parameters, tensors, strict=True)))

    def natural_parameters(self, z: Float[Tensor, "S H"]) -> Float[Tensor, " L"]:
        chain = [*z.split(self.widths[::-1], dim=-1), z[..., :0]]
        pairs = zip(self.layers[::-1], chain, strict=True)
        return torch.cat([layer.natural(parents).flatten() for layer, parents in pairs])

    def temperature(self) -> dict[str, Tensor]:
        return self.parameters

    def check_points(self, x: Tensor) -> None:
        """InputError for data `x` that such a model cannot have."""
        check_data(x, self.n_features)
        self.family.check_data(x)


@dataclass(frozen=True)
class BeliefNet(BinaryChain):
    """z_h ~ Bernoulli(sigmoid(a_h)), and x_d | z of a `family` with natural parameter w_dᵀz + b_d.

    Bernoullis make it the sigmoid belief net (Neal 1992).  Parameters are `logits` a (H,), `weights` W (D, H)
    and `biases` b (D,).  Shapes that disagree, values that are not finite, and more latents than can be
    summed over are an InputError.
    """

    fitted_names: ClassVar[tuple[str, ...]] = ("logits", "weights", "biases")

    logits: Float[Tensor, " top"]
    weights: Float[Tensor, "D H"]
    biases: Float[Tensor, " units"]
    family: Family = LATENT


@dataclass(frozen=True)
class TwoLayerBeliefNet(BinaryChain):
    """A belief net whose latents have latents: z₂ ~ Bernoulli, z₁ | z₂ sigmoid units, x | z₁ of a `family`.

    Parameters are `logits` of z₂ (H₂,), `top_weights` (H₁, H₂) and `top_biases` (H₁,) of z₁, and `weights`
    (D, H₁) and `biases` (D,) of x; what is refused is as in `BeliefNet`.
    """

    fitted_names: ClassVar[tuple[str, ...]] = ("logits", "top_weights", "top_biases", "weights", "biases")

    logits: Float[Tensor, " top"]
    top_weights: Float[Tensor, "H1 H2"]
    top_biases: Float[Tensor, " hidden"]
    weights: Float[Tensor, "D H"]
    biases: Float[Tensor, " units"]
    family: Family = LATENT
