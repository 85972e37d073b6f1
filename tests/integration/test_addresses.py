"""Hosts with ports, and nodes that are reached through another address or port than they announce."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import PATIENT, open_driver

import coodie
from coodie.exceptions import ConfigurationError, ConnectionFailedError, CoodieError
from coodie.registry import DriverRegistry, using_registry
from coodie_testing import FakeCluster
from coodie_testing.faults import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


pytestmark = pytest.mark.server

LOCAL = "SELECT key FROM system.local WHERE key = ?"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Reserve a port on which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def _in_python(hosts: list[str], backend: str, _: pytest.MonkeyPatch) -> Any:
    return open_driver(backend, hosts=hosts)


async def _in_async_python(hosts: list[str], backend: str, _: pytest.MonkeyPatch) -> Any:
    return await coodie.init_coodie_async(hosts, driver_type=backend, **PATIENT)


def _in_a_url(hosts: list[str], backend: str, _: pytest.MonkeyPatch) -> Any:
    return coodie.connect(f"{backend}://{','.join(host.replace('/', '%2F') for host in hosts)}", **PATIENT)


def _in_a_file(hosts: list[str], backend: str, _: pytest.MonkeyPatch) -> Any:
    listed = ", ".join(f'"{host}"' for host in hosts)
    Path("coodie.toml").write_text(f'[connections.main]\ndriver = "{backend}"\nhosts = [{listed}]\n', "utf-8")
    coodie.load_config()
    return coodie.get_driver("main")


def _in_a_variable(hosts: list[str], backend: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("COODIE__MAIN__DRIVER", backend)
    monkeypatch.setenv("COODIE__MAIN__HOSTS", ",".join(hosts))
    coodie.load_config()
    return coodie.get_driver("main")


@pytest.mark.parametrize("opened", [_in_python, _in_async_python, _in_a_url, _in_a_file, _in_a_variable])
async def test_hosts_with_different_ports(
    opened: Callable[..., Any],
    closed_port: int,
    cassandra_node: Any,
    backend: str,
    registry: DriverRegistry,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Each host is tried at its own port, and all later connections use that port, too."""
    monkeypatch.chdir(tmp_path)
    with FaultProxy(cassandra_node.host, cassandra_node.port) as proxy:
        hosts = [f"127.0.0.1:{closed_port}", f"[::1]:{closed_port}", f"{proxy.host}:{proxy.port}"]
        driver = opened(hosts, backend, monkeypatch)
        driver = await driver if asyncio.iscoroutine(driver) else driver
        for _ in range(3):
            assert driver.execute_one(LOCAL, ["local"]) == "local"
            assert await driver.execute_one_async(LOCAL, ["local"]) == "local"
        sent = [request for request in proxy.requests if request.statement == LOCAL]
        assert len(sent) == 7  # one of them prepares
        await driver.close_async()


def test_no_host_answers_at_its_port(closed_port: int, backend: str, registry: DriverRegistry) -> None:
    """The error names each host with its own port."""
    hosts = [f"127.0.0.1:{closed_port}", "127.0.0.2:1"]
    with pytest.raises(ConnectionFailedError) as caught:
        open_driver(backend, hosts=hosts)
    assert sorted(caught.value.hosts) == sorted(hosts)


@pytest.mark.parametrize("port", ["the same", "another"])
async def test_the_only_node_announces_another_address(
    port: str, cassandra_node: Any, backend: str, registry: DriverRegistry
) -> None:
    """The address and port through which it was reached serve all connections, without a timeout."""
    listen = ("127.0.0.5", cassandra_node.port if port == "the same" else 0)
    with FaultProxy(cassandra_node.host, cassandra_node.port, listen=listen) as mapped:
        where: dict[str, Any] = {"hosts": [f"{mapped.host}:{mapped.port}"]}
        with open_driver(backend, **where) as driver:
            for _ in range(3):
                assert driver.execute_one(LOCAL, ["local"]) == "local"
            (node,) = driver.stats().nodes
            assert (node.host.address, node.host.port) == (mapped.host, mapped.port)
            assert len([one for one in mapped.requests if one.statement == LOCAL]) == 4
            driver.session.cluster.refresh_nodes()
            assert [str(host.endpoint) for host in driver.session.cluster.metadata.all_hosts()] == [
                f"{mapped.host}:{mapped.port}"
            ]
        driver = await coodie.init_coodie_async(driver_type=backend, **where)
        assert await driver.execute_one_async(LOCAL, ["local"]) == "local"
        await driver.close_async()


