"""The registry: drivers by name, and the default driver.

The default driver is the one last registered with ``default=True``, or else the first one; ``init_coodie``
makes its driver the default only if it is the first, or is named "default".
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, cast

from coodie._forks import forget_in_children
from coodie._in_use import in_use
from coodie.contract.driver_like import missing_methods
from coodie.exceptions import ConfigurationError, NotADriverError
from coodie.observers.connections import notify_registered
from coodie.observers.hub import Observers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from coodie.capabilities import Capability
    from coodie.contract.driver import AbstractDriver
    from coodie.contract.driver_like import DriverLike
    from coodie.observers.stats import DriverStats
    from coodie.options.connection import ConnectionConfig
    from coodie.plugins.discovery import DriverEntryPoint
    from coodie.plugins.host import PluginHost

__all__ = [
    "DriverRegistry",
    "allow_only",
    "block",
    "current_registry",
    "installed_drivers",
    "open_driver",
    "open_driver_async",
    "register_plugin",
    "using_registry",
]

_log = logging.getLogger("coodie.registry")


class _Entry(NamedTuple):
    driver: AbstractDriver
    #: Whether init_coodie opened it, so it is closed when it is replaced.
    owned: bool
    #: Whether it was created from a configuration, and can be created again.
    declared: bool
    #: The process that registered it, and has to close it; a fork mustn't.
    process: int


class DriverRegistry:
    """Drivers by name, and the plug-ins that open them; thread-safe.

    Args:
        plugins: The host of the plug-ins; by default, created on first use.
        observers: The hub of the observers; by default, an empty one.
    """

    def __init__(self, plugins: PluginHost | None = None, observers: Observers | None = None) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._default: str | None = None
        self._plugins = plugins
        #: The hub of the observers.
        self.observers = Observers() if observers is None else observers
        self.observers.blocked_by = self._blocked_by
        #: Connections of a configuration: name → the factory of the driver.
        self._declared: dict[str, Callable[[], AbstractDriver]] = {}
        self._making = threading.Lock()
        forget_in_children(self, DriverRegistry._forget)

    def _forget(self) -> None:
        self._lock, self._making = threading.Lock(), threading.Lock()

    @property
    def plugins(self) -> PluginHost:
        """The host of the plug-ins; the first access imports pluggy."""
        from coodie.plugins.host import PluginHost  # imports pluggy, only needed to open a backend

        with self._lock:
            if self._plugins is None:
                self._plugins = PluginHost()
            return self._plugins

    def _blocked_by(self, distribution: str) -> str | None:
        from coodie.plugins.discovery import canonical_name  # as above

        return self.plugins.allowlist.blocked_by(canonical_name(distribution))

    def loaded_capabilities(self) -> dict[str, frozenset[Capability]]:
        """Return the capabilities of the loaded backends by driver_type, without importing anything."""
        with self._lock:
            plugins = self._plugins
        descriptions = {} if plugins is None else plugins.descriptions()
        return {name: description.capabilities for name, description in descriptions.items()}

    def names(self) -> tuple[str, ...]:
        """Return the names of the registered drivers, in order of registration."""
        with self._lock:
            return tuple(self._entries)

    def stats(self) -> list[DriverStats]:
        """Return the ``stats()`` of registered drivers that are open and support it, without duplicates."""
        with self._lock:
            drivers = {id(entry.driver): entry.driver for entry in self._entries.values()}
        return [
            driver.stats()
            for driver in drivers.values()
            # A closed driver remains registered.
            if hasattr(driver, "stats") and (not hasattr(driver, "is_live") or driver.is_live())
        ]

    def get(self, name: str | None = None) -> AbstractDriver:
        """Return the driver of a name, or the default driver.

        Raises:
            ConfigurationError: There is no such driver, or the name is invalid.
        """
        if name is not None:
            check_name(name)
        with self._lock:
            wanted = self._default if name is None else name
            entry = self._entries.get(wanted)  # type: ignore[arg-type]  # None isn't a key
            names = tuple({**self._entries, **self._declared})
        if entry is not None and not _is_over(entry):
            return entry.driver
        if wanted in self._declared:
            return self._made(wanted)
        if entry is not None:
            return entry.driver
        if not names:
            message = "No driver is registered."
            hint = "Call init_coodie(…), register_driver(…) or load_config() first."
        else:
            from difflib import get_close_matches  # for the error alone

            close = get_close_matches(str(name), names, n=1)
            message = f"There is no driver named {name!r}. Registered: {', '.join(names)}."
            hint = f"Did you mean {close[0]!r}?" if close else "Open it with init_coodie(…, name=…)."
        raise ConfigurationError(message, hint=hint, option="name")

    def declare(self, makers: Mapping[str, Callable[[], AbstractDriver]], default: str | None) -> None:
        """Add drivers that are created on first use.

        Args:
            makers: Factories of the drivers by name; they mustn't connect, since ``get`` must not block.
            default: The name of the default driver, unless there is one already.
        """
        with self._lock:
            self._declared = dict(makers)
            if self._default is None:
                self._default = default

    def _made(self, name: str) -> AbstractDriver:
        """Create a declared driver; concurrent callers get the same one."""
        with self._making:
            with self._lock:
                entry = self._entries.get(name)
            if entry is not None and not _is_over(entry):
                return entry.driver
            driver = self._declared[name]()
            self._put(name, driver, owned=True, default=False, declared=True)
            return driver

    def register(self, name: str, driver: DriverLike, *, default: bool = False) -> None:
        """Register a driver that the caller has created, and has to close.

        Raises:
            NotADriverError: The object lacks a method of drivers.
            ConfigurationError: The name isn't a non-empty str.
        """
        check_name(name)
        missing = missing_methods(driver)
        if missing:
            message = (
                f"{type(driver).__name__} can't be registered as a driver: it lacks {', '.join(missing)}."
            )
            hint = "Subclass coodie.drivers.AbstractDriver, or add the methods. For their documentation, run:"
            command = "python -m pydoc coodie.drivers.AbstractDriver"
            raise NotADriverError(message, hint=hint, command=command, missing=missing)
        replaced = self._put(name, cast("AbstractDriver", driver), owned=False, default=default)
        if replaced is not None:
            replaced.close()

    def adopt(self, name: str, driver: AbstractDriver) -> AbstractDriver | None:
        """Register a driver that the registry has opened.

        Returns:
            The replaced driver, if the registry has to close it, which it doesn't in a fork.
        """
        return self._put(name, driver, owned=True, default=name == "default")

    def _put(
        self, name: str, driver: AbstractDriver, *, owned: bool, default: bool, declared: bool = False
    ) -> AbstractDriver | None:
        with self._lock:
            old = self._entries.get(name)
            self._entries[name] = _Entry(driver, owned, declared, os.getpid())
            if default or self._default is None:
                self._default = name
            shared = old is not None and any(entry.driver is old.driver for entry in self._entries.values())
            is_default = self._default == name
        replaced = old is not None and old.driver is not driver
        notify_registered(driver, name, default=is_default, replaced=replaced)
        if old is None or shared or old.process != os.getpid():
            return None
        if not old.owned:
            _log.warning(
                "The driver registered as %r has been replaced, but is still open: its owner must close it.",
                name,
            )
            return None
        return old.driver


def _is_over(entry: _Entry) -> bool:
    """Return whether a configuration's driver was closed, or is of the parent process."""
    return entry.declared and getattr(entry.driver, "closed", False)


