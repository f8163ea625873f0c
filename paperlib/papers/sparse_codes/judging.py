"""What records of `learn_images` say of a dictionary: its ELBO on patches that were held out."""

from __future__ import annotations

from statistics import mean

from paperlib.papers.sparse_codes.natural_images.experiment import own_family
from paperlib.records import Record


def elbo(record: Record, family: str = "diagonal") -> float:
    """Held-out ELBO of a record of `learn_images`, with optimal posteriors of a family."""
    return record.numbers["judged"][family]["elbo"]


def own_elbo(record: Record) -> float:
    """Held-out ELBO of the posteriors that the method itself has."""
    return elbo(record, own_family(record))


def gabor_share(record: Record) -> float:
    """Share of a record's fields that a Gabor function explains by more than half."""
    return mean(explained > 0.5 for explained in record.numbers["gabor"])


def epochs(record: Record) -> list[dict]:
    """History rows of the epochs, without what follows them."""
    return record.numbers["history"][:-1]
