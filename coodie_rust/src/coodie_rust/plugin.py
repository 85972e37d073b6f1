"""The hooks of driver_type "rust"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.drivers.client.connect_options import CONNECT_TIMEOUT, check_connect_options
from coodie.effects import run_async, run_sync
from coodie.hooks import DriverDescription, hookimpl
from coodie_rust.client import connect
from coodie_rust.driver import RustDriver

if TYPE_CHECKING:
    from coodie.options.connection import ConnectionConfig
    from coodie_rust.client import RustClient

_FIELDS = frozenset(
    {"hosts", "port", "keyspace", "username", "password", "compression", "consistency", "request_timeout"}
)


@hookimpl
def coodie_describe_driver() -> DriverDescription:
    """Return the options of this backend; core rejects all others."""
    return DriverDescription(
        summary="ScyllaDB and Apache Cassandra, through scylladb-rs-driver (natively async)",
        capabilities=RustDriver.capabilities,
        # No ssl_context: the client reads certificates from files, and doesn't verify the server's name. No
        # session: a session of the client doesn't know its keyspace. No protocol_version: it has none.
        connection_fields=_FIELDS,
        options=(CONNECT_TIMEOUT,),
    )


@hookimpl
def coodie_check_config(config: ConnectionConfig) -> None:
    """Reject invalid options before anything is connected."""
    check_connect_options(config)


@hookimpl
def coodie_open_driver(config: ConnectionConfig) -> RustDriver:
    """Connect in the calling thread."""
    return _driver(run_sync(connect(config)), config)


@hookimpl
async def coodie_open_driver_async(config: ConnectionConfig) -> RustDriver:
    """Connect on the running loop."""
    return _driver(await run_async(connect(config)), config)


def _driver(client: RustClient, config: ConnectionConfig) -> RustDriver:
    return RustDriver(
        client,
        config.keyspace,
        request_timeout=config.request_timeout,
        consistency=config.consistency,
        # The client looks for schema changes by others once a minute, and reports none.
        statement_lifetime=5.0,
    )
