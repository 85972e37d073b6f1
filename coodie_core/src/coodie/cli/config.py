"""``coodie config``: show, check and create a configuration."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coodie.config.loading import find_configuration, inspect_files
from coodie.exceptions import ConfigFileError, ConfigurationError, CoodieError
from coodie.options.declarations import OPTIONS, options_for
from coodie.options.option import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.config.configuration import Configuration
    from coodie.config.settings import ConnectionSettings, Setting

__all__ = ["config"]

_HIDDEN = "***"


@click.group()
def config() -> None:
    """Show, check and create a configuration: coodie.toml, [tool.coodie], COODIE__NAME__OPTION."""


_file = click.option(
    "--file", "path", metavar="PATH", help="The file; by default, the one that load_config() finds."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@config.command()
@_file
@_json
@click.option("--all", "everything", is_flag=True, help="Include unset options, with their defaults.")
def show(*, path: str | None, as_json: bool, everything: bool) -> None:
    """Print each value with its source; secrets are hidden.

    Precedence, from the highest: the argument of a call, its request profile, an environment variable, the
    file, the default.
    """
    configuration = find_configuration(path, os.environ)
    rows = list(_rows(configuration, everything=everything))
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max((len(f"{row['key']} = {row['value']}") for row in rows), default=0)
    for row in rows:
        click.echo(f"{row['key']} = {row['value']}".ljust(min(width, 60)) + f"  # {row['where']}")


def _rows(configuration: Configuration, *, everything: bool) -> Iterator[dict[str, Any]]:
    from coodie.config.settings import dotted_key

    for option in options_for(Scope.FILE):
        if option.name in configuration.general:
            setting = configuration.general[option.name]
            yield _row(option.key, json.dumps(setting.value), setting.where)
    if configuration.default is not None and "default" not in configuration.general:
        yield _row("default", json.dumps(configuration.default), "the connection of get_driver()")
    for connection in configuration.connections.values():
        secret = _secret_options(connection)
        start = f"connections.{connection.name}."
        for path, setting in sorted(connection.settings.items()):
            hidden = path[-1] in secret if path[0] == "options" else OPTIONS[path[-1]].secret
            yield _row(start + dotted_key(path), _shown(setting, hidden=hidden), setting.where)
        if everything:
            for option in options_for(Scope.CONNECTION):
                if option.key not in ("", "url") and (option.name,) not in connection.settings:
                    yield _row(start + option.key, f"({option.default})", "default")


def _row(key: str, value: str, where: str) -> dict[str, Any]:
    return {"key": key, "value": value, "where": where}


def _shown(setting: Setting, *, hidden: bool) -> str:
    from coodie.config.references import is_reference

    if hidden and not is_reference(setting.value):
        return _HIDDEN
    return json.dumps(setting.value, ensure_ascii=False, default=str)


def _secret_options(connection: ConnectionSettings) -> set[str]:
    """Return the backend's secret options; all options if the backend can't be loaded."""
    from coodie.options.connection import build_config
    from coodie.registry.registry import current_registry

    own = {path[1] for path in connection.settings if path[0] == "options"}
    if not own:
        return own
    try:
        named = {
            name: connection.settings[name,].resolved("str", connection.environ)
            for name in ("driver_type", "distribution")
            if (name,) in connection.settings
        }
        described = current_registry().plugins.described(build_config(**named)).options
    except CoodieError:
        return own
    return own - {option.name for option in described if not option.secret}


@config.command()
@_file
@_json
def check(*, path: str | None, as_json: bool) -> int:
    """List all problems of the configuration, without connecting.

    Exit code: 0 if there are no problems, 1 otherwise.
    """
    from coodie.config.validation import check_connections
    from coodie.registry.registry import current_registry

    where, count = path, 0
    try:
        configuration, found = inspect_files(path, os.environ)
        where, count = str(configuration.path or "the environment"), len(configuration.connections)
        found += check_connections(configuration, current_registry().plugins, tuple(found))
        mistakes = tuple(str(mistake) for mistake in sorted(found, key=lambda mistake: mistake.line))
    except ConfigFileError as exc:  # it isn't TOML
        mistakes = exc.mistakes
    if as_json:
        click.echo(json.dumps({"file": where, "mistakes": mistakes}, indent=2, ensure_ascii=False))
    elif mistakes:
        for mistake in mistakes:
            click.echo(mistake, err=True)
    else:
        click.echo(f"{where}: {count} connection{'' if count == 1 else 's'}, no problems.")
    return 1 if mistakes else 0


@config.command()
@click.argument("path", default="coodie.toml")
def init(*, path: str) -> None:
    """Write an example file with comments.

    The default PATH is coodie.toml; an existing file is never overwritten.
    """
    from coodie.config.reference import example_file

    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(example_file())
    except FileExistsError as exc:
        message = f"{path} already exists, and isn't overwritten."
        raise ConfigurationError(message, hint="Give another PATH.", option="path") from exc
    except OSError as exc:
        message = f"{path} can't be written: {exc.strerror}."
        raise ConfigurationError(message, hint="Give another PATH.", option="path") from exc
    click.echo(f"Wrote {path}. Next: edit it, then run: coodie config check")


@config.command()
def schema() -> None:
    """Print the JSON schema of configuration files, for editors."""
    from importlib.resources import files

    click.echo(files("coodie.config").joinpath("coodie.schema.json").read_text(encoding="utf-8"), nl=False)
