"""Validate what connections need when they are opened: secrets, certificates and backends."""

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
    """Return the problems of all connections and observers, without connecting or activating anything.

    Args:
        configuration: The configuration.
        plugins: The plug-ins of the registry; the file's allow-list and deny-list are applied to it.
        known: The problems found by the parser; problems that follow from them are omitted.
    """
    apply_allowlist(configuration.general, plugins)
    found = list(_observers(configuration))
    for connection in configuration.connections.values():
        is_whole = not any(problem.is_about(connection.name) for problem in known)
        found += _problems_of(connection, configuration, plugins, is_whole=is_whole)
    return found


def _observers(configuration: Configuration) -> Iterator[Problem]:
    from coodie.observers.loading import find_observer

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
    """Find the problems one by one: the invalid setting is removed before the next check.

    Args:
        connection: The connection.
        configuration: The configuration.
        plugins: The plug-ins of the registry.
        is_whole: No settings were removed, so missing options are a problem.
    """
    left = dict(connection.settings)
    for path, setting in connection.settings.items():
        kind = "" if path[0] == "options" else OPTIONS[path[-1]].type
        try:
            setting.resolved(kind, connection.environ)
        except ConfigurationError as exc:
            is_whole = False
            yield Problem(where=setting.where, key=_key(connection, path), message=str(exc))
            if kind in ("str", "secret"):  # a placeholder, for the options that require it
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
    """Return the path of the setting of an error's option, or None."""
    for path in connection.settings:
        if path[-1] == option:
            return path
    return None


def _key(connection: ConnectionSettings, path: SettingPath) -> str:
    return f"connections.{connection.name}.{dotted_key(path)}"


def _file(configuration: Configuration) -> str:
    return configuration.path.name if configuration.path is not None else "the environment"
