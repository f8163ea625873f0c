"""Everything that EM needs to go on: tensors, counters and the random state."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from paperlib.elbo.history import Snapshot
from paperlib.elbo.posteriors import DiagonalGaussian
from paperlib.models.sparse_coding.inference import initial_scales
from paperlib.models.sparse_coding.inference.diagonal import cold_start
from paperlib.models.sparse_coding.model import SparseCodingModel, check_unit_columns, normalize_columns
from paperlib.system.distributed import ALONE, Processes


@dataclass
class EMState:
    """Where training is.

    Parameters
    ----------
    dictionary : tensor (D, H)
        W̃: the average of the iterates.
    iterate, velocity : tensors (D, H)
        What the steps move, the dictionary that posteriors and scales are of, and its momentum.
    usage : tensor (H,)
        Running diagonal of Σ(ννᵀ + T) / N, which preconditions the dictionary's step.
    mean, std : tensors (N, H)
        Marginals of all posteriors.
    prior_scales, noise_variance : tensors (H,) and ()
        Running λ and σ².
    random_state : tensor
        Of the generator.
    epoch, passes, seen : int
        Epochs done, passes over the data, data points seen.
    history : list of dict
        A row for each epoch, and for what follows the epochs.
    stage : str
        What was under way: epochs, polish or final.
    log, kept : list and dict
        Of a polish or of the final E-step: what its evaluations returned, with which it is repeated up to
        here without computing, and what else it goes on from.
    """

    dictionary: Float[Tensor, "D H"]
    iterate: Float[Tensor, "D H"]
    velocity: Float[Tensor, "D H"]
    usage: Float[Tensor, " H"]
    mean: Float[Tensor, "N H"]
    std: Float[Tensor, "N H"]
    prior_scales: Float[Tensor, " H"]
    noise_variance: Float[Tensor, ""]
    random_state: UInt8[Tensor, " bytes"]
    epoch: int = 0
    passes: int = 0
    seen: int = 0
    history: list[dict] = field(default_factory=list)
    stage: str = "epochs"
    log: list = field(default_factory=list)
    kept: dict = field(default_factory=dict)

    @property
    def model(self) -> SparseCodingModel:
        """The model that steps are taken from: the iterate with the running λ and σ²."""
        return SparseCodingModel.unchecked(self.iterate, self.prior_scales, self.noise_variance)

    @property
    def marginals(self) -> DiagonalGaussian:
        """ν and τ of all posteriors."""
        return DiagonalGaussian(self.mean, self.std)

    def forget_posteriors(self, n_points: int) -> None:
        """Make room for other data: posteriors of no data, at the present λ and σ²."""
        posterior = cold_start(n_points, self.prior_scales, self.noise_variance)
        self.mean, self.std = posterior.mean, posterior.deviation

    def snapshot(self) -> Snapshot:
        """For callbacks."""
        return Snapshot(
            self.epoch, self.dictionary, self.history, self.prior_scales, self.noise_variance, self.marginals,
            state=self,
        )  # fmt: skip

    def check(self, like: EMState) -> None:
        """Refuse a state, read from somewhere, that training cannot have left.

        Raises
        ------
        ValueError
            If shapes or dtypes are not those of `like`, or values are not finite or out of range.
        """
        for name, expected in vars(like).items():
            found = getattr(self, name)
            if type(found) is not type(expected):
                raise ValueError(f"{name} is of type {type(found).__name__}")
            if isinstance(expected, int) and found < 0:
                raise ValueError(f"{name} is negative")
            if not isinstance(expected, Tensor):
                continue
            if found.shape != expected.shape or found.dtype != expected.dtype:
                raise ValueError(f"{name} is {found.dtype} of shape {tuple(found.shape)}")
            positive = name in ("std", "prior_scales", "noise_variance")
            if not torch.isfinite(found).all() or (positive and not (found > 0).all()):
                raise ValueError(f"{name} has values out of range")
        if self.stage not in ("epochs", "polish", "final"):
            raise ValueError(f"its stage is {self.stage!r}")
        check_unit_columns(self.dictionary)
        torch.Generator().set_state(self.random_state)

    def to_dict(self) -> dict:
        """Plain tensors, numbers and lists, as `torch.load(weights_only=True)` accepts them."""
        return {**vars(self), "kept": dict(self.kept)}


def initial_state(
    x: Float[Tensor, "N D"], n_latents: int, generator: torch.Generator, processes: Processes = ALONE
) -> EMState:
    """Random unit columns, posteriors of no data, and scales guessed from the data's variance."""
    guess = processes.add([*initial_scales(x, n_latents)])
    prior_scales, noise_variance = (scale / processes.count for scale in guess)
    dictionary = normalize_columns(torch.randn(x.shape[1], n_latents, generator=generator).to(x))
    posterior = cold_start(len(x), prior_scales, noise_variance)
    return EMState(
        dictionary=dictionary,
        iterate=dictionary,
        velocity=torch.zeros_like(dictionary),
        usage=x.new_zeros(n_latents),
        mean=posterior.mean,
        std=posterior.deviation,
        prior_scales=prior_scales,
        noise_variance=noise_variance,
        random_state=generator.get_state(),
    )
