"""The command group ``coodie local``."""

from __future__ import annotations

import logging
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["local"]

#: The commands, in the order of their use: name → the line that ``--help`` shows. Each is a module.
_COMMANDS = {
    "up": "Start a node or a cluster, or say that it is up.",
    "status": "Show what there is, and how it is.",
    "cqlsh": "Open a CQL shell on a node.",
    "logs": "Print what a node has logged.",
    "path": "Print where things are.",
    "down": "Stop a node or a cluster.",
    "clean": "Remove what stopped nodes left, or the cache.",
}


class _Commands(click.Group):
    """A group that imports a command when it's called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return all names, in the order of their use."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import the command."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"coodie_local.cli._{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """List the commands; none is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Commands,
    epilog="Exit statuses: 0 done; 1 it failed, and why is on standard error; 2 wrong usage; "
    "3 from `status NAME` where that isn't running; 130 after Ctrl-C.",
)
def local() -> None:
    """Run a real Apache Cassandra on this machine, for development and tests."""
    if not sys.stderr.isatty():
        # no bars there; the steps are told line by line instead
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        log = logging.getLogger("coodie_local")
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, frame: FrameType | None) -> NoReturn:
    """Let a closed terminal or a service manager end a command as Ctrl-C does, with nothing left behind."""
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    raise KeyboardInterrupt  # Ctrl-C is ignored
