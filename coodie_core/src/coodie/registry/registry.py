"""The registry: which driver has which name, and which one is the default.

The default driver is the one last registered with ``default=True``, else the first registered;
``init_coodie`` makes its connection the default only when it is the first or is named "default".
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coodie._forks import forget_in_children
from coodie._in_use import in_use
from coodie.exceptions import ConfigurationError, NotADriverError
from coodie.observers.connections import tell_registered
from coodie.observers.hub import Observers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from coodie.capabilities import Capability
    from coodie.contract.driver import AbstractDriver
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


@dataclass(frozen=True, slots=True)
class _Entry:
    driver: AbstractDriver
    #: Whether init_coodie opened it, so that replacing it closes it.
    owned: bool
    #: Whether it was made as a configuration has it, and can be made again.
    declared: bool = False
    #: The process that put it here: in a fork of that, it is the parent's to close.
    process: int = field(default_factory=os.getpid)


class DriverRegistry:
    """Named drivers, and the plug-ins that open them; safe from many threads.

    Args:
        plugins: The host of the plug-ins; made when first needed unless a test gives one.
        observers: Who is told of what happens; nobody at first, unless given.
    """

    def __init__(self, plugins: PluginHost | None = None, observers: Observers | None = None) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._default: str | None = None
        self._plugins = plugins
        #: Who is told of what happens.
        self.observers = Observers() if observers is None else observers
        self.observers.blocked_by = self._blocked_by
        #: Connections of a configuration: name → what makes the driver when it's first asked for.
        self._declared: dict[str, Callable[[], AbstractDriver]] = {}
        self._making = threading.Lock()
        forget_in_children(self, DriverRegistry._forget)

    def _forget(self) -> None:
        self._lock, self._making = threading.Lock(), threading.Lock()

    @property
    def plugins(self) -> PluginHost:
        """The host of the plug-ins; importing it brings pluggy in."""
        from coodie.plugins.host import PluginHost  # pluggy only where a backend is opened

        with self._lock:
            if self._plugins is None:
                self._plugins = PluginHost()
            return self._plugins

    def _blocked_by(self, distribution: str) -> str | None:
        from coodie.plugins.discovery import canonical_name  # as above

        return self.plugins.allowlist.blocked_by(canonical_name(distribution))

    def loaded_capabilities(self) -> dict[str, frozenset[Capability]]:
        """Return what the backends that were loaded declare, by driver_type; nothing is imported for it."""
        with self._lock:
            plugins = self._plugins
        descriptions = {} if plugins is None else plugins.descriptions()
        return {name: description.capabilities for name, description in descriptions.items()}

    def names(self) -> tuple[str, ...]:
        """Return the names of the registered drivers, in order of registration."""
        with self._lock:
            return tuple(self._entries)

    def get(self, name: str | None = None) -> AbstractDriver:
        """Return the driver of that name, or the default one.

        Raises:
            ConfigurationError: There is none, or it can't be a name.
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
            message = f"No driver is registered under {name!r}. Registered: {', '.join(names)}."
            hint = f"Did you mean {close[0]!r}?" if close else "Open it with init_coodie(…, name=…)."
        raise ConfigurationError(message, hint=hint, option="name")

    def declare(self, makers: Mapping[str, Callable[[], AbstractDriver]], default: str | None) -> None:
        """Let names stand for drivers that are made when they are first asked for.

        Args:
            makers: Name → what makes the driver; without connecting, since ``get`` must not block.
            default: The name of the default driver, unless there is one already.
        """
        with self._lock:
            self._declared = dict(makers)
            if self._default is None:
                self._default = default

    def _made(self, name: str) -> AbstractDriver:
        """Make a declared driver, once however many ask for it at a time."""
        with self._making:
            with self._lock:
                entry = self._entries.get(name)
            if entry is not None and not _is_over(entry):
                return entry.driver
            driver = self._declared[name]()
            self._put(name, driver, owned=True, default=False, declared=True)
            return driver

    def register(self, name: str, driver: AbstractDriver, *, default: bool = False) -> None:
        """Put a driver that the caller made under a name; it stays the caller's to close.

        Raises:
            NotADriverError: It lacks a method that drivers have.
            ConfigurationError: The name isn't a non-empty str.
        """
        from coodie.plugins.host import missing_methods  # pluggy stays out of a plain import

        check_name(name)
        missing = missing_methods(driver)
        if missing:
            message = (
                f"{type(driver).__name__} can't be registered as a driver: it has no {', '.join(missing)}."
            )
            hint = "Subclass coodie.drivers.AbstractDriver, or add the methods. For what they do, run:"
            command = "python -m pydoc coodie.drivers.AbstractDriver"
            raise NotADriverError(message, hint=hint, command=command, missing=missing)
        replaced = self._put(name, driver, owned=False, default=default)
        if replaced is not None:
            replaced.close()

    def adopt(self, name: str, driver: AbstractDriver) -> AbstractDriver | None:
        """Put a driver that the registry opened under a name.

        Returns:
            The driver that it replaces, where that one is the registry's to close: not in a fork of the
            process that opened it.
        """
        return self._put(name, driver, owned=True, default=name == "default")

    def _put(
        self, name: str, driver: AbstractDriver, *, owned: bool, default: bool, declared: bool = False
    ) -> AbstractDriver | None:
        with self._lock:
            old = self._entries.get(name)
            self._entries[name] = _Entry(driver, owned, declared)
            if default or self._default is None:
                self._default = name
            shared = old is not None and any(entry.driver is old.driver for entry in self._entries.values())
            is_default = self._default == name
        replaced = old is not None and old.driver is not driver
        tell_registered(driver, name, default=is_default, replaced=replaced)
        if old is None or shared or old.process != os.getpid():
            return None
        if not old.owned:
            _log.warning(
                "The driver registered as %r has been replaced and stays open: its owner must close it.",
                name,
            )
            return None
        return old.driver


