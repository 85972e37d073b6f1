"""The commands: core's own by name, other distributions' by entry point; each imported when it's used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from coodie._version import __version__
from coodie_doctor.findings import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["GROUP", "coodie"]

#: The entry-point group in which a distribution announces commands: name → click command.
GROUP = "coodie.commands"

#: Core's own commands: name → module and attribute, and the line that ``--help`` shows.
_OWN: dict[str, tuple[str, str]] = {
    "doctor": ("coodie.cli.doctor:doctor", "Find out what keeps coodie from working."),
    "drivers": ("coodie.cli.drivers:drivers", "List every backend, and why it can't be used."),
    "config": ("coodie.cli.config:config", "Show, check and begin a configuration."),
    "ping": ("coodie.cli.ping:ping", "Ask a server whether it is there, and what it is."),
    "query": ("coodie.cli.query:query", "Execute a statement and print its rows as they come."),
    "explain": ("coodie.cli.explain:explain", "Print the cause of an error and its fix."),
    "schema": ("coodie.cli.schema:schema", "Show tables, and bring them to their definitions."),
    "new-driver": ("coodie.cli.newdriver:new_driver", "Write the package of a new driver."),
}


class _Commands(click.Group):
    """A group that imports a command when it's called, so that a broken one breaks no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return all names; nothing is imported for them."""
        return sorted({*_OWN, *(point.name for point in _announced())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command; one that can't be imported becomes a command that says so."""
        if cmd_name in _OWN:
            module, _, attribute = _OWN[cmd_name][0].partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        for point in _announced():
            if point.name == cmd_name:
                return _loaded(point)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else " See: coodie --help"
            raise click.UsageError(f"{exc.message.rstrip('.')}.{hint}", ctx) from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands; core's own aren't imported for it."""
        rows = [(name, self._line(ctx, name)) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def _line(self, ctx: click.Context, name: str) -> str:
        if name in _OWN:
            return _OWN[name][1]
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=100) if command is not None else ""


def _announced() -> Iterable[Any]:
    """Find what other distributions announce; core's own names can't be taken over."""
    from importlib_metadata import entry_points  # slow, and needed here alone

    return [point for point in entry_points(group=GROUP) if point.name not in _OWN]


def _loaded(point: Any) -> click.Command:
    try:
        command = point.load()
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - one distribution's broken command hides no other
        return _broken(point, words_of(exc))
    if not isinstance(command, click.Command):
        return _broken(point, f"{point.value!r} is a {type(command).__name__}, not a click command")
    return command


def _broken(point: Any, reason: str) -> click.Command:
    """Return a command that fails with the reason, whatever its arguments."""
    from coodie_doctor.ownership import pip_command  # for a broken one alone

    owner = point.dist.name if point.dist is not None else "an unknown distribution"
    command = pip_command("install --force-reinstall", owner)

    def fail(arguments: tuple[str, ...]) -> None:  # noqa: ARG001 - whatever was given
        raise click.ClickException(
            f"The command {point.name!r} of {owner} can't be loaded: {reason}.\n{command}"
        )

    return click.Command(
        point.name,
        callback=fail,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
        short_help=f"can't be loaded: {reason}",
    )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="coodie", message="%(prog)s %(version)s")
def coodie() -> None:
    """Drivers for Apache Cassandra and ScyllaDB: what is installed, what works, a local Cassandra."""
