"""Threads: order is kept, settings come back, errors arrive."""

import pytest
import torch

from paperlib.system.parallel import GRAIN, map_threads, one_thread


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_from_workers_with_one_thread_each(two_threads):
    assert map_threads(lambda i: (i, torch.get_num_threads()), range(20)) == [(i, 1) for i in range(20)]
    assert torch.get_num_threads() == 2


def test_an_error_arrives_and_leaves_the_threads_as_they_were(two_threads):
    def fail(i):
        raise ValueError(f"item {i}")

    with pytest.raises(ValueError, match="item 0"):
        map_threads(fail, range(3))
    assert torch.get_num_threads() == 2


def test_small_operations_have_one_thread_and_large_ones_all(two_threads):
    with one_thread():
        assert torch.get_num_threads() == 1
    with one_thread(elements=GRAIN):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 2
