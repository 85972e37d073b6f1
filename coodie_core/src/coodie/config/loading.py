"""Open connections by URL, with ``connect``, or from a file and the environment, with ``load_config``.

Modules that parse files and URLs are imported in functions: a program that connects by URL needs no files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, overload

from coodie._tracebacks import CALLER_ERRORS, shortened
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
    """Connect with a URL, and register the driver; ``init_coodie`` does the same with keyword arguments.

    Args:
        url: ``scylla://user:password@host1,host2:9042/keyspace?consistency=LOCAL_QUORUM&lazy=true``: the
            backend's name, credentials, hosts with one port or one each, the keyspace, and any option of
            ``init_coodie``. Percent-encode separators within a part.
        options: Options that aren't in the URL, such as objects.

    Returns:
        The driver, which ``get_driver(name)`` also returns; the default ``name`` is "default".

    Raises:
        ConfigurationError: The URL or an option is invalid. The error doesn't contain the URL, which may have
            a password.
        CoodieError: As in ``init_coodie``.
    """
    try:
        arguments = _arguments(url, options, current_registry().plugins)
    except CALLER_ERRORS as exc:
        raise shortened(exc)  # noqa: B904 - the same exception
    return init_coodie(**arguments)


@overload
async def connect_async(url: str, **options: Unpack[ConnectOptions]) -> Driver: ...


@overload
async def connect_async(url: str, **options: Any) -> Driver: ...


async def connect_async(url: str, **options: Any) -> Driver:
    """Async version of :func:`connect`; never blocks the event loop."""
    registry = current_registry()

    def prepare() -> dict[str, Any]:
        # This may import the backend, for the types of its options.
        return _arguments(url, options, registry.plugins)

    try:
        arguments = await call_in_thread(prepare, "coodie-prepare", discard=lambda _: None)
    except CALLER_ERRORS as exc:
        raise shortened(exc)  # noqa: B904 - the same exception
    return await init_coodie_async(**arguments)


def _arguments(url: str, options: dict[str, Any], plugins: PluginHost) -> dict[str, Any]:
    """Return the arguments of ``init_coodie``."""
    from coodie.config.settings import parse_backend_options
    from coodie.config.url import parse_url

    parts = parse_url(url)
    twice = sorted((parts.arguments.keys() | parts.own.keys()) & options.keys())
    if twice:
        message = f"{twice[0]} is set in the URL and as an argument."
        raise ConfigurationError(message, hint="Give it once.", option=twice[0])
    return {**parts.arguments, **parse_backend_options(parts.own, parts.arguments, plugins), **options}


def load_config(path: str | Path | None = None) -> Configuration:
    """Load the configuration, for ``get_driver(name)``.

    Nothing is connected. References in values (``{env:…}``, ``{file:…}``) are resolved on the first
    ``get_driver(name)`` of the connection, which returns a ``LazyDriver`` that connects on its first request.
    After that driver is closed, or in a fork of the process, ``get_driver(name)`` returns a new one. An open
    connection of the same name isn't replaced.

    Precedence, from the highest: the argument of a call, its request profile, an environment variable, the
    file, the default.

    Args:
        path: The file; by default, $COODIE_CONFIG, or else the nearest ``coodie.toml`` or ``pyproject.toml``
            with ``[tool.coodie]``, in the working directory or its parents.

    Returns:
        The configuration.

    Raises:
        ConfigFileError: The configuration has problems; the error lists all of them.
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
    """Find and parse the configuration, without applying it.

    Args:
        path: As in ``load_config``.
        environ: The environment.

    Raises:
        ConfigurationError: As in ``load_config``.
    """
    from coodie.config.problems import raise_problems

    configuration, problems = inspect_files(path, environ)
    if problems:
        raise_problems(str(configuration.path or "The environment"), problems)
    return configuration


def inspect_files(path: str | Path | None, environ: Mapping[str, str]) -> tuple[Configuration, list[Problem]]:
    """Find and parse the configuration; return its valid part, and the problems.

    Raises:
        ConfigFileError: The file isn't TOML.
        ConfigurationError: There is no configuration, or its file can't be read.
    """
    # only needed with a file, such as tomllib
    from pathlib import Path

    from coodie.config.configuration import inspect_configuration
    from coodie.config.sources import PATH_VARIABLE, find_file, read_file

    found = find_file(path, environ, Path.cwd())
    configuration, problems = inspect_configuration(None if found is None else read_file(found), environ)
    if found is None and not configuration.connections and not problems:
        message = (
            f"No configuration found. Looked for ${PATH_VARIABLE}, coodie.toml, [tool.coodie] in "
            "pyproject.toml, here and in the parent directories, and $COODIE__NAME__URL."
        )
        raise ConfigurationError(message, command="coodie config init")
    return configuration, problems


def _maker(settings: ConnectionSettings) -> Callable[[], AbstractDriver]:
    """Return a factory of a connection's driver, called on the first use."""

    def make() -> AbstractDriver:
        arguments = settings.arguments(current_registry().plugins)
        hosts, keyspace = arguments.pop("hosts", None), arguments.pop("keyspace", None)
        return LazyDriver(hosts, keyspace, None, arguments)

    return make


def apply_allowlist(top: Mapping[str, Setting], plugins: PluginHost) -> None:
    """Apply the allow-list and the deny-list of a file."""
    if "allow" in top:
        plugins.allow_only(*top["allow"].value)
    if "block" in top:
        plugins.block(*top["block"].value)


def activate_observers(setting: Setting) -> None:
    """Register the observers of a list, except those that are already registered.

    Args:
        setting: The names, as in ``activate_observer``.

    Raises:
        ObserverLoadError: An observer can't be loaded.
    """
    from coodie.observers.loading import activate_observer

    observers = current_registry().observers
    for name in setting.value:
        if any(one.name == name for one in observers.all):
            continue
        try:
            activate_observer(name)
        except ConfigurationError as exc:
            message = f"{setting.where}: {exc}"
            raise ObserverLoadError(message, option="observers", observer=name) from exc


# Tracebacks and help() show the public module.
for _function in (connect, connect_async):
    _function.__module__ = "coodie"
del _function
