"""Connections by URL, with ``connect``; by name from a file and the environment, with ``load_config``.

A plain ``import coodie`` imports this module, so that what reads files and URLs is imported in the functions.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, overload

from coodie.exceptions import ConfigurationError, ObserverLoadError
from coodie.registry.lazy import LazyDriver
from coodie.registry.opening import init_coodie, init_coodie_async
from coodie.registry.registry import current_registry
from coodie.waiting import call_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from typing_extensions import Unpack

    from coodie.config.configuration import Configuration
    from coodie.config.problems import Problem
    from coodie.config.settings import ConnectionSettings, Setting
    from coodie.contract.driver import AbstractDriver
    from coodie.contract.typed_driver import Driver
    from coodie.options.keywords import ConnectOptions
    from coodie.plugins.host import PluginHost

__all__ = [
    "apply_allowlist",
    "connect",
    "connect_async",
    "find_configuration",
    "inspect_files",
    "load_config",
]


@overload
def connect(url: str, **options: Unpack[ConnectOptions]) -> Driver: ...


@overload
def connect(url: str, **options: Any) -> Driver: ...


def connect(url: str, **options: Any) -> Driver:
    """Open the connection that a URL describes and register it.

    Args:
        url: ``scylla://user:password@host1,host2:9042/keyspace?consistency=LOCAL_QUORUM&lazy=true``: the
            backend's name, credentials, hosts with one port, the keyspace, and any option of
            ``init_coodie``. In each part, what would separate parts is percent-encoded.
        options: Options that the URL doesn't have, such as objects.

    Returns:
        The driver; also what ``get_driver(name)`` returns, where ``name`` is among the options, else
        "default".

    Raises:
        ConfigurationError: The URL can't be read or honoured. It is never quoted: it may have a password.
        CoodieError: As ``init_coodie``.
    """
    return init_coodie(**_arguments(url, options, current_registry().plugins))


@overload
async def connect_async(url: str, **options: Unpack[ConnectOptions]) -> Driver: ...


@overload
async def connect_async(url: str, **options: Any) -> Driver: ...


async def connect_async(url: str, **options: Any) -> Driver:
    """Async version of :func:`connect`; never blocks the event loop."""
    registry = current_registry()

    def prepare() -> dict[str, Any]:
        # May import the backend, to ask it for its options' types.
        return _arguments(url, options, registry.plugins)

    arguments = await call_in_thread(prepare, "coodie-prepare", discard=lambda _: None)
    return await init_coodie_async(**arguments)


def _arguments(url: str, options: dict[str, Any], plugins: PluginHost) -> dict[str, Any]:
    """Return the arguments of ``init_coodie``."""
    from coodie.config.settings import parse_backend_options
    from coodie.config.url import parse_url

    parts = parse_url(url)
    twice = sorted((parts.arguments.keys() | parts.own.keys()) & options.keys())
    if twice:
        message = f"{twice[0]} is given in the URL, and as an argument beside it."
        raise ConfigurationError(message, hint="Give it once.", option=twice[0])
    return {**parts.arguments, **parse_backend_options(parts.own, parts.arguments, plugins), **options}


def load_config(path: str | Path | None = None) -> Configuration:
    """Read the configuration, so that ``get_driver(name)`` knows its connections.

    Nothing is connected, and what a value refers to (``{env:…}``, ``{file:…}``) is looked up when its
    connection is first asked for. ``get_driver(name)`` then returns a ``LazyDriver`` at once, which
    connects at its first request; where that was closed, or opened before this process was forked, it
    returns a new one. A connection that is open under its name already stays.

    A call's own argument wins over its request profile, that over an environment variable, that over
    the file, and that over the default.

    Args:
        path: The file; otherwise the one that COODIE_CONFIG names, else the nearest ``coodie.toml`` or
            ``pyproject.toml`` with ``[tool.coodie]``, from the working directory upwards.

    Returns:
        What was read.

    Raises:
        ConfigFileError: There are problems in it; all of them are told.
        ConfigurationError: There is no configuration.
    """
    configuration = find_configuration(path, os.environ)
    registry = current_registry()
    top = configuration.general
    if top:
        apply_allowlist(top, registry.plugins)
        if "observers" in top:
            activate_observers(top["observers"])
    makers = {name: _maker(settings) for name, settings in configuration.connections.items()}
    registry.declare(makers, configuration.default)
    return configuration


def find_configuration(path: str | Path | None, environ: Mapping[str, str]) -> Configuration:
    """Read the configuration that there is, and do nothing with it.

    Args:
        path: As for ``load_config``.
        environ: The environment.

    Raises:
        ConfigurationError: As ``load_config``.
    """
    from coodie.config.problems import raise_problems

    configuration, problems = inspect_files(path, environ)
    if problems:
        raise_problems(str(configuration.path or "The environment"), problems)
    return configuration


def inspect_files(path: str | Path | None, environ: Mapping[str, str]) -> tuple[Configuration, list[Problem]]:
    """Do what ``find_configuration`` does, and return the problems beside what is free of them.

    Raises:
        ConfigFileError: The file isn't TOML.
        ConfigurationError: There is no configuration, or its file can't be read.
    """
    # tomllib, and what only those need who have a file
    from pathlib import Path

    from coodie.config.configuration import inspect_configuration
    from coodie.config.sources import PATH_VARIABLE, find_file, read_file

    found = find_file(path, environ, Path.cwd())
    configuration, problems = inspect_configuration(None if found is None else read_file(found), environ)
    if found is None and not configuration.connections and not problems:
        message = (
            f"There is no configuration: no {PATH_VARIABLE}, no coodie.toml and no pyproject.toml with "
            "[tool.coodie] from here upwards, and no COODIE__NAME__URL."
        )
        raise ConfigurationError(message, command="coodie config init")
    return configuration, problems


def _maker(settings: ConnectionSettings) -> Callable[[], AbstractDriver]:
    """Return what makes a connection's driver, when that is first asked for."""

    def make() -> AbstractDriver:
        arguments = settings.arguments(current_registry().plugins)
        hosts, keyspace = arguments.pop("hosts", None), arguments.pop("keyspace", None)
        return LazyDriver(hosts, keyspace, None, arguments)

    return make


def apply_allowlist(top: Mapping[str, Setting], plugins: PluginHost) -> None:
    """Allow and block the distributions that a file lists."""
    if "allow" in top:
        plugins.allow_only(*top["allow"].value)
    if "block" in top:
        plugins.block(*top["block"].value)


def activate_observers(setting: Setting) -> None:
    """Register the observers of a list; those that are registered under their names already stay as they are.

    Args:
        setting: The names, as ``activate_observer`` takes them.

    Raises:
        ObserverLoadError: One of them can't be used.
    """
    from coodie.observers.activation import activate_observer

    observers = current_registry().observers
    for name in setting.value:
        if any(one.name == name for one in observers.everyone):
            continue
        try:
            activate_observer(name)
        except ConfigurationError as exc:
            message = f"{setting.where}: {exc}"
            raise ObserverLoadError(message, option="observers", observer=name) from exc


# What users import is coodie: tracebacks and help() name that.
for _function in (connect, connect_async):
    _function.__module__ = "coodie"
del _function
