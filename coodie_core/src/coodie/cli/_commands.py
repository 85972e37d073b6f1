"""The commands: coodie-core's by name, other distributions' by entry point; each is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from coodie._version import __version__
from coodie_doctor.pip_commands import pip_command
from coodie_doctor.words import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["GROUP", "coodie"]

#: The entry-point group of commands: name → click command.
GROUP = "coodie.commands"

#: The commands of coodie-core: name → module and attribute, and the line of ``--help``.
_OWN: dict[str, tuple[str, str]] = {
    "doctor": ("coodie.cli.doctor:doctor", "Diagnose the environment, backends and a connection."),
    "drivers": ("coodie.cli.drivers:drivers", "List backends, their state and problems."),
    "config": ("coodie.cli.config:config", "Show, check and create a configuration."),
    "ping": ("coodie.cli.ping:ping", "Check a connection, and show the server."),
    "query": ("coodie.cli.query:query", "Execute a statement and print its rows."),
    "explain": ("coodie.cli.explain:explain", "Explain an error: its cause and its fix."),
    "schema": ("coodie.cli.schema:schema", "Show, compare and sync tables."),
    "new-driver": ("coodie.cli.newdriver:new_driver", "Generate the package of a new driver."),
}


class _Commands(click.Group):
    """A group that imports a command when it is called, so that a broken one doesn't affect others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands, without importing them."""
        return sorted({*_OWN, *(point.name for point in _announced())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command; if that fails, return a command that reports the error."""
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
        """Find the command; suggest a similar one if there is none."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else " See: coodie --help"
            raise click.UsageError(f"{exc.message.rstrip('.')}.{hint}", ctx) from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands; those of coodie-core aren't imported."""
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
    """Return the commands of other distributions, which can't override those of coodie-core."""
    from importlib_metadata import entry_points  # a slow import

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
    """Return a command that fails with the reason, regardless of its arguments."""
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
    """Tools for coodie, the client for Apache Cassandra and ScyllaDB."""
