"""Tables and figures of encoders and sampled gradients, on records whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paperlib.elbo.encoders import Encoder
from paperlib.papers.sparse_codes.amortization import figures, tables
from paperlib.papers.sparse_codes.amortization.groups import ENCODERS, after_iterations, of_encoders
from paperlib.papers.sparse_codes.shown import NOT_COMPUTED
from paperlib.records import Record

SIZES = {"patch_size": 4, "n_patches": 100, "n_latents": 3, "n_epochs": 7}
ELBOS = {"encoder": 10.0, "diagonal": 12.0, "low-rank": 13.0, "full": 15.0}
PARAMETERS = ("dictionary", "prior scales", "means", "deviations")


def origin(seconds=30.0):
    return {"images": {"source": "photos"}, "cpu_seconds": seconds}


def encoder(family, seed):
    """Gaps to the full posteriors: what the family lacks in `ELBOS`, and what the encoder lacks, by seed."""
    test = ELBOS | {"encoder": ELBOS["encoder"] - seed}
    numbers = {
        "test": test,
        "training": {"encoder": 9.0, "optimum": 9.5},
        "of_record": test | {"encoder": 11.0 + (family == "low-rank")},
        "history": [{"step": step, "seconds": step, "elbo": float(step)} for step in range(4)],
        "iterations": [1, 5], "from_encoder": [11.0, 11.9], "from_nothing": [3.0, 11.0],
        "microseconds": {"encoder": 4.0, "diagonal": 60.0, "low-rank": 700.0, "full": 800.0},
    }  # fmt: skip
    arrays = {"contrast": np.arange(1, 21) / 20, "gap": np.full(20, 0.5)}
    arrays["gap"][[0, 19]] = 0.0, 1.5  # the strongest two have 2 of 10 nats
    stored = {name: np.asarray(value, np.float16) for name, value in arrays.items()}
    return Record(SIZES | {"family": family, "seed": seed}, numbers, stored, origin())


def noise(steps, seed):
    found = {"signal": 16.0, "variance": [4.0, 1.0], "misfit": 1.0 + seed}
    shared = {name: found | {"minibatch_variance": 8.0} for name in PARAMETERS[:2]}
    config = SIZES | {"e_steps": steps, "n_samples": [1, 4], "seed": seed}
    return Record(config, shared | dict.fromkeys(PARAMETERS[2:], found), {}, origin())


@pytest.fixture
def records():
    em = Record(
        SIZES | {"seed": 0},
        {"judged": {f: {"elbo": ELBOS[f]} for f in ("diagonal", "full")}},
        {},
        origin(5.0),
    )
    families = {name: name.replace("-annealed", "").replace("semi-", "") for name in ENCODERS}
    return (
        {f"{name}-{seed}": encoder(family, seed) for name, family in families.items() for seed in (0, 1)}
        | {f"noise-{steps}-{seed}": noise(steps, seed) for steps in (10, 2) for seed in (0, 1)}
        | {"em-none-0": em}
    )


def test_records_are_sorted_by_encoder_and_by_iterations(records):
    assert list(of_encoders(records)) == list(ENCODERS.values())
    assert [len(group) for group in of_encoders(records).values()] == [2] * 7
    assert list(after_iterations(records)) == ["after 2 iterations", "after 10 iterations"]


def test_gaps_and_elbos_stand_in_their_columns_and_em_has_no_gaps(records):
    table = tables.gap_table(records)
    first, last = (dict(zip(table.head, table.rows[row], strict=True)) for row in (0, -1))
    assert list(first.values()) == [
        "diagonal", "3.00 ± 0.00", "2.50 ± 0.71", "0.50 ± 0.00", "11.00 ± 0.00", "12.00 ± 0.00",
        "15.00 ± 0.00", "7", "30 ± 0",
    ]  # fmt: skip
    assert len(table.rows) == 8
    assert list(last.values()) == ["fast EM, no encoder", "", "", "", "", "12.00", "15.00", "7", "5"]


def test_times_are_those_of_the_e_step_and_a_twentieth_of_it(records):
    assert tables.time_table(records).rows == [
        ["diagonal", "4 ± 0", "3 ± 0", "60 ± 0"],
        ["low-rank", "4 ± 0", "", "700 ± 0"],
        ["full", "4 ± 0", "", "800 ± 0"],
    ]


def test_the_strongest_tenth_of_the_patches_and_its_share(records):
    assert "has 19% of the diagonal encoder's gap" in tables.share_of_contrast(records).markdown  # 2 of 10.5


def test_noise_of_sampled_gradients(records):
    rows = tables.noise_table(records).rows
    assert rows[0] == ["dictionary, after 2 iterations", "1.50 ± 0.71", "1.00 ± 0.00", "2", "0.50 ± 0.00"]
    assert rows[-1][0] == "deviations, after 10 iterations"
    assert rows[-1][-1] == "no other minibatch has them"


def test_low_rank_in_a_given_dictionary_and_in_learning(records):
    text = tables.what_low_rank_does({"here": records, "there": {}}).markdown
    assert text.startswith("- *here*:") and "there" not in text
    assert "optimal ones of rank 5 bring 1.00 ± 0.00 nats and full ones 3.00 ± 0.00" in text
    assert text.endswith("the result changes by +1.00 ± 0.00.")


def test_sizes_of_encoders_count_all_weights():
    encoder = Encoder(4, 3, "diagonal", unit=torch.tensor(1.0), generator=torch.Generator().manual_seed(0))
    ((_, weights, heads),) = tables.encoder_sizes({"diagonal": encoder}).rows
    assert int(weights.replace(",", "")) == sum(p.numel() for p in encoder.parameters())
    of_heads = sum(p.numel() for head in (encoder.mean, encoder.deviation) for p in head.parameters())
    assert heads == f"{of_heads / int(weights.replace(',', '')):.0%}"


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (figures.draw_gaps, 1),
        (figures.draw_curves, 1),
        (figures.draw_iterations, 2),
        (figures.draw_patches, 3),
        (figures.draw_noise, 4),
    ],
)
def test_figures_are_drawn_from_records(draw, panels, records):
    assert len(draw(records).axes) == panels
    assert draw({}) is NOT_COMPUTED


def test_without_records_there_is_a_note():
    assert {table({}) for table in (tables.gap_table, tables.time_table, tables.noise_table)} == {
        NOT_COMPUTED
    }
