"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from paperlib.system.errors import InputError


class UserPath(click.Path):
    """A path as users mean it: ~ is their home, and none is no path."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Path:
        try:
            path = Path(value).expanduser()
        except RuntimeError as error:  # no home
            raise InputError(f"{value} names no folder ({error}); write it in full.") from error
        if not str(value) or "\0" in str(value):
            raise InputError("A path is empty or has a zero byte; name a file or folder.")
        return path


images = click.option(
    "--images",
    metavar="SRC",
    help="olshausen, photos, a .npy, .npz or .mat file, or a folder of pictures. "
    "Default: $PAPERLIB_IMAGES, else the downloaded images, else photos.",
)
device = click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda")
dtype = click.option(
    "--dtype", default="float32", show_default=True, type=click.Choice(["float32", "float64"])
)
threads = click.option(
    "--threads", type=int, help="CPU threads, each with batches of its own (default: one a core)."
)


def of_settings(settings: type, *, without: Sequence[str] = ()) -> Callable[[Any], Any]:
    """An option for each field of a dataclass of settings, named as the field, without its `n_`."""

    def decorate(command: Any) -> Any:
        for field in reversed(fields(settings)):
            if field.name in without:
                continue
            name = field.metadata["option"] or field.name.removeprefix("n_").replace("_", "-")
            kind: Any = click.Choice(field.metadata["choices"]) if field.metadata["choices"] else None
            if isinstance(field.default, bool):
                options: dict[str, Any] = {"is_flag": True}
            else:
                options = {"type": kind or (int if field.default is None else type(field.default))}
            command = click.option(
                f"--{name}", field.name, default=field.default, help=field.metadata["help"],
                show_default=field.default is not None and field.default is not False, **options,
            )(command)  # fmt: skip
        return command

    return decorate
