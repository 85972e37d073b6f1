"""Another client changes the schema under prepared reads and writes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import CoodieError, InvalidQueryError, ParameterTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Connector
    from tests.faults.proxy import FaultProxy

pytestmark = pytest.mark.server


@pytest.fixture(params=[4, 5], ids=["v4", "v5"])
def mine(connect: Connector, request: pytest.FixtureRequest) -> Any:
    """Connect with this version of the protocol."""
    return connect(protocol_version=request.param)


@pytest.fixture
def other(driver: Any) -> Any:
    """Give another client."""
    return driver


async def test_columns_come_and_go_under_readers(mine: Any, other: Any, table: Callable[[str], str]) -> None:
    """While columns are added and dropped, each answer of SELECT * fits one of the table's shapes."""
    name = table("k int PRIMARY KEY, a int, b text")
    await mine.execute_async(f"INSERT INTO {name} (k, a, b) VALUES (1, 10, 'b')", [])
    done = False

    async def read() -> int:
        answers = 0
        while not done:
            try:
                (row,) = await mine.execute_async(f"SELECT * FROM {name} WHERE k = ?", [1])
            except InvalidQueryError:
                continue  # the column was dropped between the prepare and the execution
            assert row.pop("extra", None) is None
            assert row.pop("b", "b") in ("b", None)
            assert row == {"k": 1, "a": 10}
            answers += 1
        return answers

    readers = [asyncio.ensure_future(read()) for _ in range(4)]
    for _ in range(4):
        await other.execute_async(f"ALTER TABLE {name} ADD extra map<text, int>", [])
        await asyncio.sleep(0.05)
        await other.execute_async(f"ALTER TABLE {name} DROP extra", [])
    await other.execute_async(f"ALTER TABLE {name} DROP b", [])
    done = True
    assert min(await asyncio.gather(*readers)) > 0


async def test_the_window_of_an_old_type(mine: Any, other: Any, keyspace: str) -> None:
    """After DROP and CREATE with other types, the old one is refused as soon as the event has arrived."""
    name = f"{keyspace}.retyped_v{mine.session.cluster.protocol_version}"
    await other.execute_async(f"CREATE TABLE {name} (k int PRIMARY KEY, v int)", [])
    insert = f"INSERT INTO {name} (k, v) VALUES (1, ?)"
    deadline = time.monotonic() + 20
    while True:
        try:
            await mine.execute_async(insert, [5])
            break
        except CoodieError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    await other.execute_async(f"DROP TABLE {name}", [])
    await other.execute_async(f"CREATE TABLE {name} (k int PRIMARY KEY, v text)", [])
    # Until the event arrives, an int may still be taken, and then be read as text, or not at all.
    deadline = time.monotonic() + 20
    while True:
        try:
            await mine.execute_async(insert, [5])
        except ParameterTypeError:
            break
        except CoodieError:
            pass
        assert time.monotonic() < deadline, "the event never arrived"
        await asyncio.sleep(0.01)
    await other.execute_async(f"TRUNCATE {name}", [])
    await mine.execute_async(insert, ["five"])
    assert await mine.execute_async(f"SELECT v FROM {name}", []) == [{"v": "five"}]


async def test_where_that_window_ends(
    through: Any,
    proxy: FaultProxy,
    other: Any,
    keyspace: str,
    protocol: int,
    record_property: Callable[[str, object], None],
) -> None:
    """While the event is kept from the driver, an int goes into a text; once it has come, never again."""
    name = f"{keyspace}.window_v{protocol}"
    proxy.holding_events = True
    await asyncio.sleep(1)  # what came before has been looked at
    await through.execute_async(f"CREATE TABLE {name} (k int PRIMARY KEY, v int)", [])
    insert = f"INSERT INTO {name} (k, v) VALUES (1, ?)"
    await through.execute_async(insert, [5])
    await other.execute_async(f"DROP TABLE {name}", [])
    await other.execute_async(f"CREATE TABLE {name} (k int PRIMARY KEY, v text)", [])
    try:
        for number in range(5):  # the driver can't know, and the server can't tell
            await through.execute_async(insert, [number])
            assert await other.execute_async(f"SELECT v FROM {name}", []) == [{"v": f"\0\0\0{chr(number)}"}]
            await asyncio.sleep(0.2)
    finally:
        proxy.release_events()
    started = time.monotonic()
    while True:
        try:
            await through.execute_async(insert, [5])
        except ParameterTypeError:
            break
        assert time.monotonic() - started < 20
    record_property("seconds from the event on", round(time.monotonic() - started, 3))
    for _ in range(20):
        with pytest.raises(ParameterTypeError):
            await through.execute_async(insert, [5])
    await through.execute_async(insert, ["five"])
    assert await through.execute_async(f"SELECT v FROM {name}", []) == [{"v": "five"}]


async def test_truncate_under_writers(mine: Any, other: Any, table: Callable[[str], str]) -> None:
    """A TRUNCATE in between loses what was written before, and no statement."""
    name = table("k int PRIMARY KEY")
    insert = f"INSERT INTO {name} (k) VALUES (?)"
    await mine.execute_many_async(insert, ([k] for k in range(100)))
    writing = asyncio.ensure_future(mine.execute_many_async(insert, ([k] for k in range(100, 2000))))
    await other.execute_async(f"TRUNCATE {name}", [])
    assert (await writing).succeeded == 1900
    await other.execute_async(f"TRUNCATE {name}", [])
    await mine.execute_async(insert, [7])
    assert await mine.execute_async(f"SELECT k FROM {name}", []) == [{"k": 7}]
