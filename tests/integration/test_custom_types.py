"""Types that the protocol tells by their names: vectors of user types, and Cassandra's own classes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.integration.ways import Ways

from coodie.exceptions import ParameterTypeError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Connector
    from tests.features import Features

pytestmark = pytest.mark.server

_DYNAMIC = "'org.apache.cassandra.db.marshal.DynamicCompositeType(s=>UTF8Type, i=>Int32Type)'"


@pytest.fixture(params=[5, 4], ids=["v5", "v4"])
def version(request: pytest.FixtureRequest) -> int:
    """Name the protocol's version."""
    number: int = request.param
    return number


@pytest.fixture(params=["fast", "driver's way"])
def mine(connect: Connector, request: pytest.FixtureRequest, version: int) -> Any:
    """Connect with the fast path and without."""
    return connect(protocol_version=version, fast_path=request.param == "fast")


def _component(value: bytes, alias: str) -> bytes:
    """Return one part of a dynamic composite, whose type is told by its alias (DynamicCompositeType.java)."""
    return struct.pack(">HH", 0x8000 | ord(alias), len(value)) + value + b"\0"


@pytest.mark.needs("vectors")
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_in_every_way(mine: Any, is_async: bool, keyspace: str, table: Callable[[str], str]) -> None:
    """Written and read by each method; the connection that the server told the types on goes on."""
    calls = Api(mine, is_async=is_async)
    # In hex, its name is 61646472657373: digits alone.
    await calls.execute(
        f"CREATE TYPE IF NOT EXISTS {keyspace}.address (city text, zip int, at timestamp)", []
    )
    columns = f"k int PRIMARY KEY, v vector<frozen<{keyspace}.address>, 2>, d {_DYNAMIC}"
    name = table(columns)
    insert, select = f"INSERT INTO {name} (k, v, d) VALUES (?, ?, ?)", f"SELECT * FROM {name} WHERE k = ?"
    first = {"city": "Brno", "zip": 60200, "at": None}
    composite = _component(b"Brno", "s") + _component(struct.pack(">i", 60200), "i")
    value = [first, {"city": None, "zip": -1, "at": None}]
    connections = _connections(mine)
    ways = Ways(mine)
    await calls.execute(insert, [0, [first, ("Praha", 11000, None)], composite])
    if mine.fast_path_refusal is None:
        await ways.warm_async(select, [0])
        ways.warm(select, [0])
    for k in range(1, 4):
        await calls.execute(insert, [k, value, composite])
    await calls.execute_many(insert, [[k, value, composite] for k in range(4, 8)])
    await calls.execute_batch([(insert, [8, value, composite])])
    wanted = {"v": value, "d": composite}
    assert await calls.execute(select, [0]) == [
        {"k": 0, "v": [first, {"city": "Praha", "zip": 11000, "at": None}], "d": composite}
    ]
    for k in range(1, 9):
        assert await calls.execute(select, [k]) == [{"k": k, **wanted}]
    assert await calls.execute_one(f"SELECT v FROM {name} WHERE k = ?", [8]) == value
    rows = [row async for row in calls.stream(f"SELECT * FROM {name}", fetch_size=2)]
    assert {row["k"] for row in rows} == set(range(9))
    (one,) = await calls.execute(f"SELECT k FROM {name} WHERE v = ? AND k = 1 ALLOW FILTERING", [value])
    assert one == {"k": 1}
    assert _connections(mine) == connections


_COMPOSITE = "'org.apache.cassandra.db.marshal.CompositeType(UTF8Type, Int32Type)'"


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_composites(mine: Any, is_async: bool, table: Callable[[str], str], features: Features) -> None:
    """Each method takes their bytes, alone, as keys and in lists; the drivers can't write them."""
    calls = Api(mine, is_async=is_async)
    name = table(f"k {_COMPOSITE} PRIMARY KEY, v list<{_COMPOSITE}>")
    insert, select = f"INSERT INTO {name} (k, v) VALUES (?, ?)", f"SELECT k, v FROM {name} WHERE k = ?"
    keys = [
        struct.pack(">H", 4) + b"Brno\0" + struct.pack(">Hi", 4, number) + b"\0"
        for number in range(60200, 60204)
    ]
    for key in keys[:2]:
        await calls.execute(insert, [key, [key, keys[0]]])
    await calls.execute_many(insert, [[keys[2], [keys[2], keys[0]]]])
    await calls.execute_batch([(insert, [keys[3], [keys[3], keys[0]]])])
    for number, key in enumerate(keys, 60200):
        cells = [("Brno", number), ("Brno", 60200)]
        if "whole composite keys" in features:
            assert await calls.execute(select, [key]) == [{"k": cells[0], "v": cells}]
            continue
        with pytest.raises(RequestError, match=r"can't decode a value of 'k' .*CompositeType"):
            await calls.execute(select, [key])  # the server sends `Brno`: it starts with a length
        assert await calls.execute(f"SELECT v FROM {name} WHERE k = ?", [key]) == [{"v": cells}]
    with pytest.raises(ParameterTypeError, match=r"'k', .*CompositeType.*: expected bytes"):
        await calls.execute(insert, [("Brno", 60200), []])


def _connections(driver: Any) -> set[int]:
    """Return which connections the backend's session has, and that none of them is closed."""
    pools = driver.session.get_pools()
    connections = [connection for pool in pools for connection in pool.get_connections()]
    assert not any(connection.is_closed for connection in connections)
    return {id(connection) for connection in connections}
