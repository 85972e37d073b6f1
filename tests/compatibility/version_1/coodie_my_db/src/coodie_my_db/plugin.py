"""The hooks of driver_type "my-db"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.effects import run_async, run_sync
from coodie.plugins import DriverDescription, OptionDescription, hookimpl
from coodie.requests import check_timeout

from coodie_my_db.client import connect
from coodie_my_db.driver import MyDbDriver

if TYPE_CHECKING:
    from coodie.drivers.client import Client, ClientDriver
    from coodie.plugins import ConnectionConfig

#: The fields of ConnectionConfig that this backend honours; coodie refuses the others in its name.
FIELDS = frozenset(
    {"hosts", "port", "keyspace", "username", "password", "consistency", "request_timeout"}
)


@hookimpl
def coodie_describe_driver() -> DriverDescription:
    """Return what this backend is and takes."""
    return DriverDescription(
        summary="TODO: one line about this driver",
        capabilities=MyDbDriver.capabilities,
        connection_fields=FIELDS,
        options=(
            OptionDescription(
                name="connect_timeout",
                type="seconds",
                default=10.0,
                help="How long connecting may take.",
            ),
        ),
    )


@hookimpl
def coodie_check_config(config: ConnectionConfig) -> None:
    """Refuse what can't be honoured, before anything is connected."""
    check_timeout(config.options.get("connect_timeout"), "connect_timeout")


@hookimpl
def coodie_open_driver(config: ConnectionConfig) -> ClientDriver:
    """Connect, blocking this thread."""
    return _driver(run_sync(connect(config)), config)


@hookimpl
async def coodie_open_driver_async(config: ConnectionConfig) -> ClientDriver:
    """Connect, on the running loop."""
    return _driver(await run_async(connect(config)), config)


def _driver(client: Client, config: ConnectionConfig) -> ClientDriver:
    return MyDbDriver(
        client,
        config.keyspace,
        request_timeout=config.request_timeout,
        consistency=config.consistency,
    )
