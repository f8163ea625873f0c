"""The command `paperlib`: train, score, sums, reproduce, data.

Bad input ends any command with one line on standard error and exit status 2. What takes long to import,
PyTorch above all, is imported by the commands that need it, when they run.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import click

from paperlib.cli.data import data
from paperlib.cli.reproduce import reproduce
from paperlib.cli.score import score_command
from paperlib.cli.sums import sums
from paperlib.cli.train import train
from paperlib.system.errors import InputError


class OneLineErrors(click.Group):
    """A group whose commands report bad input, and learning that diverged, in one line."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (InputError, FloatingPointError) as error:
            click.echo(f"Error: {' '.join(str(error).split())}", err=True)
            context.exit(2)


@click.group(cls=OneLineErrors, commands=[train, score_command, sums, reproduce, data])
@click.version_option(package_name="paperlib")
def main() -> None:
    """Sparse coding with entropy-based ELBOs, and other models whose ELBO becomes a sum of entropies."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
