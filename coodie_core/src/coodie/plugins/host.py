"""Load the one backend that is named, check it, and call its hooks."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from coodie._forks import forget_in_children
from coodie.capabilities import refuse_option
from coodie.exceptions import ConfigurationError, CoodieError, DriverNotFoundError
from coodie.observers.connections import connecting
from coodie.observers.hub import current_observers
from coodie.options.connection import TLS_OPTIONS, check_driver_type
from coodie.options.declarations import OPTIONS
from coodie.options.valuetypes import check_value
from coodie.plugins.allowlist import DistributionAllowlist
from coodie.plugins.discovery import DriverIndex, explicit_entry_point
from coodie.plugins.errors import reading_metadata
from coodie.plugins.loading import CHECK, INSPECT, OPEN, OPEN_ASYNC, LoadedPlugin, load_plugin
from coodie.plugins.selection import check_open, is_pinned_to, select
from coodie.waiting import call_in_thread

if TYPE_CHECKING:
    from coodie.contract.driver import AbstractDriver
    from coodie.hooks import DriverDescription
    from coodie.options.connection import ConnectionConfig
    from coodie.plugins.discovery import DriverEntryPoint

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
        #: Which distributions may be used.
        self.allowlist = DistributionAllowlist()
        self.index = DriverIndex() if index is None else index
        self._loaded: dict[tuple[str, str | None], LoadedPlugin] = {}
        self._registered: dict[str, LoadedPlugin] = {}
        self._failed: dict[str, CoodieError] = {}
        self._described: dict[str, DriverDescription] = {}
        self._lock = threading.RLock()
        forget_in_children(self, PluginHost._forget)

    def _forget(self) -> None:
        self._lock = threading.RLock()

    def register(
        self, driver_type: str, plugin: object, *, distribution: str = "", version: str = ""
    ) -> None:
        """Take a plug-in that the application imported, instead of looking its name up; the last one holds.

        Args:
            driver_type: The name under which it's opened.
            plugin: What an entry point would name: a module, or any object, with the hooks.
            distribution: Whose it is, for messages, pins and blocking; empty where it's the application's.
            version: That distribution's version.

        Raises:
            NotADriverError: Its hooks don't fit the specifications, or it can't open a driver.
            ConfigurationError: The driver_type isn't a name, or the distribution no str.
        """
        check_driver_type(driver_type)
        if not isinstance(distribution, str):
            message = f"distribution={distribution!r} is not a distribution's name."
            hint = "Give a str; leave it out for a plug-in of the application's own."
            raise ConfigurationError(message, hint=hint, option="distribution")
        entry = explicit_entry_point(driver_type, plugin, distribution, version)
        loaded = LoadedPlugin(plugin, entry)
        with self._lock:
            self._registered[driver_type] = loaded

    def block(self, *distributions: str) -> None:
        """Refuse backends of these distributions, in addition to those that COODIE_BLOCK lists."""
        self.allowlist.block(*distributions)

    def allow_only(self, *distributions: str) -> None:
        """Refuse backends of any other distribution, in addition to what COODIE_ALLOW refuses."""
        self.allowlist.allow_only(*distributions)

    def entry_points(self) -> list[DriverEntryPoint]:
        """Return what the application registered and what is installed; nothing is imported.

        Raises:
            DriverLoadError: Metadata can't be read now.
        """
        with reading_metadata():
            installed = self.index.entry_points()
            if not installed:
                self.index.check_complete()
        return [*self.registered(), *installed]

    def registered(self) -> list[DriverEntryPoint]:
        """Return what the application registered."""
        with self._lock:
            return [plugin.entry for plugin in self._registered.values()]

    def chosen(self, driver_type: str) -> DriverEntryPoint:
        """Return the entry point that opens this driver_type, as far as metadata tells; nothing is imported.

        Raises:
            DriverLoadError: None can be used.
        """
        with self._lock:
            plugin = self._registered.get(driver_type)
        if plugin is not None:
            check_open(plugin.entry, self.allowlist)
            return plugin.entry
        with reading_metadata(driver_type):
            return select(self.index, self.allowlist, driver_type)

    def failures(self) -> Mapping[str, CoodieError]:
        """Return why backends failed to load, by driver_type; those that were mended since aren't in it."""
        with self._lock:
            return dict(self._failed)

    def descriptions(self) -> Mapping[str, DriverDescription]:
        """Return what the backends that were loaded said of themselves, by driver_type."""
        with self._lock:
            return dict(self._described)

    def described(self, config: ConnectionConfig) -> DriverDescription:
        """Load the backend that the configuration names, and return what it says of itself.

        Raises:
            DriverLoadError: The backend can't be used.
        """
        description = self._load(config).describe()
        with self._lock:
            self._described[config.driver_type] = description
        return description

    def inspect(self, config: ConnectionConfig, driver: AbstractDriver | None) -> Mapping[str, str]:
        """Return what a backend tells of a connection, or without one of what it would use here.

        Raises:
            DriverLoadError: The backend can't be used, or tells something else.
        """
        plugin = self._load(config)
        facts = plugin.call(INSPECT, driver=driver) if plugin.implements(INSPECT) else {}
        if not isinstance(facts, Mapping):
            raise plugin.not_a_driver(
                f"{INSPECT} of {plugin.entry.owner} returned a {type(facts).__name__}, not a mapping."
            )
        return facts

    def check(self, config: ConnectionConfig) -> None:
        """Refuse what the backend can't honour, without connecting.

        Raises:
            DriverLoadError: The backend can't be used.
            ConfigurationError: The error names the option and the backend.
        """
        self._checked_plugin(config)

    def _checked_plugin(self, config: ConnectionConfig) -> LoadedPlugin:
        """Return the plug-in that opens the configuration, which it can honour."""
        plugin = self._load(config)
        description = plugin.describe()
        driver_type, given = config.driver_type, config.given()
        with self._lock:
            self._described[driver_type] = description
        _check_abilities(config, given, description)
        unknown = [name for name in given if name not in description.connection_fields]
        if unknown:
            message = f"driver_type={driver_type!r} can't honour {unknown[0]}=."
            hint = f"Leave it out; it takes {_listed(description.connection_fields)}."
            raise ConfigurationError(message, hint=hint, option=unknown[0])
        names = {option.name for option in description.options}
        for name in config.options:
            if name not in names:
                tls = TLS_OPTIONS if "ssl_context" in description.connection_fields else ()
                known = [*names, *description.connection_fields, *tls, "lazy", "name"]
                close = get_close_matches(name, known, n=1, cutoff=_NEARLY)
                message = f"driver_type={driver_type!r} has no option {name!r}."
                hint = f"Did you mean {close[0]!r}?" if close else f"It takes {_listed(names)}."
                raise ConfigurationError(message, hint=hint, option=name)
        for option in description.options:
            if (value := config.options.get(option.name)) is not None:
                check_value(option.name, option.type, value, secret=option.secret)
        plugin.call(CHECK, config=config)
        return plugin

    def open(self, config: ConnectionConfig, name: str | None = None) -> AbstractDriver:
        """Check the configuration, connect, and return the driver.

        Args:
            config: What to connect to.
            name: The name under which the driver will be registered, which observers get.

        Raises:
            CoodieError: Anything that ``check`` raises, or the failure to connect.
        """
        return _opened(self._checked_plugin(config), config, name)

    async def open_async(self, config: ConnectionConfig, name: str | None = None) -> AbstractDriver:
        """As ``open``, without blocking the event loop; a cancellation returns at once.

        A connect in a thread can't be interrupted: when it ends after a cancellation, its driver
        is closed there.
        """

        def blocking() -> tuple[LoadedPlugin, AbstractDriver | None]:
            # Importing a backend takes a tenth of a second and reads many files: not on the loop.
            plugin = self._checked_plugin(config)
            return plugin, None if plugin.implements(OPEN_ASYNC) else _opened(plugin, config, name)

        plugin, driver = await call_in_thread(
            blocking,
            f"coodie-open-{config.driver_type}",
            discard=lambda late: _close(late[1]),
        )
        if driver is not None:
            return driver
        with connecting(config, name) as opening:
            opening.driver = driver = _checked(plugin, await plugin.call_async(OPEN_ASYNC, config=config))
        return driver

    def _load(self, config: ConnectionConfig) -> LoadedPlugin:
        """Return the plug-in; from now on it's told what happens, if it wants to know."""
        plugin = self._found(config)
        if plugin.observes:
            current_observers().ensure(plugin.plugin)
        return plugin

    def _found(self, config: ConnectionConfig) -> LoadedPlugin:
        """Return the plug-in; one that can't be loaded is tried anew at the next call."""
        driver_type, distribution = config.driver_type, config.distribution
        with self._lock, reading_metadata(driver_type):
            plugin = self._registered.get(driver_type)
            if plugin is None or not is_pinned_to(plugin.entry, distribution):
                plugin = self._loaded.get((driver_type, distribution))
            if plugin is not None:
                # What was loaded before may have been blocked since.
                check_open(plugin.entry, self.allowlist)
                return plugin
            try:
                entry = select(self.index, self.allowlist, driver_type, distribution, failed=self._failed)
                plugin = self._loaded[driver_type, distribution] = load_plugin(entry)
            except DriverNotFoundError:
                raise
            except CoodieError as exc:
                self._failed[driver_type] = exc
                raise
            self._failed.pop(driver_type, None)
            return plugin


