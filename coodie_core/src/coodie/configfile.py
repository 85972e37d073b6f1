"""``load_config``: connections by name, from a file and the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie.registry.lazy import LazyDriver
from coodie.registry.registry import current_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from coodie.config.configuration import Configuration
    from coodie.config.mistakes import Mistake
    from coodie.config.settings import ConnectionSettings
    from coodie.contract.driver import AbstractDriver

__all__ = ["find_configuration", "inspect_files", "load_config"]


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
        ConfigFileError: There are mistakes in it; all of them are told.
        ConfigurationError: There is no configuration.
    """
    configuration = find_configuration(path, os.environ)
    registry = current_registry()
    top = configuration.top
    if top:
        from coodie.config.switching import choose_distributions, switch_on

        choose_distributions(top, registry.plugins)
        if "observers" in top:
            switch_on(top["observers"])
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
    from coodie.config.mistakes import raise_mistakes

    configuration, mistakes = inspect_files(path, environ)
    if mistakes:
        raise_mistakes(str(configuration.path or "The environment"), mistakes)
    return configuration


def inspect_files(path: str | Path | None, environ: Mapping[str, str]) -> tuple[Configuration, list[Mistake]]:
    """Do what ``find_configuration`` does, and return the mistakes beside what is free of them.

    Raises:
        ConfigFileError: The file isn't TOML.
        ConfigurationError: There is no configuration, or its file can't be read.
    """
    # tomllib, and what only those need who have a file
    from pathlib import Path

    from coodie.config.configuration import inspect_configuration
    from coodie.config.tomlfile import PATH_VARIABLE, find_file, read_file

    found = find_file(path, environ, Path.cwd())
    configuration, mistakes = inspect_configuration(None if found is None else read_file(found), environ)
    if found is None and not configuration.connections and not mistakes:
        message = (
            f"There is no configuration: no {PATH_VARIABLE}, no coodie.toml and no pyproject.toml with "
            "[tool.coodie] from here upwards, and no COODIE__NAME__URL."
        )
        raise ConfigurationError(message, command="coodie config init")
    return configuration, mistakes


def _maker(settings: ConnectionSettings) -> Callable[[], AbstractDriver]:
    """Return what makes a connection's driver, when that is first asked for."""

    def make() -> AbstractDriver:
        arguments = settings.arguments(current_registry().plugins)
        hosts, keyspace = arguments.pop("hosts", None), arguments.pop("keyspace", None)
        return LazyDriver(hosts, keyspace, None, arguments)

    return make
