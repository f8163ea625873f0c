"""How EM learns: every choice with its default and a sentence, once.

The trainer, configurations of runs, the command line, the estimator and the docs follow from these fields.
Nothing is imported here that takes time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlib.elbo.terms import EntropyWeights

Settings = TypeVar("Settings")


def setting(default: Any, help: str, *, option: str = "", choices: Sequence[str] = ()) -> Any:
    """A field: its default, a sentence about it, its name on the command line if another, and choices."""
    return field(default=default, metadata={"help": help, "option": option, "choices": choices})


def documented(settings: type[Settings]) -> type[Settings]:
    """Add a section Parameters that follows from the fields to the docstring of a dataclass of settings."""
    lines = [f"{each.name} : {each.type}\n        {each.metadata['help']}" for each in fields(settings)]  # type: ignore[arg-type]
    section = "\n    ".join(["Parameters", "----------", *lines])
    settings.__doc__ = f"{settings.__doc__}\n\n    {section}\n    "
    return settings


@documented
@dataclass(frozen=True)
class EMSettings:
    """Choices of `fit_em`."""

    family: str = setting("diagonal", "Covariance of the Gaussian posteriors.",
                          option="posterior", choices=("diagonal", "full"))  # fmt: skip
    n_epochs: int = setting(10, "Passes over the data.")
    annealing: str | Sequence[EntropyWeights] = setting(
        "none", "Which entropy is weighted by a schedule (Eq. 17).",
        choices=("none", "prior", "likelihood", "energy"),
    )  # fmt: skip
    batch_size: int = setting(256, "Data points a dictionary step.")
    learning_rate: float = setting(0.2, "First dictionary rate; falls to 0.")
    n_steps: int | None = setting(
        None, "E-step iterations a visit (default: 4 with diagonal posteriors, 1 with full ones, 8 and 3 on "
        "new data).",
    )  # fmt: skip
    polish: int | None = setting(
        None, "Iterations of L-BFGS over all data after the epochs (default: 20 with diagonal posteriors, 5 "
        "with full ones).",
    )  # fmt: skip
    reseed: bool = setting(False, "Between epochs, give dead fields a new direction.")
