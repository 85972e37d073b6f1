"""Load a backend by name, validate it, and call its hooks."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from coodie._forks import forget_in_children
from coodie.capabilities import Capability, refuse_option
from coodie.contract.driver_like import missing_methods
from coodie.exceptions import ConfigurationError, CoodieError, DriverNotFoundError
from coodie.observers.connections import connecting
from coodie.observers.hub import current_observers
from coodie.options.connection import TLS_OPTIONS, ConnectionConfig, check_driver_type
from coodie.options.declarations import OPTIONS
from coodie.options.hosts import parse_host
from coodie.options.similar_names import similar_name
from coodie.options.valuetypes import check_value
from coodie.plugins.allowlist import DistributionAllowlist
from coodie.plugins.credentials import CredentialsPlugins
from coodie.plugins.discovery import DriverIndex, explicit_entry_point
from coodie.plugins.errors import reading_metadata
from coodie.plugins.kinds import PluginName
from coodie.plugins.loading import CHECK, CODECS, INSPECT, OPEN, OPEN_ASYNC, LoadedPlugin, load_plugin
from coodie.plugins.selection import check_open, is_pinned_to, select
from coodie.waiting import call_in_thread

if TYPE_CHECKING:
    from coodie.contract.driver import AbstractDriver
    from coodie.hooks import DriverDescription
    from coodie.plugins.discovery import DriverEntryPoint

__all__ = ["PluginHost"]

#: The minimum similarity of an unknown option to a known one for a suggestion, 0 to 1.
_SIMILARITY_CUTOFF = 0.75


class PluginHost:
    """The plug-ins of one registry; each is loaded once, on first use.

    Args:
        index: The index of installed backends.
    """

    def __init__(self, index: DriverIndex | None = None) -> None:
        #: The allow-list and the deny-list.
        self.allowlist = DistributionAllowlist()
        self.index = DriverIndex() if index is None else index
        #: The credentials providers.
        self.credentials = CredentialsPlugins(self.index, self.allowlist)
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
        """Register a plug-in that the application has imported; it replaces an earlier one of the same name.

        Args:
            driver_type: The name of the backend.
            plugin: A module or any other object with the hooks.
            distribution: Its distribution, for messages, pins and blocking; empty for the application's own.
            version: The distribution's version.

        Raises:
            NotADriverError: A hook doesn't match its specification, or ``coodie_open_driver`` is missing.
            ConfigurationError: The driver_type isn't a valid name, or the distribution isn't a str.
        """
        check_driver_type(driver_type)
        if not isinstance(distribution, str):
            message = f"distribution={distribution!r} isn't a valid distribution name."
            hint = "Give a str; leave it out for the application's own plug-in."
            raise ConfigurationError(message, hint=hint, option="distribution")
        entry = explicit_entry_point(driver_type, plugin, distribution, version)
        loaded = LoadedPlugin(plugin, entry)
        with self._lock:
            self._registered[driver_type] = loaded

    def block(self, *distributions: str) -> None:
        """Block backends of these distributions, in addition to COODIE_BLOCK."""
        self.allowlist.block(*distributions)

    def allow_only(self, *distributions: str) -> None:
        """Only allow backends of these distributions, in addition to COODIE_ALLOW."""
        self.allowlist.allow_only(*distributions)

    def entry_points(self) -> list[DriverEntryPoint]:
        """Return the registered and the installed backends, without importing them.

        Raises:
            DriverLoadError: Metadata can't be read now.
        """
        with reading_metadata():
            installed = self.index.entry_points()
            if not installed:
                self.index.check_complete()
        return [*self.registered(), *installed]

    def registered(self) -> list[DriverEntryPoint]:
        """Return the backends that the application has registered."""
        with self._lock:
            return [plugin.entry for plugin in self._registered.values()]

    def chosen(self, driver_type: str) -> DriverEntryPoint:
        """Return the entry point of a driver_type by its metadata, without importing it.

        Raises:
            DriverLoadError: No backend can be used.
        """
        with self._lock:
            plugin = self._registered.get(driver_type)
        if plugin is not None:
            check_open(plugin.entry, self.allowlist)
            return plugin.entry
        with reading_metadata(PluginName(driver_type)):
            return select(self.index, self.allowlist, driver_type)

    def failures(self) -> Mapping[str, CoodieError]:
        """Return the errors of loading backends by driver_type, except those that loaded later."""
        with self._lock:
            return dict(self._failed)

    def descriptions(self) -> Mapping[str, DriverDescription]:
        """Return the descriptions of the loaded backends by driver_type."""
        with self._lock:
            return dict(self._described)

    def described(self, config: ConnectionConfig) -> DriverDescription:
        """Load the backend of a configuration, and return its description.

        Raises:
            DriverLoadError: The backend can't be used.
        """
        description = self._load(config).describe()
        with self._lock:
            self._described[config.driver_type] = description
        return description

    def inspect(self, config: ConnectionConfig, driver: AbstractDriver | None) -> Mapping[str, str]:
        """Return a backend's facts about a driver, or without one about the installed packages.

        Raises:
            DriverLoadError: The backend can't be used, or its hook returned something else.
        """
        plugin = self._load(config)
        facts = plugin.call(INSPECT, driver=driver) if plugin.implements(INSPECT) else {}
        if not isinstance(facts, Mapping):
            raise plugin.not_a_driver(
                f"{INSPECT} of {plugin.entry.owner} returned a {type(facts).__name__}, not a mapping."
            )
        return facts

    def check(self, config: ConnectionConfig) -> None:
        """Validate a configuration against its backend, without connecting.

        Raises:
            DriverLoadError: The backend can't be used.
            ConfigurationError: The backend doesn't support an option.
        """
        self._checked_plugin(self._with_provider(config))

    def _with_provider(self, config: ConnectionConfig) -> ConnectionConfig:
        """Return the configuration with the credentials provider that it names."""
        wanted = config.credentials
        if wanted is None:
            return config
        from coodie.options.credentials import ProviderName  # few connections have it

        if not isinstance(wanted, ProviderName):
            return config
        return replace(config, credentials=self.credentials.provider(wanted.name))

    def _ready(self, config: ConnectionConfig) -> tuple[LoadedPlugin, ConnectionConfig]:
        """Return the plug-in of a configuration, and that with the current credentials and all codecs."""
        config = self._with_provider(config)
        plugin = self._checked_plugin(config)
        if config.credentials is not None:
            config = config.with_current_credentials()
            if config.username is None and Capability.AUTHENTICATORS not in plugin.describe().capabilities:
                what = "credentials= that returns an authenticator"
                who = f"driver_type={config.driver_type!r}"
                raise refuse_option(Capability.AUTHENTICATORS, "credentials", what, who)
        return plugin, _with_codecs(plugin, config)

    def _checked_plugin(self, config: ConnectionConfig) -> LoadedPlugin:
        """Return the plug-in of a configuration, after validating that."""
        plugin = self._load(config)
        description = plugin.describe()
        driver_type, given = config.driver_type, config.given()
        with self._lock:
            self._described[driver_type] = description
        _check_abilities(config, given, description)
        unknown = [name for name in given if name not in description.connection_fields]
        if unknown:
            message = f"driver_type={driver_type!r} doesn't support {unknown[0]}=."
            hint = f"Leave it out; it takes {_listed(description.connection_fields)}."
            raise ConfigurationError(message, hint=hint, option=unknown[0])
        names = {option.name for option in description.options}
        for name in config.options:
            if name not in names:
                tls = TLS_OPTIONS if "ssl_context" in description.connection_fields else ()
                known = [*names, *description.connection_fields, *tls, "lazy", "name"]
                close = similar_name(name, known, cutoff=_SIMILARITY_CUTOFF)
                message = f"driver_type={driver_type!r} has no option {name!r}."
                hint = f"Did you mean {close!r}?" if close else f"It takes {_listed(names)}."
                raise ConfigurationError(message, hint=hint, option=name)
        for option in description.options:
            if (value := config.options.get(option.name)) is not None:
                check_value(option.name, option.type, value, secret=option.secret)
        plugin.call(CHECK, config=config)
        return plugin

    def open(self, config: ConnectionConfig, name: str | None = None) -> AbstractDriver:
        """Validate the configuration, connect, and return the driver.

        Args:
            config: The configuration.
            name: The driver's name in the registry, for observers.

        Raises:
            CoodieError: As in ``check``, or connecting failed.
        """
        return _opened(*self._ready(config), name)

    async def open_async(self, config: ConnectionConfig, name: str | None = None) -> AbstractDriver:
        """Async version of ``open``; a cancellation returns immediately.

        Connecting in a thread can't be interrupted: if it ends after a cancellation, the thread closes the
        driver.
        """

        def blocking() -> tuple[LoadedPlugin, AbstractDriver | ConnectionConfig]:
            # Importing a backend takes a tenth of a second and reads many files, so do it in a thread.
            plugin, current = self._ready(config)
            return plugin, current if plugin.implements(OPEN_ASYNC) else _opened(plugin, current, name)

        plugin, found = await call_in_thread(
            blocking,
            f"coodie-open-{config.driver_type}",
            discard=lambda late: _close(late[1]),
        )
        if not isinstance(found, ConnectionConfig):
            return found
        config = found
        with connecting(config, name) as opening:
            opening.driver = driver = _checked(
                plugin, await plugin.call_async(OPEN_ASYNC, config=config), config
            )
        return driver

    def _load(self, config: ConnectionConfig) -> LoadedPlugin:
        """Return the plug-in; register it as an observer if it is one."""
        plugin = self._found(config)
        if plugin.observes:
            current_observers().ensure(plugin.plugin)
        return plugin

    def _found(self, config: ConnectionConfig) -> LoadedPlugin:
        """Return the plug-in; if loading fails, the next call tries again."""
        driver_type, distribution = config.driver_type, config.distribution
        with self._lock:
            plugin = self._registered.get(driver_type)
            if plugin is None or not is_pinned_to(plugin.entry, distribution):
                plugin = self._loaded.get((driver_type, distribution))
            if plugin is not None:
                # A loaded backend may have been blocked since.
                check_open(plugin.entry, self.allowlist)
                return plugin
            with reading_metadata(PluginName(driver_type)):
                return self._select(driver_type, distribution)

    def _select(self, driver_type: str, distribution: str | None) -> LoadedPlugin:
        """Select and load a plug-in; remember an error."""
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
    """Reject options that need a capability that the backend doesn't declare.

    Raises:
        ConfigurationError: The error contains the option, and the backends that support it.
    """
    who, have = f"driver_type={config.driver_type!r}", description.capabilities
    for name in given:
        need = OPTIONS[name].capability
        # compression=False needs no capability.
        if need is None or need in have or (name == "compression" and config.compression is False):
            continue
        asked = "ssl_context= or an ssl_… option" if name == "ssl_context" else f"{name}="
        raise refuse_option(need, name, asked, who)
    if config.host_ports is not None and Capability.HOST_PORTS not in have:
        raise refuse_option(Capability.HOST_PORTS, "hosts", "hosts= with different ports", who)
    for option, places in (("hosts", config.hosts), ("address_map", (config.address_map or {}).values())):
        if Capability.UNIX_SOCKETS not in have and any(parse_host(place).is_path for place in places or ()):
            raise refuse_option(Capability.UNIX_SOCKETS, option, f"a path in {option}=", who)
    for title, profile in config.profiles.items():
        for entry in fields(profile):
            need = OPTIONS[entry.name].capability
            if need is not None and need not in have and getattr(profile, entry.name):
                raise refuse_option(need, entry.name, f"{entry.name} in the profile {title!r}", who)


def _with_codecs(plugin: LoadedPlugin, config: ConnectionConfig) -> ConnectionConfig:
    """Return the configuration with the plug-in's codecs, too."""
    if not plugin.implements(CODECS):
        return config
    if all(option.name != "codecs" for option in plugin.describe().options):
        raise plugin.not_a_driver(f"{plugin.entry.owner} implements {CODECS}, but has no option codecs.")
    from coodie.codec_registry import Codecs, parse_codecs  # few programs have codecs

    given = parse_codecs(config.options.get("codecs", ())) or Codecs(())
    provided = parse_codecs(plugin.call(CODECS, config=config)) or Codecs(())
    return replace(config, options={**config.options, "codecs": given.with_defaults(provided)})


def _opened(plugin: LoadedPlugin, config: ConnectionConfig, name: str | None) -> AbstractDriver:
    with connecting(config, name) as opening:
        opening.driver = driver = _checked(plugin, plugin.call(OPEN, config=config), config)
    return driver


def _checked(plugin: LoadedPlugin, driver: Any, config: ConnectionConfig) -> AbstractDriver:
    missing = missing_methods(driver)
    if missing:
        kind, driver_type = type(driver).__name__, plugin.entry.driver_type
        message = f"driver_type={driver_type!r} opened a {kind} without {', '.join(missing)}."
        raise plugin.not_a_driver(message, missing=missing)
    if config.rows is not None:
        driver._default_rows = config.rows  # noqa: SLF001 - AbstractDriver's, and set here alone
    checked: AbstractDriver = driver
    return checked


def _close(driver: AbstractDriver | ConnectionConfig) -> None:
    if not isinstance(driver, ConnectionConfig):
        driver.close()


def _listed(names: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
