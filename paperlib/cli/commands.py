"""The command `paperlib`: train, score, sums, reproduce, data.

Bad input ends any command with one line on standard error and exit status 2. What takes long to import,
PyTorch above all, is imported by the commands that need it, when they run.
"""

from __future__ import annotations

import errno
import logging
import os
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
    """A group whose commands report what users or the machine can mend in one line: no traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (InputError, FloatingPointError, OSError, MemoryError, RuntimeError) as error:
            ours = not isinstance(error, RuntimeError) or "allocate" in str(error)  # PyTorch out of memory
            if not ours or getattr(error, "errno", None) == errno.EPIPE:
                raise
            told_by_all = isinstance(error, InputError | FloatingPointError)
            shared = told_by_all and "TORCHELASTIC_RUN_ID" in os.environ
            if not shared or os.environ.get("LOCAL_RANK") == "0":
                click.echo(f"Error: {' '.join(str(error).split()) or type(error).__name__}", err=True)
            if shared:
                from paperlib.system.distributed import end_torchrun

                end_torchrun()
            context.exit(2)


@click.group(cls=OneLineErrors, commands=[train, score_command, sums, reproduce, data])
@click.version_option(package_name="paperlib")
def main() -> None:
    """Sparse coding with entropy-based ELBOs, and other models whose ELBO becomes a sum of entropies."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