def _is_over(entry: _Entry) -> bool:
    """Tell whether a configuration's driver was closed, or is the process's that this one was forked from."""
    return entry.declared and getattr(entry.driver, "closed", False)


in_use.registry = DriverRegistry()  # what the process starts with


def current_registry() -> DriverRegistry:
    """Return the registry that the functions of ``coodie.drivers`` use."""
    registry: DriverRegistry = in_use.registry
    return registry


@contextmanager
def using_registry(registry: DriverRegistry) -> Iterator[DriverRegistry]:
    """Let the functions of ``coodie.drivers`` use another registry in this block; for tests.

    Its observers, too, are those who are told.
    """
    before, in_use.registry = in_use.registry, registry
    try:
        yield registry
    finally:
        in_use.registry = before


def check_name(name: object) -> None:
    """Refuse a name that no driver can have.

    Raises:
        ConfigurationError: It isn't a non-empty str.
    """
    if not isinstance(name, str) or not name:
        message = f"name={name!r} is not a driver's name."
        raise ConfigurationError(message, hint="Give a non-empty str.", option="name")


def installed_drivers() -> list[DriverEntryPoint]:
    """Return what is installed under the entry-point group ``coodie.drivers``; nothing is imported.

    What the application registered with ``register_plugin`` comes first.
    """
    return current_registry().plugins.entry_points()


def register_plugin(driver_type: str, plugin: object, *, distribution: str = "", version: str = "") -> None:
    """Register a plug-in that the application imported, where it can't or needn't be found by metadata.

    That is how a frozen program without metadata, or a plug-in inside of an application, is used. What is
    registered goes before what is installed under the same name; the last registration holds.

    Args:
        driver_type: The name under which ``init_coodie`` opens it.
        plugin: What an entry point would name: a module, or any object, with the hooks.
        distribution: Whose it is, for messages, pins and blocking; empty where it's the application's.
        version: That distribution's version.

    Raises:
        NotADriverError: Its hooks don't fit the specifications, or it can't open a driver.
        ConfigurationError: The driver_type isn't a name.
    """
    current_registry().plugins.register(driver_type, plugin, distribution=distribution, version=version)


def block(*distributions: str) -> None:
    """Refuse backends of these distributions, in addition to those that ``COODIE_BLOCK`` lists.

    Raises:
        ConfigurationError: One of them isn't a non-empty str.
    """
    current_registry().plugins.block(*distributions)


def allow_only(*distributions: str) -> None:
    """Refuse backends of any other distribution, in addition to what ``COODIE_ALLOW`` refuses.

    Raises:
        ConfigurationError: One of them isn't a non-empty str.
    """
    current_registry().plugins.allow_only(*distributions)


def open_driver(config: ConnectionConfig) -> AbstractDriver:
    """Open the backend that the configuration names, without registering it.

    Raises:
        DriverLoadError: The backend can't be used.
        ConfigurationError: It can't honour the configuration.
        ConnectionFailedError: No host could be reached.
    """
    return current_registry().plugins.open(config)


async def open_driver_async(config: ConnectionConfig) -> AbstractDriver:
    """As ``open_driver``, without blocking the event loop."""
    return await current_registry().plugins.open_async(config)
