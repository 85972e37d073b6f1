"""Shard-aware routing, the driver's way and the fast path's, against a node that seems to have shards.

A proxy in front of a Cassandra says what ScyllaDB says of its shards, and counts where requests come in.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.ways import Ways

from coodie.protocol.frames import Opcode
from coodie_testing.faults import FaultProxy, TabletInfo
from coodie_testing.faults.shards import Sharding, shard_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Connector

    from coodie_testing.faults import RecordedRequest

pytestmark = pytest.mark.server

SHARDS = 4
KEYS = range(60)


@pytest.fixture
def sharding() -> Sharding:
    """Say what the node seems to have."""
    return Sharding(SHARDS)


@pytest.fixture
def aware(backend: str) -> None:
    """Skip what only scylla-driver can do."""
    if backend != "scylla":
        pytest.skip("only scylla-driver is shard-aware")


@pytest.fixture(params=[4, pytest.param(5, marks=pytest.mark.reliability)], ids=["v4", "v5"])
def protocol(request: pytest.FixtureRequest) -> int:
    """Name the protocol's version: 4 is ScyllaDB's."""
    version: int = request.param
    return version


@pytest.fixture
def sharded(
    cassandra_node: Any, connect: Connector, sharding: Sharding, protocol: int
) -> Iterator[FaultProxy]:
    """Put a proxy in front of the node whose connections seem to end at shards."""
    node = (cassandra_node.host, cassandra_node.port)
    with FaultProxy(*node, max_protocol=protocol) as proxy:
        proxy.edit_supported = sharding.in_turn
        yield proxy
        connect.close()


class Requests:
    """Execute a statement with each key, from threads or from the loop."""

    def __init__(self, driver: Any, stmt: str, *, is_async: bool) -> None:
        self.driver = driver
        self.ways = Ways(driver)
        self._stmt = stmt
        self._is_async = is_async

    async def send(self) -> int:
        """Send them one by one; return how many went the driver's way."""
        before = self.ways.drivers
        for key in KEYS:
            if self._is_async:
                await self.driver.execute_async(self._stmt, [key])
            else:
                self.driver.execute(self._stmt, [key])
        return self.ways.drivers - before

    async def until(self, holds: Callable[[], bool]) -> None:
        """Send them until something holds of those that the proxies have seen."""
        deadline = time.monotonic() + 30
        while await self.send() or not holds():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


def went(proxies: list[FaultProxy], name: str) -> dict[int, int | None]:
    """Return the shard where each key's last request to a table came in, and forget them."""
    seen: list[RecordedRequest] = []
    for proxy in proxies:
        seen += [
            one for one in proxy.requests if one.opcode == Opcode.EXECUTE and name in (one.statement or "")
        ]
        proxy.requests.clear()
    return {_key(one.body): one.shard for one in seen}


def _went_as(proxies: list[FaultProxy], name: str, expected: dict[int, int]) -> bool:
    return went(proxies, name) == expected


def _key(body: bytes) -> int:
    """Return the last value of an EXECUTE's two, which are of four bytes, before page size and timestamp."""
    at = body.index(b"\0\0\0\4", 2 + int.from_bytes(body[:2], "big")) + 4
    return int.from_bytes(body[at : at + 4], "big")


def by_token(count: int = SHARDS) -> dict[int, int]:
    """Return where each key belongs."""
    from cassandra.metadata import Murmur3Token

    tokens = {key: Murmur3Token.from_key(key.to_bytes(4, "big")).value for key in KEYS}
    return {key: shard_of(token, count) for key, token in tokens.items()}


async def all_shards(driver: Any) -> None:
    """Wait until the driver itself is connected to all shards."""
    (pool,) = driver.session.get_pools()
    deadline = time.monotonic() + 30
    while len(pool.get_connections()) < SHARDS:
        assert time.monotonic() < deadline, "not all shards were connected"
        await asyncio.sleep(0.05)


def insert(name: str) -> str:
    """Return a statement whose only value is its key."""
    return f"INSERT INTO {name} (k, v) VALUES (?, 0)"


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.usefixtures("aware")
async def test_each_write_goes_to_its_shard_the_drivers_way(
    sharded: FaultProxy, connect: Callable[..., Any], table: Callable[[str], str], is_async: bool
) -> None:
    """With connections to all shards, each prepared write uses the one of its token's shard."""
    name = table("k int PRIMARY KEY, v int")
    driver = connect(hosts=[sharded.host], port=sharded.port, fast_path=False)
    await all_shards(driver)
    assert await Requests(driver, insert(name), is_async=is_async).send() == len(KEYS)
    assert went([sharded], name) == by_token()
    assert set(by_token().values()) == set(range(SHARDS))


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("is_read", [pytest.param(False, marks=pytest.mark.reliability), True])
@pytest.mark.usefixtures("aware")
async def test_each_request_goes_to_its_shard(
    sharded: FaultProxy,
    connect: Callable[..., Any],
    table: Callable[[str], str],
    is_async: bool,
    is_read: bool,
) -> None:
    """The fast path sends each request to its shard, from event loops and threads."""
    name = table("k int PRIMARY KEY, v int")
    driver = connect(hosts=[sharded.host], port=sharded.port, fast_path=True)
    stmt = f"SELECT v FROM {name} WHERE k = ?" if is_read else insert(name)
    requests = Requests(driver, stmt, is_async=is_async)
    await requests.until(lambda: went([sharded], name) == by_token())
    assert driver.fast_path_refusal is None
    if is_async:
        sharded.requests.clear()
        before = requests.ways.drivers
        await asyncio.gather(*(driver.execute_async(stmt, [key]) for key in KEYS))
        assert went([sharded], name) == by_token()
        assert requests.ways.drivers == before


