"""`python -m paperlib` is the command `paperlib`."""

from __future__ import annotations

from paperlib.cli.commands import main

if __name__ == "__main__":
    main()
