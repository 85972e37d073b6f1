"""What servers know of their clients: the program's name and version, and coodie's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from cassandra.cluster import Cluster

import coodie
from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Connector

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

CLIENTS = "SELECT port, client_options FROM system_views.clients"
LOCAL = "SELECT key FROM system.local WHERE key = ?"


async def _use(driver: Any) -> None:
    """Open the connections for a thread, an event loop, and many requests."""
    assert driver.execute_one(LOCAL, ["local"]) == await driver.execute_one_async(LOCAL, ["local"]) == "local"
    assert driver.execute_many(LOCAL, [["local"]] * 50).succeeded == 50


def _clients(driver: Any, proxy: FaultProxy) -> list[dict[str, Any]]:
    """Return the options of the clients that are connected through the proxy."""
    ports = {connection.node.get_extra_info("sockname")[1] for connection in tuple(proxy._connections)}
    return [row["client_options"] for row in driver.execute(CLIENTS) if row["port"] in ports]


@pytest.mark.parametrize("application", ["shop/1.4.2", "Der Laden", None])
async def test_all_connections_name_the_program(
    application: str | None, connect: Connector, proxy: FaultProxy, driver: Any
) -> None:
    """Those of the driver, its control connection, and those of the fast path for threads and event loops."""
    named = connect(hosts=[proxy.host], port=proxy.port, application=application, fast_path=True)
    await _use(named)
    clients = _clients(driver, proxy)
    assert len(clients) == len(proxy.open_connections) >= 4
    name, _, version = (application or "").partition("/")
    for client in clients:
        assert client["COODIE_VERSION"] == coodie.__version__
        assert client.get("APPLICATION_NAME", "") == name
        assert client.get("APPLICATION_VERSION", "") == version
        assert client["DRIVER_NAME"].endswith("Python Driver")
        assert client["CQL_VERSION"]


async def test_a_session_of_the_callers(connect: Connector, proxy: FaultProxy, driver: Any) -> None:
    """The connections that coodie adds to it name coodie; its own are as they were."""
    with Cluster([proxy.host], port=proxy.port, compression=False) as cluster:
        guest = connect(session=cluster.connect(), fast_path=True)
        before = len(proxy.open_connections)
        await _use(guest)
        versions = [client.get("COODIE_VERSION") for client in _clients(driver, proxy)]
        assert versions.count(None) == before
        assert versions.count(coodie.__version__) == len(versions) - before >= 2
        guest.close()


def test_two_ways_to_name_the_program(connect: Callable[..., Any], backend: str) -> None:
    """scylla-driver's parameter still works, but not together with the option."""
    if backend == "cassandra":
        with pytest.raises(ConfigurationError, match="has no option 'application_info'"):
            connect(application_info=object())
        return
    from cassandra.application_info import ApplicationInfo

    name = f"x{uuid4().hex[:8]}"
    info = ApplicationInfo(application_name=name)
    with pytest.raises(ConfigurationError, match="application= can't be combined with application_info="):
        connect(application="shop", application_info=info)
    clients = connect(application_info=info).execute(CLIENTS)
    # A connection that is just being opened has no options yet.
    assert name in {(client["client_options"] or {}).get("APPLICATION_NAME") for client in clients}
