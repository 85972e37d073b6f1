"""Clusters behind a cloud's proxy: ``bundle=``, and the drivers' ``cloud=`` and ``client_routes_config=``."""

from __future__ import annotations

import asyncio
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.sni_proxy import SniProxy
from tests.integration.ways import Ways

import coodie
from coodie import RequestOptions
from coodie.exceptions import ConfigurationError, ConnectionFailedError
from coodie_testing import FakeCluster
from coodie_testing.fake.cqltypes import parse_type
from coodie_testing.fake.node import FakeNode
from coodie_testing.fake.schema import SYSTEM_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("registry")

_STATEMENT = "SELECT v FROM ks.t WHERE k = ?"
_SELECT = "SELECT key FROM system.local WHERE key = ?"


@pytest.fixture
def proxy(cassandra_node: Any, cassandra_driver: Any, tmp_path: Path) -> Iterator[SniProxy]:
    """A proxy in front of the real node, under its id."""
    host_id = str(cassandra_driver.execute_one("SELECT host_id FROM system.local", []))
    with SniProxy({host_id: (cassandra_node.host, cassandra_node.port)}, tmp_path) as running:
        yield running


@pytest.fixture
def login(cassandra_node: Any) -> dict[str, Any]:
    """The options of the node without its address."""
    options: dict[str, Any] = cassandra_node.connection_options()
    return {name: value for name, value in options.items() if name not in ("hosts", "port")}


async def test_a_real_node(
    proxy: SniProxy, backend: str, keyspace: str, login: dict[str, Any], tmp_path: Path
) -> None:
    """The session and the fast path, sync and async, connect through the proxy by the node's id."""
    file = tmp_path / "coodie.toml"
    options = {"driver": backend, "bundle": proxy.bundle.name, "keyspace": keyspace, **login}
    lines = "".join(f'{name} = "{value}"\n' for name, value in options.items())
    file.write_text(f"[connections.shop]\n{lines}")
    coodie.load_config(file)
    lazy = coodie.get_driver("shop")
    lazy.execute(_SELECT, ["local"])
    lazy.close()
    driver: Any = await coodie.init_coodie_async(
        bundle=proxy.bundle, driver_type=backend, keyspace=keyspace, fast_path=True, **login
    )
    ways = Ways(driver)
    before = len(proxy.names)
    ways.warm(_SELECT, ["local"])
    await ways.warm_async(_SELECT, ["local"])
    assert driver.fast_path_refusal is None
    assert len(proxy.names) >= before + 2
    assert set(proxy.names) == set(proxy.nodes)
    proxy.cut()
    deadline = time.monotonic() + 20
    while not (driver.ping() and await driver.ping_async()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await driver.close_async()


@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS is deprecated")  # of the drivers
def test_the_drivers_cloud(proxy: SniProxy, backend: str, login: dict[str, Any]) -> None:
    """cloud= is the parameter of the driver's Cluster, and needs no hosts; both together are refused."""
    cloud = {"secure_connect_bundle": str(proxy.bundle)}
    with coodie.init_coodie(driver_type=backend, cloud=cloud, **login) as driver:
        assert driver.execute(_SELECT, ["local"])
    for beside in ({"bundle": proxy.bundle}, {"hosts": ["127.0.0.1"]}):
        with pytest.raises(ConfigurationError, match="can't be combined with cloud="):
            coodie.init_coodie(driver_type=backend, cloud=cloud, **beside, **login)
    with pytest.raises(ConfigurationError, match="needs hosts=, bundle= or session="):
        coodie.init_coodie(driver_type=backend, **login)


def test_several_nodes(backend: str, tmp_path: Path) -> None:
    """Each node is reached by its own id; an outage of one is an outage of that one alone."""
    with FakeCluster(nodes=3) as cluster:
        cluster.when(_STATEMENT, types=["int"]).rows([{"v": 1}])
        nodes = {str(node.host_id): (node.address, node.port) for node in cluster._nodes.nodes}
        with (
            SniProxy(nodes, tmp_path) as proxy,
            coodie.init_coodie(bundle=proxy.bundle, driver_type=backend, fast_path=True) as driver,
        ):
            ways = Ways(driver)
            ways.warm(_STATEMENT, [1])
            for number in range(30):
                assert driver.execute_one(_STATEMENT, [number]) == 1
            assert {request.node for request in cluster.requests} == {0, 1, 2}
            assert set(proxy.names) == set(nodes)
            cluster.clear()
            cluster.when(_STATEMENT, types=["int"]).rows([{"v": 1}])
            for number, host_id in enumerate(nodes):
                driver.execute(_STATEMENT, [1], options=RequestOptions(node=host_id))
                assert cluster.requests[-1].node == number
            cluster.stop_node(1)
            for number in range(30):
                assert driver.execute_one(_STATEMENT, [number]) == 1


def test_logins_and_authorities(backend: str, tmp_path: Path) -> None:
    """A bundle may have a login; one of another cloud is refused, and the error names the service."""
    with FakeCluster(username="ada", password="marker-7f3a") as cluster:
        (node,) = cluster._nodes.nodes
        nodes = {str(node.host_id): (node.address, node.port)}
        (tmp_path / "other").mkdir()
        with SniProxy(nodes, tmp_path) as proxy, SniProxy(nodes, tmp_path / "other") as other:
            proxy.write_bundle(username="ada", password="marker-7f3a")
            with coodie.init_coodie(bundle=proxy.bundle, driver_type=backend) as driver:
                assert driver.execute("SELECT key FROM system.local", [])
                assert "marker-7f3a" not in repr(driver) + repr(vars(driver))
            other.port = proxy.port
            other.write_bundle()
            with pytest.raises(
                ConnectionFailedError, match=f"The metadata service of the bundle, 127.0.0.1:{proxy.port}"
            ):
                coodie.init_coodie(bundle=other.bundle, driver_type=backend)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (b"<html>", "doesn't list the nodes"),
        (b'{"contact_info": {"sni_proxy_address": 5}}', "doesn't list the nodes"),
        (b'{"contact_info": {"sni_proxy_address": "a:1", "contact_points": []}}', "lists no node"),
    ],
)
def test_the_service(backend: str, tmp_path: Path, metadata: bytes, said: str) -> None:
    """A response that isn't the list of the nodes is an error of ours; so is no service at all."""
    with SniProxy({}, tmp_path) as proxy:
        proxy.metadata = metadata
        with pytest.raises(ConnectionFailedError, match=said) as caught:
            coodie.init_coodie(bundle=proxy.bundle, driver_type=backend)
        assert caught.value.hint
    with pytest.raises(ConnectionFailedError, match=r"can't be used: .*refused"):
        coodie.init_coodie(bundle=proxy.bundle, driver_type=backend)


