"""Load the one backend that is named, check it, and call its hooks."""

from __future__ import annotations

import threading
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from coodie.config import TLS_OPTIONS
from coodie.exceptions import ConfigurationError
from coodie.plugins.discovery import DriverIndex
from coodie.plugins.hooks import DriverDescription
from coodie.plugins.loading import CHECK, DESCRIBE, OPEN, OPEN_ASYNC, load_plugin
from coodie.valuetypes import check_value
from coodie.waiting import call_in_thread

if TYPE_CHECKING:
    from coodie.config import ConnectionConfig
    from coodie.drivers.base import AbstractDriver
    from coodie.plugins.loading import LoadedPlugin

__all__ = ["DRIVER_METHODS", "PluginHost", "missing_methods"]

#: What any object must have to serve as a driver.
DRIVER_METHODS = ("execute", "execute_async", "sync_table", "sync_table_async", "close", "close_async")

#: How alike an option's name has to be to one that is known for that one to be suggested, 0 to 1.
_NEARLY = 0.75


def missing_methods(driver: object) -> tuple[str, ...]:
    """Return the names of the methods that the object lacks to be a driver."""
    return tuple(name for name in DRIVER_METHODS if not callable(getattr(driver, name, None)))


class PluginHost:
    """The plug-ins of one registry; each is loaded when it is first named, and once.

    Args:
        index: Where to look them up.
    """

    def __init__(self, index: DriverIndex | None = None) -> None:
        self.index = DriverIndex() if index is None else index
        self._loaded: dict[str, LoadedPlugin] = {}
        self._lock = threading.RLock()

    def check(self, config: ConnectionConfig) -> None:
        """Refuse what the backend can't honour, without connecting.

        Raises:
            DriverLoadError: The backend can't be used.
            ConfigurationError: The error names the option and the backend.
        """
        driver_type = config.driver_type
        plugin = self._load(driver_type)
        description = plugin.call(DESCRIBE)
        if description is None:
            description = DriverDescription(summary="")
        if not isinstance(description, DriverDescription):
            kind = type(description).__name__
            message = f"{DESCRIBE} of driver_type={driver_type!r} returned a {kind}, not a DriverDescription."
            raise plugin.not_a_driver(message)
        unknown = [name for name in config.given() if name not in description.connection_fields]
        if unknown:
            message = f"driver_type={driver_type!r} can't honour {unknown[0]}=."
            hint = f"Leave it out; it takes {_listed(description.connection_fields)}."
            raise ConfigurationError(message, hint=hint, option=unknown[0])
        names = {option.name for option in description.options}
        for name in config.options:
            if name not in names:
                tls = TLS_OPTIONS if "ssl_context" in description.connection_fields else ()
                known = [*names, *description.connection_fields, *tls]
                close = get_close_matches(name, known, n=1, cutoff=_NEARLY)
                message = f"driver_type={driver_type!r} has no option {name!r}."
                hint = f"Did you mean {close[0]!r}?" if close else f"It takes {_listed(names)}."
                raise ConfigurationError(message, hint=hint, option=name)
        for option in description.options:
            if (value := config.options.get(option.name)) is not None:
                check_value(option.name, option.type, value, secret=option.secret)
        plugin.call(CHECK, config=config)

    def open(self, config: ConnectionConfig) -> AbstractDriver:
        """Check the configuration, connect, and return the driver.

        Raises:
            CoodieError: Anything that ``check`` raises, or the failure to connect.
        """
        self.check(config)
        return _opened(self._load(config.driver_type), config)

    async def open_async(self, config: ConnectionConfig) -> AbstractDriver:
        """As ``open``, without blocking the event loop; a cancellation returns at once.

        A connect in a thread can't be interrupted: when it ends after a cancellation, its driver
        is closed there.
        """

        def blocking() -> tuple[LoadedPlugin, AbstractDriver | None]:
            # Importing a backend takes a tenth of a second and reads many files: not on the loop.
            self.check(config)
            plugin = self._load(config.driver_type)
            return plugin, None if plugin.implements(OPEN_ASYNC) else _opened(plugin, config)

        name = f"coodie-open-{config.driver_type}"
        plugin, driver = await call_in_thread(blocking, name, discard=lambda late: _close(late[1]))
        if driver is not None:
            return driver
        return _checked(plugin, await plugin.call_async(OPEN_ASYNC, config=config))

    def _load(self, driver_type: str) -> LoadedPlugin:
        """Return the plug-in; one that can't be loaded is tried anew at the next call."""
        with self._lock:
            plugin = self._loaded.get(driver_type)
            if plugin is None:
                plugin = self._loaded[driver_type] = load_plugin(self.index.find(driver_type))
            return plugin


def _opened(plugin: LoadedPlugin, config: ConnectionConfig) -> AbstractDriver:
    return _checked(plugin, plugin.call(OPEN, config=config))


def _checked(plugin: LoadedPlugin, driver: Any) -> AbstractDriver:
    missing = missing_methods(driver)
    if missing:
        kind, driver_type = type(driver).__name__, plugin.announcement.driver_type
        message = f"driver_type={driver_type!r} opened a {kind} without {', '.join(missing)}."
        raise plugin.not_a_driver(message, missing=missing)
    checked: AbstractDriver = driver
    return checked


def _close(driver: AbstractDriver | None) -> None:
    if driver is not None:
        driver.close()


def _listed(names: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
