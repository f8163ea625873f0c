"""What users hand over is checked before any work, and the message says what is wrong."""

import pytest
import torch

from paperlib.models.sparse_coding.inference import e_step
from paperlib.models.sparse_coding.model import SparseCodingModel
from paperlib.system.errors import InputError
from paperlib.system.validation import check_counts, check_data, check_positive, check_training_data


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(4), "must be a floating-point tensor"),
        (torch.ones(5, 4, dtype=torch.int64), "must be a floating-point tensor"),
        (torch.ones(0, 4), "empty"),
        (torch.ones(3, 0), "empty"),
        (torch.ones(3, 5), "5 features, but the model has 4"),
        (torch.tensor([[1.0, float("nan"), 0.0, 0.0]]), "NaN or infinite"),
        (torch.tensor([[1.0, float("-inf"), 0.0, 0.0]]), "NaN or infinite"),
        (torch.zeros(3, 4), "all zero"),
    ],
)
def test_data_that_cannot_be_used_are_refused(x, message):
    with pytest.raises(InputError, match=message):
        check_training_data(x, n_features=4)


def test_zeros_can_be_inferred_from_but_not_learned_from():
    check_data(torch.zeros(3, 4), n_features=4)
    model = SparseCodingModel(torch.eye(4), torch.ones(4), torch.tensor(0.1))
    for family in ("diagonal", "low-rank", "full"):
        posterior = e_step(family)(torch.zeros(3, 4), model, start=None)
        assert posterior.mean.abs().max() < 1e-4


def test_good_data_pass():
    check_data(torch.ones(3, 4), n_features=4)
    check_data(torch.ones(1, 1, dtype=torch.float64))


@pytest.mark.parametrize("number", [0, -1, float("nan")])
def test_counts_must_be_positive(number):
    with pytest.raises(InputError, match="patches must be positive"):
        check_positive(latents=3, patches=number)


def test_counts_must_be_whole():
    with pytest.raises(InputError, match=r"latents must be an integer, not 3\.5"):
        check_counts(patches=10, latents=3.5)
