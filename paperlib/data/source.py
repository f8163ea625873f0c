"""Sources of data: arrays that say where they come from and what they are."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Source(ABC):
    """Anything with arrays to learn from."""

    source: str
    """Where the arrays come from, in words for figures and reports, e.g. ``olshausen (cache)``."""

    @property
    @abstractmethod
    def sha256(self) -> str:
        """Hash of shapes and values."""

    @property
    @abstractmethod
    def facts(self) -> dict[str, str]:
        """What can be said of the arrays in a line each, by name."""

    @abstractmethod
    def describe(self) -> str:
        """All of it in one line, with the start of the hash."""

    @property
    def identity(self) -> dict[str, str]:
        """What results say of the data that they come from."""
        return {"source": self.source, "sha256": self.sha256}
