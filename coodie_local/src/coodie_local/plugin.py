"""The driver_type ``local``: a node on this machine, and the installed backend."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coodie.capabilities import KNOWN
from coodie.drivers.cassandra.backend import driver_options
from coodie.drivers.cassandra.inspection import inspect_cassandra
from coodie.exceptions import ConnectionFailedError, CoodieError
from coodie.hooks import DriverDescription, OptionDescription, hookimpl
from coodie.options.connection import ConnectionConfig
from coodie.registry.registry import current_registry, open_driver, open_driver_async
from coodie_local._backends import choose_backend
from coodie_local._cancellation import in_thread
from coodie_local.cluster import LocalCluster
from coodie_local.node import error_of_death

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coodie.contract.driver import AbstractDriver

__all__ = [
    "coodie_check_config",
    "coodie_describe_driver",
    "coodie_inspect_driver",
    "coodie_open_driver",
    "coodie_open_driver_async",
]


#: The options of the node; others are passed to the backend.
_NODE_OPTIONS = (
    OptionDescription(name="node", type="str", default="default", help="The node's or cluster's name."),
    OptionDescription(
        name="nodes", type="count", help="The number of nodes; by default, that of the running cluster, or 1."
    ),
    OptionDescription(
        name="profile",
        type="'ephemeral' or 'durable'",
        help="Whether to keep the data; by default, as the running node does, or ephemeral.",
    ),
    OptionDescription(
        name="version",
        type="str",
        help="The version of Cassandra; by default, that of the running node, or the newest.",
    ),
    OptionDescription(name="tls", type="bool", help="Encrypt CQL, with certificates created for the node."),
    OptionDescription(name="mtls", type="bool", help="Also require a client certificate; implies tls."),
    OptionDescription(name="auth", type="bool", help="Enable authentication, with a generated password."),
    OptionDescription(
        name="heap",
        type="count",
        help="The maximum heap size of each node in MiB; by default, it depends on the machine's memory.",
    ),
    OptionDescription(
        name="keep",
        type="bool",
        default=False,
        help="Keep the node running after close() and after the end of this process.",
    ),
    OptionDescription(
        name="backend",
        type="'scylla' or 'cassandra'",
        help="The backend that connects to the node; by default, the installed one.",
    ),
)

_NODE_NAMES = frozenset(option.name for option in _NODE_OPTIONS)

#: The backend's options for addresses and credentials, which the node determines.
_DETERMINED_FIELDS = frozenset(
    {
        "hosts",
        "bundle",
        "address_map",
        "local_dc",
        "local_rack",
        "username",
        "password",
        "ssl_context",
        "ssl_hostname",
        "session",
    }
)
_DETERMINED_OPTIONS = frozenset(
    {
        "address_translator",
        "auth_provider",
        "client_routes_config",
        "cloud",
        "contact_points",
        "endpoint_factory",
        "scylla_cloud",
        "ssl_options",
    }
)


@hookimpl
def coodie_describe_driver() -> DriverDescription:
    """Return the options of the node and of the installed backend."""
    try:
        backend = current_registry().plugins.described(ConnectionConfig(driver_type=choose_backend(None)))
    except CoodieError:  # raised by coodie_check_config
        backend = DriverDescription(summary="", options=driver_options())
    others = _NODE_NAMES | _DETERMINED_OPTIONS
    return DriverDescription(
        summary="A real Apache Cassandra as a child process, for development and tests",
        options=(*_NODE_OPTIONS, *(option for option in backend.options if option.name not in others)),
        connection_fields=backend.connection_fields - _DETERMINED_FIELDS,
        capabilities=KNOWN["local"].capabilities,
    )


@hookimpl
def coodie_check_config(config: ConnectionConfig) -> None:
    """Raise if the node can't be started or the backend rejects an option, without starting the node."""
    _cluster(config)
    backend = choose_backend(config.options.get("backend"))
    own = replace(config, driver_type=backend, distribution=None, hosts=("127.0.0.1",))
    current_registry().plugins.check(replace(own, options=_backend_options(config)))


@hookimpl
def coodie_open_driver(config: ConnectionConfig) -> AbstractDriver:
    """Start or find the node, create the keyspace, and connect the backend's driver."""
    backend = choose_backend(config.options.get("backend"))
    cluster = _cluster(config)
    try:
        cluster.start()
        with _translate_errors(cluster):
            driver = open_driver(_backend_config(config, cluster, backend))
            return _stop_node_on_close(driver, cluster, config)
    except BaseException:
        cluster.stop()
        raise


@hookimpl
async def coodie_open_driver_async(config: ConnectionConfig) -> AbstractDriver:
    """Async version of coodie_open_driver; stops the node if the task is cancelled."""
    backend = await in_thread(lambda: choose_backend(config.options.get("backend")))
    cluster = _cluster(config)
    try:
        await cluster.start_async()
        with _translate_errors(cluster):
            backend_config = await in_thread(lambda: _backend_config(config, cluster, backend))
            return _stop_node_on_close(await open_driver_async(backend_config), cluster, config)
    except BaseException:
        await cluster.stop_async()
        raise


@hookimpl
def coodie_inspect_driver(driver: AbstractDriver | None) -> Mapping[str, str]:
    """Return the inspection of the backend's driver."""
    return inspect_cassandra(driver)


@contextmanager
def _translate_errors(cluster: LocalCluster) -> Iterator[None]:
    """Replace a connection error by the reason why a node died."""
    try:
        yield
    except ConnectionFailedError as exc:
        for node in cluster.nodes:
            if not node.alive:
                raise error_of_death(node) from exc
        raise


def _cluster(config: ConnectionConfig) -> LocalCluster:
    options = config.options
    return LocalCluster(
        options.get("node") or "default",
        nodes=options.get("nodes"),
        profile=options.get("profile"),
        port=config.port,
        version=options.get("version"),
        tls=options.get("tls"),
        mtls=options.get("mtls"),
        auth=options.get("auth"),
        heap=options.get("heap"),
        stop_with_process=not options.get("keep"),
    )


def _backend_config(config: ConnectionConfig, cluster: LocalCluster, backend: str) -> ConnectionConfig:
    """Create the keyspace, and return the backend's configuration."""
    if config.keyspace is not None:
        cluster.create_keyspace(config.keyspace)
    login = cluster.credentials
    return replace(
        config,
        driver_type=backend,
        distribution=None,
        hosts=cluster.hosts,
        port=cluster.port,
        ssl_context=cluster.ssl_context(),
        username=None if login is None else login.username,
        password=None if login is None else login.password,
        options=_backend_options(config),
    )


def _backend_options(config: ConnectionConfig) -> dict[str, Any]:
    return {name: value for name, value in config.options.items() if name not in _NODE_NAMES}


def _stop_node_on_close(
    driver: AbstractDriver, cluster: LocalCluster, config: ConnectionConfig
) -> AbstractDriver:
    """Make the driver's close methods stop the node, too, unless ``keep`` is set.

    Only these two methods of this object are replaced, so the driver keeps the backend's type and attributes.
    """
    if config.options.get("keep"):
        return driver
    close, close_async = driver.close, driver.close_async

    def close_both() -> None:
        try:
            close()
        finally:
            cluster.stop()

    async def close_both_async() -> None:
        try:
            await close_async()
        finally:
            await cluster.stop_async()

    driver.close = close_both  # type: ignore[method-assign]  # intentionally only on this object
    driver.close_async = close_both_async  # type: ignore[method-assign]  # as above
    return driver