@pytest.mark.usefixtures("aware")
async def test_many_writes_at_once(
    sharded: FaultProxy, connect: Callable[..., Any], table: Callable[[str], str]
) -> None:
    """execute_many in one thread uses a connection to each shard."""
    name = table("k int PRIMARY KEY, v int")
    driver = connect(hosts=[sharded.host], port=sharded.port, fast_path=True)
    ways = Ways(driver)
    deadline = time.monotonic() + 30
    while True:
        before = ways.drivers
        driver.execute_many(insert(name), [[key] for key in KEYS])
        if went([sharded], name) == by_token() and ways.drivers == before:
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert len(driver.execute(f"SELECT k FROM {name}", [])) == len(KEYS)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.usefixtures("aware")
async def test_the_port_where_clients_choose(
    sharded: FaultProxy,
    sharding: Sharding,
    cassandra_node: Any,
    protocol: int,
    connect: Connector,
    table: Callable[[str], str],
    is_async: bool,
) -> None:
    """With a shard-aware port, each connection reaches its shard at the first attempt."""
    name = table("k int PRIMARY KEY, v int")
    node = (cassandra_node.host, cassandra_node.port)
    with FaultProxy(*node, max_protocol=protocol) as chosen:
        chosen.statements = sharded.statements
        chosen.edit_supported = sharding.by_client_port
        sharding.port = chosen.port
        driver = connect(hosts=[sharded.host], port=sharded.port, fast_path=True)
        await all_shards(driver)
        requests = Requests(driver, insert(name), is_async=is_async)
        await requests.until(lambda: went([sharded, chosen], name) == by_token())
        # The first connections to the node went to its plain port: the control connection, the pool's, ours.
        assert (chosen.accepted, len(chosen.open_connections)) == (2 * (SHARDS - 1), 2 * (SHARDS - 1))
        assert len(sharded.open_connections) == 3
        connect.close()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.usefixtures("aware")
@pytest.mark.reliability
async def test_a_port_that_cant_be_reached(
    sharded: FaultProxy,
    sharding: Sharding,
    connect: Callable[..., Any],
    table: Callable[[str], str],
    is_async: bool,
) -> None:
    """If the shard-aware port can't be reached, connections to all shards use the regular port."""
    name = table("k int PRIMARY KEY, v int")
    sharding.port = 1
    driver = connect(hosts=[sharded.host], port=sharded.port, fast_path=True)
    requests = Requests(driver, insert(name), is_async=is_async)
    await requests.until(lambda: went([sharded], name) == by_token())


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.usefixtures("aware")
@pytest.mark.reliability
async def test_a_shard_without_connections(
    sharded: FaultProxy,
    sharding: Sharding,
    connect: Callable[..., Any],
    table: Callable[[str], str],
    is_async: bool,
) -> None:
    """Requests for an unreachable shard use connections to other shards, and few new ones are opened."""
    name = table("k int PRIMARY KEY, v int")
    sharding.missing = 2
    driver = connect(hosts=[sharded.host], port=sharded.port, fast_path=True)
    requests = Requests(driver, insert(name), is_async=is_async)
    others = {key: shard for key, shard in by_token().items() if shard != sharding.missing}

    def right() -> bool:
        found = went([sharded], name)
        assert len(found) == len(KEYS)
        return {key: found[key] for key in others} == others

    await requests.until(right)
    accepted = sharded.accepted
    for _ in range(3):
        assert await requests.send() == 0
    # The driver tries once more for each of these requests, ours pauses.
    assert sharded.accepted - accepted <= 3 * (len(KEYS) - len(others)) + 3


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.usefixtures("aware")
@pytest.mark.reliability
async def test_another_number_of_shards(
    sharded: FaultProxy,
    sharding: Sharding,
    connect: Callable[..., Any],
    table: Callable[[str], str],
    is_async: bool,
) -> None:
    """A changed number of shards is detected on the first connection to a restarted node."""
    from cassandra.policies import ConstantReconnectionPolicy

    name = table("k int PRIMARY KEY, v int")
    policy = ConstantReconnectionPolicy(0.1, None)
    driver = connect(hosts=[sharded.host], port=sharded.port, fast_path=True, reconnection_policy=policy)
    requests = Requests(driver, insert(name), is_async=is_async)
    await requests.until(lambda: went([sharded], name) == by_token())
    for count in (3, 6):
        sharded.refusing = True
        sharded.cut()
        await asyncio.sleep(0.5)
        sharding.count = count
        sharded.refusing = False
        deadline = time.monotonic() + 30
        while not await driver.ping_async(timeout=1):
            assert time.monotonic() < deadline
        expected = by_token(count)
        await requests.until(partial(_went_as, [sharded], name, expected))


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.usefixtures("aware")
async def test_tablets(
    sharded: FaultProxy,
    sharding: Sharding,
    connect: Callable[..., Any],
    table: Callable[[str], str],
    is_async: bool,
) -> None:
    """After a response with tablet information, requests are sent to the tablet's shard, on both paths."""
    name = table("k int PRIMARY KEY, v int")
    sharding.tablets = True
    driver = connect(hosts=[sharded.host], port=sharded.port, fast_path=True)
    await all_shards(driver)
    requests = Requests(driver, insert(name), is_async=is_async)
    await requests.until(lambda: went([sharded], name) == by_token())
    (host,) = driver.session.cluster.metadata.all_hosts()
    for shard in (2, 1):
        told = sharded.add(TabletInfo(replicas=((host.host_id, shard),)), contains=name)
        assert await requests.send() == 0
        assert told.hits == 1
        went([sharded], name)
        assert await requests.send() == 0
        assert went([sharded], name) == dict.fromkeys(KEYS, shard)
        driver.session.execute(driver.session.prepare(insert(name)), [0])
        assert went([sharded], name) == {0: shard}
    # Of a node that isn't the tablet's, and of a shard that the node doesn't have, the token tells.
    sharded.add(TabletInfo(replicas=((host.host_id, SHARDS),)), contains=name)
    await requests.send()
    went([sharded], name)
    assert await requests.send() == 0
    assert went([sharded], name) == by_token()


