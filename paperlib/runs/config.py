"""All that decides a run's numbers.  Nothing is imported here that takes time: the command line reads it."""

from __future__ import annotations

from dataclasses import dataclass

from paperlib.models.sparse_coding.settings import EMSettings, documented, setting


@documented
@dataclass(frozen=True)
class TrainingConfig(EMSettings):
    """All that decides a run's numbers, apart from the images themselves and the machine."""

    patch_size: int = setting(16, "Side of a patch in pixels.")
    n_patches: int = setting(51_200, "Number of patches, N.")
    n_latents: int = setting(100, "Number of latents and fields, H.")
    fresh: bool = setting(False, "New patches in every epoch: their number bounds the memory, not N.")
    seed: int = setting(0, "Decides patches, first dictionary and order.")
    device: str = setting("cpu", "Where to compute.")
    dtype: str = setting("float32", "In which precision.", choices=("float32", "float64"))

    def check(self) -> None:
        """Refuse numbers and names that cannot work.

        Raises
        ------
        InputError
            With the first thing that is wrong.
        """
        from paperlib.models.sparse_coding.trainers.em import check_settings
        from paperlib.system.validation import check_choice, check_counts, check_seed

        check_counts(patch_size=self.patch_size, n_patches=self.n_patches, n_latents=self.n_latents)
        check_settings(self)
        check_choice("dtype", self.dtype, ("float32", "float64"))
        check_seed(self.seed)
