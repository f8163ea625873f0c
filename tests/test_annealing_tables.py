"""Annealing: tables and figures say what the records hold; fields that explain nothing pay, and shrink."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from problems import random_dictionary

from paperlib.papers.sparse_codes.annealing import figures, tables
from paperlib.papers.sparse_codes.annealing.collapse import Fitted, idle_deviation, idle_fields, plain_rounds
from paperlib.papers.sparse_codes.annealing.printed import (
    AUTHORS,
    H_LOG_2,
    TABLE_1,
    TABLE_1_KEYS,
    implied_ratios,
    table_1_row,
)
from paperlib.papers.sparse_codes.shown import NOT_COMPUTED
from paperlib.records import Record

N_EPOCHS, N_LATENTS = 3, 3
SOURCE = {"photos": {"source": "photos"}, "olshausen": {"source": "olshausen.mat"}}


def annealed(kind: str, seed: int, source: str = "photos", **sizes) -> Record:
    """A run of three epochs on patches of 2×2 pixels, in which 2, 3 and 1 latents have collapsed."""
    printed = TABLE_1["no annealing" if kind == "none" else "annealing 1, end"][1:]
    entropies = dict(zip(TABLE_1_KEYS, printed, strict=True))
    weights = {"likelihood_weight": 1.0, "gini": 0.5, "pixels": 2.0}
    rows = [
        {"step": k + 1, "prior_weight": 10.0 - k, "collapsed": count, "fine": k, **weights}
        | entropies
        | {"likelihood_entropy": -100.0 * k}
        for k, count in enumerate((2, 3, 1))
    ]
    judged = {"diagonal": {"elbo": 100.0 + seed, "minibatch_elbo": 100.25 + 1.25 * seed}}
    config = {"patch_size": 2, "n_patches": 1000, "n_latents": N_LATENTS, "n_epochs": N_EPOCHS, "seed": seed}
    fields = np.stack([np.eye(4)[:, :N_LATENTS]] * N_EPOCHS).astype(np.float16)
    scales = np.ones((N_EPOCHS, N_LATENTS), np.float16)
    numbers = {"history": [*rows, rows[-1]], "judged": judged}
    return Record(config | sizes, numbers, {"fields": fields, "scales": scales}, {"images": SOURCE[source]})


def groups(*names: str) -> dict[str, list[Record]]:
    return {name: [annealed(name.partition("-")[2], seed) for seed in (0, 1)] for name in names}


def test_collapsed_latents_are_counted_at_first_at_most_and_in_the_end():
    table = tables.collapse(groups("em-prior"))
    counts = [f"{count}.0 ± 0.0 of 3" for count in (2, 3, 1)]
    assert table.rows == [["em-prior", *counts, "100.50 ± 0.71", "2"]]
    assert len(table.head) == len(table.rows[0])


def test_settings_say_what_is_missing():
    here = groups("em-none")
    shown = "1,000 patches of 2², H = 3 (images: photos)"
    text = tables.settings(here, {}).markdown
    assert text == f"> This page: {shown}.\n>\n> Paper's size: not computed yet."
    assert tables.settings(here, here).markdown.count(shown) == 2


def test_rows_of_table_1_are_printed_the_authors_and_ours():
    table = tables.table_1(groups("paper-none", "paper-prior"))
    labels = [row[0] for row in table.rows]
    assert labels[:3] == ["**no annealing**, printed", "authors' scripts", "ours, epoch 3"]
    assert not any("annealing 2" in label for label in labels)
    assert labels.count("authors' scripts") == 3 and sum("ours" in label for label in labels) == 4
    printed, theirs, ours = table.rows[:3]
    assert [float(number) for number in theirs[1:6]] == list(AUTHORS["no annealing"])
    assert float(printed[6]) == pytest.approx(float(printed[4]) - H_LOG_2, abs=0.01)
    assert ours[1] == "32.40 ± 0.00" and ours[2] == "-200.00 ± 0.00"  # the last epoch
    assert {len(row) for row in table.rows} == {len(table.head)}


@pytest.mark.parametrize(("label", "step"), [
    ("annealing 1, early", 1), ("annealing 1, middle", 2), ("annealing 1, end", 3), ("no annealing", 3),
])  # fmt: skip
def test_early_epochs_are_those_of_the_closest_likelihood_entropy(label, step):
    assert table_1_row(annealed("prior", 0), label)["step"] == step


def test_rows_are_comparable_where_images_and_sizes_are_the_same():
    like_the_paper = annealed("none", 0, "olshausen", patch_size=16, n_latents=100)
    assert "can be compared" in tables.comparable({"paper-none": [like_the_paper]}).markdown
    assert "ours of 2×2 patches of photos with $H$ = 3" in tables.comparable(groups("paper-none")).markdown


def test_minibatches_bring_from_least_to_most():
    text = tables.over_minibatches(groups("em-none", "em-prior")).markdown
    assert text == "in our runs, at the end, by 0.25 to 0.50 nats."


def test_entropies_imply_the_ratios_they_were_computed_from():
    sigma, tau, scale = 0.3, 0.2, 0.9
    normal = math.log(2 * math.pi * math.e) / 2
    likelihood, posterior = 256 * (normal + math.log(sigma)), 100 * (normal + math.log(tau))
    prior = 100 * math.log(2 * math.e * scale)
    assert implied_ratios(likelihood, posterior, prior) == pytest.approx((scale / sigma, tau / sigma))


def test_a_note_stands_where_nothing_was_computed():
    assert tables.collapse({}) is NOT_COMPUTED


def test_development_is_shown_in_four_epochs_at_most():
    figure = figures.plot_development(groups("paper-prior", "paper-none", "em-none"), "paper")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["none\nepoch 1", "epoch 2", "epoch 3", "prior\nepoch 1", "epoch 2", "epoch 3"]


def test_epochs_are_drawn_without_what_follows_them():
    figure = figures.plot_epochs(groups("em-none", "em-energy"), "em", figures.MEASURES, ("none", "prior"))
    assert [text.get_text() for text in figure.legends[0].texts] == ["none"]
    assert len(figure.axes) == len(figures.MEASURES)
    assert figure.axes[3].lines[0].get_ydata().tolist() == [2, 3, 1]


def test_scales_have_a_panel_a_kind():
    figure = figures.plot_scales(groups("paper-likelihood", "paper-none"), "paper")
    assert [axes.get_title() for axes in figure.axes] == ["none", "likelihood"]


def test_the_animation_plays_without_a_network():
    player = figures.Animation(groups("em-prior", "em-likelihood"), "em")
    assert player.caption("prior", 1) == "epoch 2, weights 9 and 1"
    page = player._repr_html_()
    assert "<link" not in page and 'alt="Fields after each epoch' in page


def fitted() -> Fitted:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.laplace(size=(60, 4)) @ rng.normal(size=(4, 6)))
    return Fitted.on(x, random_dictionary(rng, 6, 4))


@pytest.mark.parametrize("gamma", [1, 2, 10])
def test_a_field_that_is_switched_off_further_pays_gamma_minus_one(gamma):
    """By the closed form of the proposition: the objective changes by (γ − 1) log 1/τ as τ → 0."""
    dictionary = fitted()
    near, far = (dictionary.change(tau * dictionary.sigma, gamma) for tau in (1e-5, 1e-7))
    assert float(far - near) == pytest.approx((gamma - 1) * math.log(100), abs=1e-4)


def test_switching_a_field_off_costs_without_annealing():
    dictionary = fitted()
    assert float(dictionary.change(0.1 * dictionary.sigma, 1)) < 0


@pytest.mark.parametrize("gamma", [1, 2, 4])
def test_the_deviation_of_an_idle_latent_is_stationary(gamma):
    t = idle_deviation(0.3, gamma)
    assert t**2 + math.sqrt(2 / math.pi) * gamma * t / 0.3 == pytest.approx(1)


def test_idle_fields_inflate_the_noise_where_they_can():
    inflation, needed = idle_fields(1.0, 2, 0.5)
    assert inflation == pytest.approx(1 / (1 - 0.5 * idle_deviation(1.0, 2) ** 2))
    assert needed == pytest.approx(2 * math.sqrt(inflation))
    assert idle_fields(1.0, 1.5, 8) == (math.inf, math.inf)


def test_idle_fields_shrink_by_a_factor_gamma_a_round():
    x = torch.zeros(20, 6, dtype=torch.float64)
    x[:, 0] = torch.linspace(-9, 9, 20)  # what the first field explains
    x[:, 5] = torch.linspace(-1, 1, 20).flip(0)  # what none does, so that the noise stays
    fields = torch.eye(6, dtype=torch.float64)[:, :3]
    ratios = plain_rounds(x, fields, 4, n_rounds=10)[:, 1:]  # of those that have nothing to explain
    assert ratios.shape == (10, 2)
    assert torch.allclose(ratios[7:] / ratios[6:-1], torch.tensor(0.25, dtype=torch.float64), rtol=1e-2)
