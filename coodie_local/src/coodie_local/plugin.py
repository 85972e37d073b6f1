"""The driver_type ``local``: a node of this machine's, served by the backend that is installed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError, ConnectionFailedError
from coodie.plugins import (
    ConnectionConfig,
    DriverDescription,
    OptionDescription,
    hookimpl,
    open_driver,
    open_driver_async,
)
from coodie.schema.identifiers import quote
from coodie_local._backends import choose_backend
from coodie_local._native import RefusedError, run_statement
from coodie_local._threads import in_thread
from coodie_local.node import LocalNode

if TYPE_CHECKING:
    from coodie.drivers.base import AbstractDriver

__all__ = [
    "coodie_check_config",
    "coodie_describe_driver",
    "coodie_open_driver",
    "coodie_open_driver_async",
]


@hookimpl
def coodie_describe_driver() -> DriverDescription:
    """Return what the backend is and takes."""
    return DriverDescription(
        summary="A real Apache Cassandra as a child process, for development and tests",
        options=(
            OptionDescription(name="node", type="str", default="default", help="The node's name."),
            OptionDescription(
                name="profile",
                type="'ephemeral' or 'durable'",
                help="What becomes of the data; by default that of the node that runs, else ephemeral.",
            ),
            OptionDescription(
                name="backend",
                type="'scylla' or 'cassandra'",
                help="Which driver talks to it; by default the installed one.",
            ),
        ),
        # the node has no TLS and no passwords, and its address is its own
        connection_fields=frozenset(
            {
                "keyspace",
                "port",
                "request_timeout",
                "consistency",
                "serial_consistency",
                "retry_policy",
                "protocol_version",
                "compression",
                "speculative_execution_policy",
            }
        ),
    )


@hookimpl
def coodie_check_config(config: ConnectionConfig) -> None:
    """Raise for a node that can't be, and for a backend that can't be used; nothing is started."""
    _node(config)
    choose_backend(config.options.get("backend"))


@hookimpl
def coodie_open_driver(config: ConnectionConfig) -> AbstractDriver:
    """Start or find the node, create the keyspace, and connect the backend's driver to it."""
    backend = choose_backend(config.options.get("backend"))
    node = _node(config)
    try:
        node.start()
        _create_keyspace(node, config.keyspace)
        return _stop_with(open_driver(_backend_config(config, node, backend)), node)
    except BaseException:
        node.stop()
        raise


@hookimpl
async def coodie_open_driver_async(config: ConnectionConfig) -> AbstractDriver:
    """As coodie_open_driver, without blocking the event loop; a cancelled task leaves no node."""
    backend = await in_thread(lambda: choose_backend(config.options.get("backend")))
    node = _node(config)
    try:
        await node.start_async()
        await in_thread(lambda: _create_keyspace(node, config.keyspace))
        return _stop_with(await open_driver_async(_backend_config(config, node, backend)), node)
    except BaseException:
        await node.stop_async()
        raise


def _node(config: ConnectionConfig) -> LocalNode:
    name = config.options.get("node", "default")
    if not isinstance(name, str):
        msg = f"node={name!r} isn't a name."
        raise ConfigurationError(msg, hint="Give a str.", option="node")
    return LocalNode(name, profile=config.options.get("profile"), port=config.port)


def _create_keyspace(node: LocalNode, keyspace: str | None) -> None:
    if keyspace is None:
        return
    statement = (
        f"CREATE KEYSPACE IF NOT EXISTS {quote(keyspace)} "
        "WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
    )
    try:
        run_statement(node.host, node.port, statement)
    except RefusedError as exc:
        msg = f"The keyspace {keyspace!r} can't be created: {exc}."
        raise ConfigurationError(msg, hint="Give another keyspace=.", option="keyspace") from exc
    except OSError as exc:
        msg = f"The local node {node.name!r} stopped answering: {exc}."
        raise ConnectionFailedError(msg, hint=f"Its log: {node.log}") from exc


def _backend_config(config: ConnectionConfig, node: LocalNode, backend: str) -> ConnectionConfig:
    return replace(
        config, driver_type=backend, distribution=None, hosts=(node.host,), port=node.port, options={}
    )


def _stop_with(driver: AbstractDriver, node: LocalNode) -> AbstractDriver:
    """Let the driver's close() be the end of the node, too.

    It stays the backend's own driver, with its type and its ways down to the session; only these
    two methods of this one object do more.
    """
    close, close_async = driver.close, driver.close_async

    def close_both() -> None:
        try:
            close()
        finally:
            node.stop()

    async def close_both_async() -> None:
        try:
            await close_async()
        finally:
            await node.stop_async()

    driver.close = close_both  # type: ignore[method-assign]  # on the object alone, on purpose
    driver.close_async = close_both_async  # type: ignore[method-assign]  # as above
    return driver
