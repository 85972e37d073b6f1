"""The hooks of driver_type "rust"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.effects import run_async, run_sync
from coodie.exceptions import ConfigurationError
from coodie.plugins import DriverDescription, OptionDescription, hookimpl
from coodie.requests import check_timeout
from coodie_rust.client import CONNECT_TIMEOUT, connect
from coodie_rust.driver import RustDriver

if TYPE_CHECKING:
    from coodie.plugins import ConnectionConfig
    from coodie_rust.client import RustClient

_FIELDS = frozenset(
    {"hosts", "port", "keyspace", "username", "password", "compression", "consistency", "request_timeout"}
)


@hookimpl
def coodie_describe_driver() -> DriverDescription:
    """Return what this backend takes; core refuses everything else in its name."""
    return DriverDescription(
        summary="ScyllaDB and Apache Cassandra, through scylladb-rs-driver (natively async)",
        capabilities=RustDriver.capabilities,
        # No ssl_context: the client reads certificates from files, and doesn't check a server's name. No
        # session: its own tells no keyspace. No protocol_version, no local_dc: it doesn't take them.
        connection_fields=_FIELDS,
        options=(
            OptionDescription(
                name="connect_timeout",
                type="seconds",
                default=CONNECT_TIMEOUT,
                help="How long connecting may take.",
            ),
        ),
    )


@hookimpl
def coodie_check_config(config: ConnectionConfig) -> None:
    """Refuse what can't be honoured, before anything is connected."""
    check_timeout(config.options.get("connect_timeout"), "connect_timeout")
    if config.hosts is None:
        raise ConfigurationError(
            "driver_type='rust' was given no hosts=.", hint="Give hosts=['127.0.0.1'].", option="hosts"
        )


@hookimpl
def coodie_open_driver(config: ConnectionConfig) -> RustDriver:
    """Connect, blocking this thread."""
    return _driver(run_sync(connect(config)), config)


@hookimpl
async def coodie_open_driver_async(config: ConnectionConfig) -> RustDriver:
    """Connect, on the running loop."""
    return _driver(await run_async(connect(config)), config)


def _driver(client: RustClient, config: ConnectionConfig) -> RustDriver:
    return RustDriver(
        client,
        config.keyspace,
        request_timeout=config.request_timeout,
        consistency=config.consistency,
        # The client looks for others' changes of the schema once a minute, and tells nobody.
        statement_lifetime=5.0,
    )
