"""Shard-aware routing of scylla-driver, against a proxy that makes the node seem to have shards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.frames import Opcode
from tests.faults.proxy import FaultProxy
from tests.faults.shards import shard_of, with_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Connector

pytestmark = pytest.mark.server

SHARDS = 4


@pytest.fixture
def sharded(cassandra_node: Any, connect: Connector, backend: str) -> Iterator[FaultProxy]:
    """Put a proxy in front of the node whose connections seem to end at shards."""
    if backend != "scylla":
        pytest.skip("only scylla-driver is shard-aware")
    change = with_shards(SHARDS)
    node = (cassandra_node.host, cassandra_node.port)
    with FaultProxy(*node, most_protocol=4, supported=change) as proxy:
        yield proxy
        connect.close()


@pytest.mark.parametrize("is_async", [False, True])
async def test_each_write_goes_to_its_shard(
    sharded: FaultProxy, connect: Callable[..., Any], table: Callable[[str], str], is_async: bool
) -> None:
    """With a connection to each shard, every prepared write takes the one of its token's shard."""
    from cassandra.metadata import Murmur3Token

    name = table("k int PRIMARY KEY, v int")
    driver = connect(hosts=[sharded.host], port=sharded.port)
    (pool,) = driver.session.get_pools()
    deadline = time.monotonic() + 30
    while len(pool.get_connections()) < SHARDS:
        assert time.monotonic() < deadline, "not all shards were connected"
        await asyncio.sleep(0.05)
    stmt = f"INSERT INTO {name} (k, v) VALUES (?, 0)"
    sharded.seen.clear()
    for key in range(100):
        if is_async:
            await driver.execute_async(stmt, [key])
        else:
            driver.execute(stmt, [key])
    writes = [seen for seen in sharded.seen if seen.opcode == Opcode.EXECUTE and name in (seen.text or "")]
    went = {_key(seen.body): seen.connection % SHARDS for seen in writes}
    tokens = {key: Murmur3Token.from_key(key.to_bytes(4, "big")).value for key in range(100)}
    expected = {key: shard_of(token, SHARDS) for key, token in tokens.items()}
    assert went == expected
    assert len(Counter(expected.values())) == SHARDS


def _key(body: bytes) -> int:
    """Return the first value of an EXECUTE: after the id, consistency, flags, their number and its length."""
    start = 2 + int.from_bytes(body[:2], "big") + 2 + 1 + 2 + 4
    return int.from_bytes(body[start : start + 4], "big")
