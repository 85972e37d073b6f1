"""What only shows when a connection is needed: its secrets, its certificates, its backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.config.connection import build_config
from coodie.config.mistakes import Mistake
from coodie.config.settings import option_key
from coodie.config.switching import choose_distributions
from coodie.exceptions import ConfigurationError
from coodie.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.config.configuration import Configuration
    from coodie.config.settings import ConnectionSettings, SettingPath
    from coodie.plugins.host import PluginHost

__all__ = ["check_connections"]


def check_connections(configuration: Configuration, plugins: PluginHost) -> list[Mistake]:
    """Return the mistakes of all connections and observers; nothing is connected or switched on.

    Args:
        configuration: What was read without a mistake.
        plugins: Who knows the backends; the distributions are chosen there as the file has it.
    """
    choose_distributions(configuration.top, plugins)
    return [
        *_observers(configuration),
        *_connections(configuration, plugins),
    ]


def _observers(configuration: Configuration) -> Iterator[Mistake]:
    from coodie.observers.activation import find_observer

    if "observers" not in configuration.top:
        return
    setting = configuration.top["observers"]
    for name in setting.value:
        try:
            find_observer(name)
        except ConfigurationError as exc:
            yield Mistake(where=setting.where, key="observers", message=str(exc))


def _connections(configuration: Configuration, plugins: PluginHost) -> list[Mistake]:
    return [
        mistake
        for connection in configuration.connections.values()
        for mistake in _mistakes(connection, configuration, plugins)
    ]


def _mistakes(
    connection: ConnectionSettings, configuration: Configuration, plugins: PluginHost
) -> Iterator[Mistake]:
    unresolved = False
    for path, setting in connection.settings.items():
        kind = "" if path[0] == "options" else OPTIONS[path[-1]].type
        try:
            setting.resolved(kind, connection.environ)
        except ConfigurationError as exc:
            unresolved = True
            yield Mistake(where=setting.where, key=_key(connection, path), message=str(exc))
    if unresolved:
        return
    try:
        plugins.check(build_config(**connection.arguments(plugins)))
    except ConfigurationError as exc:
        at = _path(connection, exc.option)
        where = connection.settings[at].where if at else _file(configuration)
        key = _key(connection, at) if at else f"connections.{connection.name}"
        yield Mistake(where=where, key=key, message=str(exc))


def _path(connection: ConnectionSettings, option: str | None) -> SettingPath | None:
    """Return where the option that an error names is set, if it is."""
    for path in connection.settings:
        if path[-1] == option:
            return path
    return None


def _key(connection: ConnectionSettings, path: SettingPath) -> str:
    return ".".join(("connections", connection.name, *path[:-1], option_key(path[-1])))


def _file(configuration: Configuration) -> str:
    return configuration.path.name if configuration.path is not None else "the environment"