@pytest.mark.usefixtures("aware")
@pytest.mark.reliability
async def test_shards_disregarded_on_demand(
    sharded: FaultProxy, connect: Callable[..., Any], table: Callable[[str], str]
) -> None:
    """With shard awareness disabled, there is one connection per node, and one of the fast path."""
    name = table("k int PRIMARY KEY, v int")
    driver = connect(
        hosts=[sharded.host], port=sharded.port, fast_path=True, shard_aware_options={"disable": True}
    )
    requests = Requests(driver, insert(name), is_async=True)
    await requests.until(lambda: len(set(went([sharded], name).values())) == 1)
    assert len(sharded.open_connections) == 3


@pytest.mark.usefixtures("aware")
@pytest.mark.reliability
def test_loops_and_threads_at_once(
    sharded: FaultProxy, connect: Callable[..., Any], table: Callable[[str], str]
) -> None:
    """Loops and threads read all rows, within the limit of connections; close() closes all of them."""
    name = table("k int PRIMARY KEY, v int")
    driver = connect(hosts=[sharded.host], port=sharded.port, fast_path=True)
    threads, rounds = 16, 20

    def from_thread(number: int) -> None:
        stmt = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
        for n in range(rounds):
            for key in KEYS:
                driver.execute(stmt, [key + 1000 * number, n])

    async def from_loop(number: int) -> None:
        stmt = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
        for n in range(rounds):
            await asyncio.gather(*(driver.execute_async(stmt, [key + 1000 * number, n]) for key in KEYS))

    def work(number: int) -> None:
        if number % 4:
            from_thread(number)
        else:
            asyncio.run(from_loop(number))

    ways = Ways(driver)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    assert ways.drivers < threads * rounds * len(KEYS) / 2
    assert sorted((row["k"], row["v"]) for row in driver.execute(f"SELECT k, v FROM {name}", [])) == [
        (key + 1000 * number, rounds - 1) for number in range(threads) for key in KEYS
    ]
    assert len(sharded.open_connections) <= 1 + SHARDS * (1 + threads // 4) + 3 * SHARDS + 64 + SHARDS
    driver.close()
    deadline = time.monotonic() + 30
    while sharded.open_connections:
        assert time.monotonic() < deadline, f"{len(sharded.open_connections)} connections are open"
        time.sleep(0.05)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_driver_that_knows_no_shards(
    sharded: FaultProxy,
    connect: Callable[..., Any],
    table: Callable[[str], str],
    backend: str,
    is_async: bool,
) -> None:
    """With cassandra-driver, which doesn't support shards, a node with shards works like any other."""
    if backend != "cassandra":
        pytest.skip("scylla-driver knows shards")
    name = table("k int PRIMARY KEY, v int")
    driver = connect(hosts=[sharded.host], port=sharded.port, fast_path=True)
    requests = Requests(driver, insert(name), is_async=is_async)
    await requests.until(lambda: len(set(went([sharded], name).values())) == 1)
    assert driver.fast_path_refusal is None
