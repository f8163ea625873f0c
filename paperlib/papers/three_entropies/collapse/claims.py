"""Claims about posterior collapse."""

from __future__ import annotations

from functools import partial
from statistics import median

from paperlib.papers.three_entropies.collapse.figures import active, largest_error
from paperlib.records.claims import Claim, Finding, Groups, Verdict

PAGE = "collapse"
SMALL = 0.1  # nats


def _settles(runs: Groups) -> Finding:
    counts = [active(record) for record in runs["learned"]]
    total = runs["learned"][0].config["n_latents"]
    settled = [count[-1] == count[-1 - len(count) // 5] for count in counts]
    text = f"{median(count[-1] for count in counts):g} of {total} latents active (median), "
    text += f"the same in the last fifth of the epochs in {sum(settled)} of {len(settled)} runs"
    some = all(0 < count[-1] < total for count in counts)
    return Finding(text, Verdict.of(some and all(settled), partly=some), len(counts))


def _all_collapse(runs: Groups) -> Finding:
    counts = [active(record)[-1] for record in runs["fixed"]]
    text = f"active latents: {', '.join(map(str, counts))}"
    return Finding(text, Verdict.of(max(counts) == 0), len(counts))


def _divergences(runs: Groups) -> Finding:
    errors = [largest_error(record) for record in runs["learned"]]
    text = f"largest error of a latent {max(errors):.3f} nats"
    return Finding(text, Verdict.of(max(errors) < SMALL), len(errors))


_plot = partial(Claim, "fig-collapse")
CLAIMS = [
    _plot("code", "Encoder entropies show which latents collapse; the number of active ones settles.",
          _settles),
    _plot("code", "With σ = 1 fixed on data in [0, 1], latents collapse.", _all_collapse),
    Claim("collapse-kl", "derived", "Each KL divergence is the difference of prior and encoder entropy.",
          _divergences),
]  # fmt: skip