in_use.registry = DriverRegistry()  # the process's first registry


def current_registry() -> DriverRegistry:
    """Return the registry that the functions of ``coodie.drivers`` use."""
    registry: DriverRegistry = in_use.registry
    return registry


@contextmanager
def using_registry(registry: DriverRegistry) -> Iterator[DriverRegistry]:
    """Use another registry, with its observers, within the block; for tests."""
    before, in_use.registry = in_use.registry, registry
    try:
        yield registry
    finally:
        in_use.registry = before


def check_name(name: object) -> None:
    """Validate the name of a driver.

    Raises:
        ConfigurationError: The name isn't a non-empty str.
    """
    if not isinstance(name, str) or not name:
        message = f"name={name!r} isn't a valid driver name."
        raise ConfigurationError(message, hint="Give a non-empty str.", option="name")


def installed_drivers() -> list[DriverEntryPoint]:
    """Return the entry points of the group ``coodie.drivers``, without importing anything.

    Plug-ins of ``register_plugin`` come first.
    """
    return current_registry().plugins.entry_points()


def register_plugin(driver_type: str, plugin: object, *, distribution: str = "", version: str = "") -> None:
    """Register a plug-in that the application has imported, so that it isn't looked up by metadata.

    This is for frozen programs without metadata, and for plug-ins within an application. A registered plug-in
    takes precedence over an installed one of the same name, and replaces one registered before.

    Args:
        driver_type: The name for ``init_coodie``.
        plugin: A module or any other object with the hooks.
        distribution: Its distribution, for messages, pins and blocking; empty for the application's own.
        version: The distribution's version.

    Raises:
        NotADriverError: A hook doesn't match its specification, or ``coodie_open_driver`` is missing.
        ConfigurationError: The driver_type isn't a valid name.
    """
    current_registry().plugins.register(driver_type, plugin, distribution=distribution, version=version)


def block(*distributions: str) -> None:
    """Block backends of these distributions, in addition to ``COODIE_BLOCK``.

    Raises:
        ConfigurationError: A distribution isn't a non-empty str.
    """
    current_registry().plugins.block(*distributions)


def allow_only(*distributions: str) -> None:
    """Only allow backends of these distributions, in addition to ``COODIE_ALLOW``.

    Raises:
        ConfigurationError: A distribution isn't a non-empty str.
    """
    current_registry().plugins.allow_only(*distributions)


def open_driver(config: ConnectionConfig) -> AbstractDriver:
    """Open a driver for a configuration, without registering it.

    Raises:
        DriverLoadError: The backend can't be used.
        ConfigurationError: The backend doesn't support the configuration.
        ConnectionFailedError: No host could be reached.
    """
    return current_registry().plugins.open(config)


async def open_driver_async(config: ConnectionConfig) -> AbstractDriver:
    """Async version of ``open_driver``."""
    return await current_registry().plugins.open_async(config)
