"""The entry point of ``coodie``, which reports missing click and rich."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

#: The requirements of the extra ``cli``.
_INSTALL = 'pip install "click>=8.1" "rich>=13"'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The command's name and its arguments; None for those of the process.

    Returns:
        The exit code: one of ``coodie.cli._exit_codes``, with the reason on standard error.
    """
    try:
        import click  # noqa: F401 - only whether it is there
        import rich  # noqa: F401 - as above
    except ModuleNotFoundError as exc:
        print(f"coodie: the command line needs {exc.name}, which isn't installed.", file=sys.stderr)  # noqa: T201 - without click
        print(_INSTALL, file=sys.stderr)  # noqa: T201 - as above
        return 1
    from coodie.cli._run import run

    return run(arguments)
