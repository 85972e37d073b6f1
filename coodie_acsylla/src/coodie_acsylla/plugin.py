"""The hooks of driver_type "acsylla"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.drivers.client.connect_options import CONNECT_TIMEOUT, check_connect_options
from coodie.effects import run_async, run_sync
from coodie.hooks import DriverDescription, hookimpl
from coodie_acsylla.client import connect
from coodie_acsylla.driver import AcsyllaDriver

if TYPE_CHECKING:
    from coodie.options.connection import ConnectionConfig
    from coodie_acsylla.client import AcsyllaClient

_FIELDS = frozenset(
    {"hosts", "port", "keyspace", "username", "password", "local_dc", "consistency", "request_timeout"}
)


@hookimpl
def coodie_describe_driver() -> DriverDescription:
    """Return the options of this backend; core rejects all others."""
    return DriverDescription(
        summary="ScyllaDB and Apache Cassandra, through acsylla (natively async)",
        capabilities=AcsyllaDriver.capabilities,
        # No ssl_context: the client reads certificates from text, and has an OpenSSL without fixes. No
        # compression: the C++ driver has none. No session: it would belong to one event loop.
        connection_fields=_FIELDS,
        options=(CONNECT_TIMEOUT,),
    )


@hookimpl
def coodie_check_config(config: ConnectionConfig) -> None:
    """Reject invalid options before anything is connected."""
    check_connect_options(config)


@hookimpl
def coodie_open_driver(config: ConnectionConfig) -> AcsyllaDriver:
    """Connect in the calling thread."""
    return _driver(run_sync(connect(config)), config)


@hookimpl
async def coodie_open_driver_async(config: ConnectionConfig) -> AcsyllaDriver:
    """Connect on the running loop."""
    return _driver(await run_async(connect(config)), config)


def _driver(client: AcsyllaClient, config: ConnectionConfig) -> AcsyllaDriver:
    return AcsyllaDriver(
        client,
        config.keyspace,
        request_timeout=config.request_timeout,
        consistency=config.consistency,
    )
