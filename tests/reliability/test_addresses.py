"""Names and addresses: one that resolves late, one with several addresses, a server that comes up late."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api, open_driver

import coodie
from coodie.exceptions import ConnectionFailedError, CoodieError
from coodie_testing.faults import FaultProxy

if TYPE_CHECKING:
    from tests.conftest import Connector

    from coodie.registry import DriverRegistry

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

NAME = "node.coodie.test"
LOCAL = "SELECT key FROM system.local"
#: A loopback address at which nobody listens.
NOBODY = "127.0.0.66"


class Names:
    """What the system's resolver says of our name."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.seconds = 0.0
        self.asked = 0
        self._real = socket.getaddrinfo

    def getaddrinfo(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        """Answer as socket.getaddrinfo does."""
        if host != NAME:
            return self._real(host, port, *args, **kwargs)
        self.asked += 1
        time.sleep(self.seconds)
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [answer for each in self.addresses for answer in self._real(each, port, *args, **kwargs)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Replace the resolver, which nobody can make late otherwise."""
    found = Names()
    monkeypatch.setattr(socket, "getaddrinfo", found.getaddrinfo)
    return found


@pytest.mark.parametrize("addresses", [[NOBODY, "node"], ["node", NOBODY], [NOBODY, "127.0.0.67", "node"]])
def test_a_name_of_several_addresses(
    addresses: list[str], names: Names, connect: Connector, cassandra_node: Any
) -> None:
    """If only one address of a name accepts connections, the driver connects to it, in any order."""
    names.addresses = [cassandra_node.host if each == "node" else each for each in addresses]
    driver = connect(hosts=[NAME], port=cassandra_node.port, connect_timeout=5)
    assert names.asked
    for _ in range(5):
        assert driver.execute_one(LOCAL, []) == "local"


async def test_a_slow_resolver_holds_up_no_loop(
    names: Names, cassandra_node: Any, backend: str, registry: DriverRegistry
) -> None:
    """While a host name is being resolved, the event loop isn't blocked."""
    names.addresses, names.seconds = [cassandra_node.host], 1.0
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    ticking = asyncio.ensure_future(tick())
    driver = await coodie.init_coodie_async(
        [NAME], driver_type=backend, port=cassandra_node.port, connect_timeout=20
    )
    try:
        assert await driver.execute_one_async(LOCAL, []) == "local"
    finally:
        ticking.cancel()
        await driver.close_async()
    assert names.asked
    assert longest < 0.8


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_name_that_resolves_later(
    is_async: bool, names: Names, connect: Connector, cassandra_node: Any
) -> None:
    """While a name can't be resolved, each request says so; then a lazy driver's next request connects."""
    lazy = connect(hosts=[NAME], port=cassandra_node.port, connect_timeout=5, lazy=True)

    async def ask() -> Any:
        return await lazy.execute_one_async(LOCAL, []) if is_async else lazy.execute_one(LOCAL, [])

    for _ in range(2):
        with pytest.raises(ConnectionFailedError, match=NAME):
            await ask()
    names.addresses = [cassandra_node.host]
    assert await ask() == "local"


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_name_whose_nodes_have_moved(
    is_async: bool, fast_path: bool, names: Names, connect: Connector, cassandra_node: Any, backend: str
) -> None:
    """Where no node answers any more, the name is looked up again, and those at its new address are asked."""
    if backend == "scylla":  # which takes a node's address from its tables, and there the proxy's isn't
        return
    node, names.addresses = (cassandra_node.host, cassandra_node.port), ["127.0.0.1"]
    with FaultProxy(*node) as before:
        driver = connect(hosts=[NAME], port=before.port, connect_timeout=5, fast_path=fast_path)
        api = Api(driver, is_async=is_async)
        assert await api.execute_one(LOCAL, []) == "local"
    with FaultProxy(*node, listen=("127.0.0.2", before.port)):
        names.addresses = ["127.0.0.2"]
        deadline = time.monotonic() + 30
        answer = None
        while answer is None:
            assert time.monotonic() < deadline, "nobody looks at the new address"
            with suppress(ConnectionFailedError):
                answer = await api.execute_one(LOCAL, [])
            await asyncio.sleep(0.05)
        assert answer == "local"
        driver.close()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_server_that_comes_up_late(is_async: bool, connect: Connector, cassandra_node: Any) -> None:
    """Connecting to a stopped server fails in time; after its start, old lazy and new drivers connect."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where: dict[str, Any] = {"hosts": ["127.0.0.1"], "port": port, "connect_timeout": 5}
    lazy = connect(**where, lazy=True)

    async def ask() -> Any:
        return await lazy.execute_one_async(LOCAL, []) if is_async else lazy.execute_one(LOCAL, [])

    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(ConnectionFailedError):
            await ask()
    with pytest.raises(ConnectionFailedError):
        connect(**where)
    assert time.monotonic() - started < 60
    with FaultProxy(cassandra_node.host, cassandra_node.port, listen=("127.0.0.1", port)):
        assert await ask() == "local"
        assert connect(**where).execute_one(LOCAL, []) == "local"
        lazy.close()


def test_a_server_that_comes_up_while_threads_wait(
    cassandra_node: Any, backend: str, registry: DriverRegistry
) -> None:
    """Threads that repeat their requests succeed as soon as the server has started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lazy = open_driver(backend, hosts=["127.0.0.1"], port=port, connect_timeout=5, lazy=True)
    answers: list[Any] = []
    strange: list[BaseException] = []
    deadline = time.monotonic() + 60

    def ask() -> None:
        while time.monotonic() < deadline:
            try:
                answers.append(lazy.execute_one(LOCAL, []))
            except ConnectionFailedError:
                time.sleep(0.05)
            except CoodieError as exc:
                strange.append(exc)
                return
            else:
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    with FaultProxy(cassandra_node.host, cassandra_node.port, listen=("127.0.0.1", port)):
        for thread in threads:
            thread.join(90)
        lazy.close()
    assert (answers, strange) == (["local"] * 8, [])
