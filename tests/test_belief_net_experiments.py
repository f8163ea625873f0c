"""Data, runs and figures of belief nets and chains."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paperlib.papers.entropy_sums.belief_nets import data, figures
from paperlib.papers.entropy_sums.belief_nets.experiment import first_net, learn_bars
from paperlib.records import Results


def test_binary_digits_vary_and_have_their_places_in_the_picture():
    x = data.binary_digits()
    assert x.shape == (1797, 33) and set(x.unique().tolist()) == {0.0, 1.0}
    assert ((x.mean(0) >= data.SHARE) & (x.mean(0) <= 1 - data.SHARE)).all()
    fields = figures.digit_fields(x[:2].T)
    assert torch.equal(fields[data.varying_pixels().long()], x[:2].T)
    assert fields.sum() == x[:2].sum()


def test_bars_are_bars_but_for_flipped_pixels():
    x = data.binary_bars(4000, 3, seed=0).reshape(-1, 3, 3)
    # a pixel is on if its row or column is, each a third of the time, or not and flipped
    clean = 1 - (2 / 3) ** 2
    assert float(x.mean()) == pytest.approx(clean * 0.95 + (1 - clean) * 0.05, abs=0.02)
    assert float((x[:, 0].all(1)).double().mean()) > 1 / 3 * 0.95**3 - 0.02


def test_letters_are_english_in_pieces():
    x = data.letters(10)
    assert x.shape[1:] == (10, 1) and len(x) > 800
    text = "".join(data.ALPHABET[int(code)] for code in x.flatten())
    assert " the " in text and "  " not in text
    assert set(text) == set(data.ALPHABET)


def test_a_run_ends_with_elbo_and_entropies_together():
    records = Results().collect(learn_bars, {"run": dict(seed=2, n_points=150, size=2, n_steps=25)})
    numbers = records["run"].numbers
    elbo, entropies = (np.array(numbers[name]) for name in ("elbo", "entropy_sum"))
    assert len(elbo) == 26 and elbo[-1] > elbo[0]
    assert abs(elbo - entropies)[-1] < 0.1 < abs(elbo - entropies)[0]
    assert records["run"].arrays["weights"].shape == (4, 4)
    figure = figures.plot_runs(records)
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]


def test_a_first_net_only_turns_pixels_on():
    net = first_net(data.binary_bars(50, 2, seed=0), 4, seed=0)
    assert (net.weights > 0).all() and (net.biases < 0).all()


def test_emissions_have_a_panel_for_each_state():
    probabilities = torch.rand(2, len(data.ALPHABET)).softmax(1)
    figure = figures.plot_emissions(probabilities)
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    np.testing.assert_allclose(heights, probabilities)