async def test_client_routes(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """scylla-driver's routes of a private link need no hosts; the fast path uses them, too."""
    routes = pytest.importorskip("cassandra.client_routes", reason="only scylla-driver has it")
    columns = {
        "connection_id": "text",
        "host_id": "uuid",
        "address": "text",
        "port": "int",
        "tls_port": "int",
    }
    types = {name: parse_type(kind) for name, kind in columns.items()}
    monkeypatch.setitem(SYSTEM_TABLES, ("system", "client_routes"), types)
    about, system_rows = FakeNode.about, FakeNode._system_rows
    with FakeCluster(nodes=2) as cluster:
        nodes = cluster._nodes.nodes
        found = [{"connection_id": "link", "address": "127.0.0.1", "host_id": node.host_id} for node in nodes]
        table = [{**row, "port": node.port} for row, node in zip(found, nodes, strict=True)]

        def hidden(node: FakeNode) -> dict[str, Any]:
            """Announce an address that can't be reached."""
            there = ip_address(f"192.0.2.{node.number + 1}")
            return {
                name: there if value == ip_address("127.0.0.1") else value
                for name, value in about(node).items()
            }

        def rows(node: FakeNode, name: tuple[str, str]) -> list[dict[str, Any]]:
            return table if name == ("system", "client_routes") else system_rows(node, name)

        monkeypatch.setattr(FakeNode, "about", hidden)
        monkeypatch.setattr(FakeNode, "_system_rows", rows)
        cluster.when(_STATEMENT, types=["int"]).rows([{"v": 1}])
        link = routes.ClientRoutesConfig([routes.ClientRouteProxy("link", "127.0.0.1")])
        options: dict[str, Any] = {"port": cluster.port, "driver_type": backend, "client_routes_config": link}
        driver: Any = await coodie.init_coodie_async(**options, fast_path=True)
        ways = Ways(driver)
        ways.warm(_STATEMENT, [1])
        await ways.warm_async(_STATEMENT, [1])
        for number in range(20):
            assert await driver.execute_one_async(_STATEMENT, [number]) == 1
        assert {request.node for request in cluster.requests} == {0, 1}
        await driver.close_async()
        with pytest.raises(ConfigurationError, match="Give ssl_verify_flags=1"):
            coodie.init_coodie(**options, ssl_enabled=True)
        proxies = [routes.ClientRouteProxy("link", "link.invalid")]
        options["client_routes_config"] = routes.ClientRoutesConfig(proxies)
        with pytest.raises(ConnectionFailedError, match=r"Could not resolve the host: link\.invalid"):
            coodie.init_coodie(**options)
        options["client_routes_config"] = routes.ClientRoutesConfig([routes.ClientRouteProxy("link")])
        with pytest.raises(ConfigurationError, match="needs hosts="):
            coodie.init_coodie(**options)
