"""The functions for applications: open, register and get drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, overload

from coodie._event_loop import warn_if_blocking
from coodie._tracebacks import CALLER_ERRORS, shortened
from coodie.exceptions import ConfigurationError
from coodie.observers.connections import identify
from coodie.registry.registry import check_name, current_registry
from coodie.waiting import call_in_thread

if TYPE_CHECKING:
    from ssl import SSLContext

    from typing_extensions import Unpack

    from coodie.contract.driver import AbstractDriver
    from coodie.contract.driver_like import DriverLike
    from coodie.contract.typed_driver import Driver
    from coodie.options.connection import ConnectionConfig
    from coodie.options.keywords import OpenAsyncOptions, OpenOptions
    from coodie.plugins.host import PluginHost
    from coodie.registry.lazy import LazyDriver


def register_driver(name: str, driver: DriverLike, default: bool = False) -> None:  # noqa: FBT001, FBT002 - the published signature
    """Register a driver that you have created, and that you have to close.

    Args:
        name: The name for ``get_driver``. A driver with this name is replaced: it is closed if
            ``init_coodie`` opened it; otherwise, a warning is logged.
        driver: Any object with the six abstract methods of ``AbstractDriver``.
        default: Make it the default driver.

    Raises:
        NotADriverError: The object lacks a method.
        ConfigurationError: The name isn't a non-empty str.
    """
    current_registry().register(name, driver, default=default)


def get_driver(name: str | None = None) -> Driver:
    """Return a registered driver.

    Args:
        name: The driver's name; by default, the driver last registered with ``default=True``, or else the
            first one.

    Raises:
        ConfigurationError: There is no such driver, or the name isn't a non-empty str.
    """
    return cast("Driver", current_registry().get(name))  # the object as it was registered


@overload
def init_coodie(
    hosts: list[str] | None = None,
    session: Any | None = None,
    keyspace: str | None = None,
    driver_type: str = "scylla",
    name: str = "default",
    ssl_context: SSLContext | None = None,
    lazy: bool = False,  # noqa: FBT001, FBT002 - the published signature
    compression: str | bool | None = None,  # noqa: FBT001 - the published signature
    speculative_execution_policy: Any | None = None,
    **kwargs: Unpack[OpenOptions],
) -> Driver: ...


@overload
def init_coodie(
    hosts: list[str] | None = None,
    session: Any | None = None,
    keyspace: str | None = None,
    driver_type: str = "scylla",
    name: str = "default",
    ssl_context: SSLContext | None = None,
    lazy: bool = False,  # noqa: FBT001, FBT002 - the published signature
    compression: str | bool | None = None,  # noqa: FBT001 - the published signature
    speculative_execution_policy: Any | None = None,
    **kwargs: Any,
) -> Driver: ...


def init_coodie(
    hosts: list[str] | None = None,
    session: Any | None = None,
    keyspace: str | None = None,
    driver_type: str = "scylla",
    name: str = "default",
    ssl_context: SSLContext | None = None,
    lazy: bool = False,  # noqa: FBT001, FBT002 - the published signature
    compression: str | bool | None = None,  # noqa: FBT001 - the published signature
    speculative_execution_policy: Any | None = None,
    **kwargs: Any,
) -> Driver:
    """Connect with keyword arguments, and register the driver; ``connect`` does the same with a URL.

    Blocks the event loop if one is running; ``init_coodie_async`` doesn't.

    Args:
        hosts: Contact points: names or addresses, each optionally with a port; the others have ``port``.
        session: A session that you have created; its row factory and keyspace aren't changed, and ``close``
            leaves it open.
        keyspace: The default keyspace. With ``session=``, it only applies to ``sync_table`` and object
            mappers; unqualified table names refer to the session's keyspace.
        driver_type: The backend: "scylla", "cassandra", "local" or a third party's.
        name: The name for ``get_driver``.
        ssl_context: The TLS context; None for unencrypted connections.
        lazy: Return a ``LazyDriver``, which connects on its first request.
        compression: True, False, "lz4" or "snappy"; None for the backend's default.
        speculative_execution_policy: ``"0.1x2"`` (after 0.1 s without a response, send the request to another
            host, up to two), or a policy object of the backend's driver; only for idempotent requests.
        kwargs: port, bundle, address_map, username, password, credentials, local_dc, local_rack, application,
            request_timeout (seconds), consistency, serial_consistency, retry_policy, protocol_version,
            distribution, the ``ssl_…`` options of ``init_coodie_async``, ssl_key_password, ssl_hostname,
            profiles, and the backend's own options. With ``profiles``, ``RequestProfile`` objects by name,
            the driver is a ``LazyDriver``, which connects now unless ``lazy`` is true.

    Returns:
        The driver, which ``get_driver(name)`` also returns.

    Raises:
        ConfigurationError: An argument or a combination is invalid or unsupported.
        DriverLoadError: The backend isn't installed or can't be used.
        ConnectionFailedError: No host could be reached.
        AuthenticationError: The server rejected the credentials.
    """
    kwargs |= {
        "session": session,
        "driver_type": driver_type,
        "compression": compression,
        "speculative_execution_policy": speculative_execution_policy,
    }
    try:
        driver = _open(hosts, keyspace, ssl_context, name, lazy, kwargs)
    except CALLER_ERRORS as exc:
        raise shortened(exc)  # noqa: B904 - the same exception
    return cast("Driver", driver)


@overload
async def init_coodie_async(
    hosts: list[str] | None = None,
    session: Any | None = None,
    keyspace: str | None = None,
    driver_type: str = "scylla",
    name: str = "default",
    ssl_context: SSLContext | None = None,
    ssl_enabled: bool | None = None,  # noqa: FBT001 - the published signature
    ssl_trusted_cert: str | None = None,
    ssl_cert: str | None = None,
    ssl_private_key: str | None = None,
    ssl_verify_flags: int | None = None,
    **kwargs: Unpack[OpenAsyncOptions],
) -> Driver: ...


@overload
async def init_coodie_async(
    hosts: list[str] | None = None,
    session: Any | None = None,
    keyspace: str | None = None,
    driver_type: str = "scylla",
    name: str = "default",
    ssl_context: SSLContext | None = None,
    ssl_enabled: bool | None = None,  # noqa: FBT001 - the published signature
    ssl_trusted_cert: str | None = None,
    ssl_cert: str | None = None,
    ssl_private_key: str | None = None,
    ssl_verify_flags: int | None = None,
    **kwargs: Any,
) -> Driver: ...


async def init_coodie_async(
    hosts: list[str] | None = None,
    session: Any | None = None,
    keyspace: str | None = None,
    driver_type: str = "scylla",
    name: str = "default",
    ssl_context: SSLContext | None = None,
    ssl_enabled: bool | None = None,  # noqa: FBT001 - the published signature
    ssl_trusted_cert: str | None = None,
    ssl_cert: str | None = None,
    ssl_private_key: str | None = None,
    ssl_verify_flags: int | None = None,
    **kwargs: Any,
) -> Driver:
    """Async version of :func:`init_coodie`; never blocks the event loop.

    A cancelled or failed call returns immediately and registers nothing, unless it was only waiting for the
    replaced driver to close: then the new driver is registered. Connecting can't be interrupted: its thread
    ends, and closes what it has opened, within the connect timeout.

    Args:
        hosts: As in ``init_coodie``.
        session: As in ``init_coodie``.
        keyspace: As in ``init_coodie``.
        driver_type: As in ``init_coodie``.
        name: As in ``init_coodie``.
        ssl_context: As in ``init_coodie``.
        ssl_enabled: True for TLS with the system's authorities; False can't be combined with another
            ``ssl_…`` option.
        ssl_trusted_cert: The trusted authorities' certificates: a path, or PEM text.
        ssl_cert: The client's certificate chain: a path, or PEM text.
        ssl_private_key: The client's private key: a path, or PEM text.
        ssl_verify_flags: 0 verifies nothing, 1 the certificate, 3 (the default) the certificate and its
            address.
        kwargs: The other arguments of ``init_coodie``: lazy, compression, speculative_execution_policy, port,
            username…

    Returns:
        The driver.

    Raises:
        CoodieError: As in ``init_coodie``.
    """
    kwargs |= {
        "session": session,
        "driver_type": driver_type,
        "ssl_enabled": ssl_enabled,
        "ssl_trusted_cert": ssl_trusted_cert,
        "ssl_cert": ssl_cert,
        "ssl_private_key": ssl_private_key,
        "ssl_verify_flags": ssl_verify_flags,
    }
    try:
        driver = await _open_async(hosts, keyspace, ssl_context, name, kwargs)
    except CALLER_ERRORS as exc:
        raise shortened(exc)  # noqa: B904 - the same exception
    return cast("Driver", driver)


def _open(
    hosts: list[str] | None,
    keyspace: str | None,
    ssl_context: SSLContext | None,
    name: str,
    lazy: bool,  # noqa: FBT001 - internal
    kwargs: dict[str, Any],
) -> AbstractDriver:
    """Connect, and register the driver."""
    _check(name, lazy)
    if not lazy:
        warn_if_blocking()
    driver: AbstractDriver
    if lazy or kwargs.get("profiles"):
        from coodie.registry.lazy import LazyDriver  # for few connections

        driver = later = LazyDriver(hosts, keyspace, ssl_context, kwargs)
        identify(driver, name=name)
        if not lazy:
            later.connect()
    else:
        from coodie.options.connection import build_config  # slow, and needed where something is opened

        config = build_config(hosts=hosts, keyspace=keyspace, ssl_context=ssl_context, **kwargs)
        driver = current_registry().plugins.open(config, name)
    replaced = current_registry().adopt(name, driver)
    if replaced is not None:
        replaced.close()
    return driver


async def _open_async(
    hosts: list[str] | None,
    keyspace: str | None,
    ssl_context: SSLContext | None,
    name: str,
    kwargs: dict[str, Any],
) -> AbstractDriver:
    """Async version of ``_open``."""
    lazy = kwargs.pop("lazy", False)
    _check(name, lazy)
    registry = current_registry()
    is_lazy = lazy or bool(kwargs.get("profiles"))

    def prepare() -> tuple[LazyDriver | ConnectionConfig, PluginHost]:
        # Reading certificates and importing pluggy and the backend takes a tenth of a second, so use a
        # thread.
        if is_lazy:
            from coodie.registry.lazy import LazyDriver  # as above

            return LazyDriver(hosts, keyspace, ssl_context, kwargs), registry.plugins
        from coodie.options.connection import build_config  # as above

        config = build_config(hosts=hosts, keyspace=keyspace, ssl_context=ssl_context, **kwargs)
        return config, registry.plugins

    prepared, plugins = await call_in_thread(prepare, "coodie-prepare", discard=lambda _: None)
    driver: AbstractDriver
    if is_lazy:
        driver = later = cast("LazyDriver", prepared)
        identify(driver, name=name)
        if not lazy:
            await later.connect_async()
    else:
        driver = await plugins.open_async(cast("ConnectionConfig", prepared), name)
    replaced = registry.adopt(name, driver)
    if replaced is not None:
        await replaced.close_async()
    return driver


def _check(name: object, lazy: object) -> None:
    """Validate the driver's name and ``lazy``."""
    check_name(name)
    if not isinstance(lazy, bool):
        message = f"lazy={lazy!r} can't be used."
        raise ConfigurationError(message, hint="Give True or False.", option="lazy")


# Tracebacks and help() show the public module.
for _function in (register_driver, get_driver, init_coodie, init_coodie_async):
    _function.__module__ = "coodie.drivers"
del _function
