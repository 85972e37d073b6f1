"""The command group ``coodie local``, and shared parameters of its commands."""

from __future__ import annotations

import logging
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from coodie.exceptions import CoodieError
from coodie_local.errors import LocalNodeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from coodie_local._inventory import ClusterEntry

__all__ = ["choice_option", "complete_node", "existing", "local", "name_argument"]


class _Command(NamedTuple):
    """A command: its module, and its line in ``--help``."""

    module: str
    help: str


#: The commands, in order of use.
_COMMANDS = {
    "up": _Command("_lifecycle", "Start a node or a cluster."),
    "status": _Command("_status", "Show all nodes and clusters, and their states."),
    "cqlsh": _Command("_cqlsh", "Open a CQL shell on a node."),
    "logs": _Command("_logs", "Print the log of a node."),
    "path": _Command("_directories", "Print the path of a node's directory, log, data or certificate."),
    "down": _Command("_lifecycle", "Stop a node or a cluster."),
    "clean": _Command("_directories", "Remove the files of stopped nodes, or the cache."),
}


class _Commands(click.Group):
    """A group that imports commands lazily."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return all names, in order of use."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import the command."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"coodie_local.cli.{_COMMANDS[cmd_name].module}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in _COMMANDS.items()])


@click.group(
    cls=_Commands,
    epilog="Exit code: 0 success; 1 failure, with the reason on standard error; 2 invalid arguments; "
    "3 `status NAME`: not running; 130 Ctrl-C.",
)
def local() -> None:
    """Run a real Apache Cassandra on this machine, for development and tests."""
    if not sys.stderr.isatty():
        # log lines instead of a progress bar
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        log = logging.getLogger("coodie_local")
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, frame: FrameType | None) -> NoReturn:
    """Handle SIGTERM and SIGHUP like Ctrl-C, which cleans up."""
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    raise KeyboardInterrupt  # Ctrl-C is ignored


def choice_option(name: str, choice: str, *, help: str) -> Callable[[Any], Any]:  # noqa: A002 - click's word
    """Return the option ``--CHOICE``, which sets the parameter *name*; two choices are an error."""

    def choose(context: click.Context, _option: click.Parameter, chosen: bool) -> None:  # noqa: FBT001 - click's way
        if chosen:
            other = context.params.setdefault(name, choice)
            if other != choice:
                raise click.UsageError(f"Give --{other} or --{choice}, not both.", context)

    return click.option(f"--{choice}", is_flag=True, expose_value=False, callback=choose, help=help)


def name_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument NAME to a command."""
    return click.argument("name", default="default", metavar="[NAME]", shell_complete=complete_node)(function)


def complete_node(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return completions for names of nodes and clusters; none if they can't be listed."""
    from coodie_local._inventory import entries

    try:
        return [entry.name for entry in entries() if entry.name.startswith(incomplete)]
    except (CoodieError, OSError):
        return []


def existing(name: str) -> ClusterEntry:
    """Return an existing node or cluster.

    Raises:
        LocalNodeError: It doesn't exist.
    """
    from coodie_local._inventory import entries, entry_of

    entry = entry_of(name)
    if not entry.directory.is_dir():
        known = ", ".join(entry.name for entry in entries())
        msg = f"There is no local node {name!r}; {f'there are: {known}' if known else 'no node exists'}."
        raise LocalNodeError(msg, hint="To start it, run:", command=f"coodie local up {name}")
    return entry