@pytest.fixture
def forwarded(backend: str) -> Iterator[dict[str, FaultProxy]]:
    """Start three nodes, each with a forwarded port; return the ports by the nodes' announced addresses."""
    with FakeCluster(nodes=3) as nodes, contextlib.ExitStack() as stack:
        nodes.when(LOCAL, ["local"]).rows([{"key": "local"}])
        with using_registry(DriverRegistry()), open_driver(backend, **nodes.connection_options()) as direct:
            inner = [node.host for node in direct.stats().nodes]
        yield {
            f"{host.address}:{host.port}": stack.enter_context(FaultProxy(host.address, host.port))
            for host in inner
        }


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
@pytest.mark.parametrize("in_file", [False, True], ids=["python", "file"])
async def test_an_address_map(
    forwarded: dict[str, FaultProxy],
    backend: str,
    in_file: bool,
    fast_path: bool,
    tmp_path: Path,
    registry: DriverRegistry,
) -> None:
    """All connections to all nodes are made to the hosts that stand for their announced addresses."""
    outer = {inner: f"{proxy.host}:{proxy.port}" for inner, proxy in forwarded.items()}
    first = next(iter(outer.values()))
    if in_file:
        pairs = "".join(f'"{one}" = "{other}"\n' for one, other in outer.items())
        (tmp_path / "coodie.toml").write_text(
            f'[connections.main]\ndriver = "{backend}"\nhosts = ["{first}"]\n'
            f"[connections.main.address_map]\n{pairs}"
            f"[connections.main.options]\nfast_path = {str(fast_path).lower()}\n"
        )
        coodie.load_config(tmp_path / "coodie.toml")
        driver: Any = coodie.get_driver("main")
    else:
        driver = open_driver(backend, hosts=[first], address_map=outer, fast_path=fast_path)
    with driver:
        for _ in range(6):
            assert driver.execute(LOCAL, ["local"]) == await driver.execute_async(LOCAL, ["local"])
        await driver.warm_async()
        stats = driver.stats()
        assert {f"{node.host.address}:{node.host.port}" for node in stats.nodes} == set(outer.values())
        assert all(proxy.open_connections for proxy in forwarded.values())
        if fast_path:
            assert sum(node.connections for node in stats.nodes) > 0


@pytest.fixture
def sockets() -> Iterator[Path]:
    """Return a directory whose path is short: those of Unix sockets have a limit of 107 bytes."""
    with TemporaryDirectory(prefix="coodie-") as directory:
        yield Path(directory)


@pytest.mark.parametrize("opened", [_in_python, _in_async_python, _in_a_url, _in_a_file, _in_a_variable])
async def test_a_unix_socket(
    opened: Callable[..., Any],
    sockets: Path,
    cassandra_node: Any,
    backend: str,
    registry: DriverRegistry,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
    tmp_path: Path,
) -> None:
    """A host that is a path serves all connections, also those of the fast path, and after they were lost."""
    monkeypatch.chdir(tmp_path)
    path = str(sockets / "cql.sock")
    with FaultProxy(cassandra_node.host, cassandra_node.port, listen=(path, 0)) as proxy:
        driver = opened([path], backend, monkeypatch)
        driver = await driver if asyncio.iscoroutine(driver) else driver
        for _ in range(3):
            assert driver.execute_one(LOCAL, ["local"]) == "local"
            assert await driver.execute_one_async(LOCAL, ["local"]) == "local"
        assert len([one for one in proxy.requests if one.statement == LOCAL]) == 7  # one of them prepares
        await driver.warm_async()
        (node,) = driver.stats().nodes
        assert (node.host.address, node.host.port) == (path, None)
        assert (node.connections > 0) is (pytestconfig.getoption("--fast-path") == "on")
        assert path in repr(driver)
        options = coodie.RequestOptions(node=path)
        assert driver.execute_one(LOCAL, ["local"], options=options) == "local"
        with pytest.raises(ConfigurationError, match=f"Give one of {path}, or a host id"):
            driver.execute_one(LOCAL, ["local"], options=coodie.RequestOptions(node="/nowhere"))
        proxy.cut()
        succeeded = 0
        deadline = time.monotonic() + 20
        while succeeded < 3:
            try:
                assert driver.execute_one(LOCAL, ["local"]) == "local"
                assert await driver.execute_one_async(LOCAL, ["local"]) == "local"
                succeeded += 1
            except CoodieError:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
        await driver.close_async()


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
async def test_unix_sockets_of_several_nodes(
    sockets: Path, fast_path: bool, backend: str, registry: DriverRegistry
) -> None:
    """An address map may have paths, which serve all connections to their nodes."""
    with FakeCluster(nodes=3) as nodes, contextlib.ExitStack() as stack:
        nodes.when(LOCAL, ["local"]).rows([{"key": "local"}])
        with open_driver(backend, **nodes.connection_options()) as direct:
            inner = [node.host for node in direct.stats().nodes]
        outer = {f"{host.address}:{host.port}": str(sockets / f"{host.port}") for host in inner}
        proxies = [
            stack.enter_context(FaultProxy(host.address, host.port or 0, listen=(path, 0)))
            for host, path in zip(inner, outer.values(), strict=True)
        ]
        first = next(iter(outer.values()))
        with open_driver(backend, hosts=[first], address_map=outer, fast_path=fast_path) as driver:
            for _ in range(6):
                assert driver.execute(LOCAL, ["local"]) == await driver.execute_async(LOCAL, ["local"])
            await driver.warm_async()
            stats = driver.stats()
            assert {node.host.address for node in stats.nodes} == set(outer.values())
            assert all(proxy.open_connections for proxy in proxies)
            if fast_path:
                assert sum(node.connections for node in stats.nodes) > 0


def test_no_unix_socket_is_there(sockets: Path, backend: str, registry: DriverRegistry) -> None:
    """The error names the path."""
    path = str(sockets / "cql.sock")
    with pytest.raises(ConnectionFailedError, match=rf"{path} \(.*No such file or directory") as caught:
        open_driver(backend, hosts=[path])
    assert list(caught.value.hosts) == [path]