def _check_abilities(config: ConnectionConfig, given: Iterable[str], description: DriverDescription) -> None:
    """Refuse options that take what the backend doesn't declare.

    Raises:
        ConfigurationError: It names the option, the backend, and the backends that can.
    """
    who, have = f"driver_type={config.driver_type!r}", description.capabilities
    for name in given:
        need = OPTIONS[name].capability
        # No compression is what a backend without compression gives.
        if need is None or need in have or (name == "compression" and config.compression is False):
            continue
        asked = "ssl_context= or an ssl_… option" if name == "ssl_context" else f"{name}="
        raise refuse_option(need, name, asked, who)
    for title, profile in config.profiles.items():
        for entry in fields(profile):
            need = OPTIONS[entry.name].capability
            if need is not None and need not in have and getattr(profile, entry.name):
                raise refuse_option(need, entry.name, f"{entry.name} in the profile {title!r}", who)


def _opened(plugin: LoadedPlugin, config: ConnectionConfig, name: str | None) -> AbstractDriver:
    with connecting(config, name) as opening:
        opening.driver = driver = _checked(plugin, plugin.call(OPEN, config=config))
    return driver


def _checked(plugin: LoadedPlugin, driver: Any) -> AbstractDriver:
    missing = missing_methods(driver)
    if missing:
        kind, driver_type = type(driver).__name__, plugin.entry.driver_type
        message = f"driver_type={driver_type!r} opened a {kind} without {', '.join(missing)}."
        raise plugin.not_a_driver(message, missing=missing)
    checked: AbstractDriver = driver
    return checked


def _close(driver: AbstractDriver | None) -> None:
    if driver is not None:
        driver.close()


def _listed(names: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
