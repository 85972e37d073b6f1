"""Validation of what a connection needs when it is opened: its secrets, certificates and backend."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from coodie.config.loading import apply_allowlist
from coodie.config.problems import Problem
from coodie.config.settings import dotted_key
from coodie.exceptions import ConfigurationError
from coodie.options.connection import build_config
from coodie.options.declarations import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coodie.config.configuration import Configuration
    from coodie.config.settings import ConnectionSettings, SettingPath
    from coodie.plugins.host import PluginHost

__all__ = ["check_connections"]


def check_connections(
    configuration: Configuration, plugins: PluginHost, known: Sequence[Problem] = ()
) -> list[Problem]:
    """Return the problems of all connections and observers; nothing is connected or switched on.

    Args:
        configuration: What was read.
        plugins: Who knows the backends; the distributions are chosen there as the file has it.
        known: The problems that were found while it was read: what only follows from them isn't told.
    """
    apply_allowlist(configuration.general, plugins)
    found = list(_observers(configuration))
    for connection in configuration.connections.values():
        is_whole = not any(problem.is_about(connection.name) for problem in known)
        found += _problems_of(connection, configuration, plugins, is_whole=is_whole)
    return found


def _observers(configuration: Configuration) -> Iterator[Problem]:
    from coodie.observers.activation import find_observer

    if "observers" not in configuration.general:
        return
    setting = configuration.general["observers"]
    for name in setting.value:
        try:
            find_observer(name)
        except ConfigurationError as exc:
            yield Problem(where=setting.where, key="observers", message=str(exc))


def _problems_of(
    connection: ConnectionSettings, configuration: Configuration, plugins: PluginHost, *, is_whole: bool
) -> Iterator[Problem]:
    """Find one problem after the other: each is taken out before the next is looked for.

    Args:
        connection: What is looked at.
        configuration: What it belongs to.
        plugins: Who knows the backends.
        is_whole: Whether nothing of it is missing, so that what it lacks is a problem.
    """
    left = dict(connection.settings)
    for path, setting in connection.settings.items():
        kind = "" if path[0] == "options" else OPTIONS[path[-1]].type
        try:
            setting.resolved(kind, connection.environ)
        except ConfigurationError as exc:
            is_whole = False
            yield Problem(where=setting.where, key=_key(connection, path), message=str(exc))
            if kind in ("str", "secret"):  # any will do, so that what belongs with it isn't told, too
                left[path] = replace(setting, value="there", is_text=False)
            else:
                del left[path]
    while True:
        rest = replace(connection, settings=left)
        try:
            plugins.check(build_config(**rest.arguments(plugins)))
        except ConfigurationError as exc:
            at = _path(rest, exc.option)
            if at is None and is_whole:
                at = _path(rest, str(exc).partition("=")[0])  # username= without password=
            if at is None:
                if is_whole:
                    key = f"connections.{connection.name}"
                    yield Problem(where=_file(configuration), key=key, message=str(exc))
                return
            yield Problem(where=left[at].where, key=_key(connection, at), message=str(exc))
            is_whole = False
            del left[at]
        else:
            return


def _path(connection: ConnectionSettings, option: str | None) -> SettingPath | None:
    """Return where the option that an error names is set, if it is."""
    for path in connection.settings:
        if path[-1] == option:
            return path
    return None


def _key(connection: ConnectionSettings, path: SettingPath) -> str:
    return f"connections.{connection.name}.{dotted_key(path)}"


def _file(configuration: Configuration) -> str:
    return configuration.path.name if configuration.path is not None else "the environment"
