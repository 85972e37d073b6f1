"""sync_table on the way: how often it asks, what it waits for, and what it says when no answer comes."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.schema_rows import columns_of, indexes_of

from coodie.drivers.cassandra._schema_requests import SchemaRequests
from coodie.exceptions import RequestTimeoutError, SchemaError, SchemaTimeoutError
from coodie.schema import ColumnDefinition as Col
from coodie.schema import NetworkTopologyStrategy, SimpleStrategy, SyncOptions

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.conftest import Api, Connector

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server

KEY = Col("id", "int", primary_key=True)
INDEXED = Col("x", "int", index=True)


@pytest.fixture
def proxied(connect: Connector, proxy: FaultProxy) -> Any:
    """Connect through the proxy."""
    return connect(hosts=[proxy.host], port=proxy.port, request_timeout=20)


# --- round trips ------------------------------------------------------------------------


async def test_a_table_in_order_costs_two_round_trips(
    driver: Any, proxied: Any, proxy: FaultProxy, keyspace: str, name: str
) -> None:
    """All is read at once, also by a driver that has never asked before; then the table is tried."""
    driver.sync_table(name, keyspace, [KEY])
    asked: list[Any] = []
    proxied.session.add_request_init_listener(asked.append)
    proxy.hold = True
    task = asyncio.create_task(proxied.sync_table_async(name, keyspace, [KEY]))
    await asyncio.sleep(0.5)
    assert not task.done()
    assert len(asked) == 5  # three tables of the schema, two of the nodes' versions
    proxy.hold = False
    assert await asyncio.wait_for(task, 20) == []
    assert len(asked) == 6


# --- no answer --------------------------------------------------------------------------


@pytest.fixture
def muted_at_index(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lose the answers from the moment on at which an index is asked for."""
    change_schema = SchemaRequests.change_schema

    def change(self: SchemaRequests, stmt: str, *args: Any) -> Generator[Any, Any, None]:
        proxy.mute = proxy.mute or stmt.startswith("CREATE INDEX")
        yield from change_schema(self, stmt, *args)

    monkeypatch.setattr(SchemaRequests, "change_schema", change)
    yield
    proxy.mute = False


@pytest.mark.usefixtures("muted_at_index")
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_timeout_in_the_middle(
    driver: Any, proxied: Any, keyspace: str, name: str, is_async: bool
) -> None:
    """The error says what was executed and what wasn't, and is a TimeoutError; calling again finishes."""
    cols = [KEY, INDEXED, Col("y", "int", index=True)]
    error: Exception | None = None
    for timeout in (1, 5, 30):  # a busy node takes seconds to add columns
        name = f"{name}_{timeout}"  # the last one may have been changed later
        driver.sync_table(name, keyspace, [KEY])
        options = SyncOptions(timeout=timeout)
        with pytest.raises((SchemaTimeoutError, RequestTimeoutError)) as caught:
            if is_async:
                await proxied.sync_table_async(name, keyspace, cols, options=options)
            else:
                proxied.sync_table(name, keyspace, cols, options=options)
        error = caught.value
        if getattr(error, "executed", ()):
            break
    assert isinstance(error, SchemaTimeoutError)
    assert isinstance(error, TimeoutError)
    assert isinstance(error.__cause__, RequestTimeoutError)
    assert error.executed == (f"ALTER TABLE {keyspace}.{name} ADD (x int, y int)",)
    assert error.failed == f"CREATE INDEX IF NOT EXISTS {name}_x_idx ON {keyspace}.{name} (x)"
    assert error.remaining == (f"CREATE INDEX IF NOT EXISTS {name}_y_idx ON {keyspace}.{name} (y)",)
    # The first index was made, and only the answer lost.
    assert driver.sync_table(name, keyspace, cols)[-1:] == list(error.remaining)
    assert set(indexes_of(driver, keyspace, name)) == {f"{name}_x_idx", f"{name}_y_idx"}
    assert driver.sync_table(name, keyspace, cols) == []


async def test_no_answer_to_a_read(proxied: Any, proxy: FaultProxy, keyspace: str, name: str) -> None:
    """Before anything is changed, a timeout is what it is."""
    proxy.mute = True
    with pytest.raises(RequestTimeoutError):
        await proxied.sync_table_async(name, keyspace, [KEY], options=SyncOptions(timeout=0.5))
    proxy.mute = False


# --- what is waited for -----------------------------------------------------------------


async def test_an_index_is_built_when_that_was_asked_for(
    api: Api, driver: Any, keyspace: str, name: str
) -> None:
    """A query that needs it works at once, on a table that had rows before."""
    await api.sync_table(name, keyspace, [KEY, Col("x", "int")])
    rows = ([n, n % 10] for n in range(2000))
    driver.execute_many(f"INSERT INTO {keyspace}.{name} (id, x) VALUES (?, ?)", rows)
    options = SyncOptions(wait_for_indexes=60)
    assert len(await api.sync_table(name, keyspace, [KEY, INDEXED], options=options)) == 1
    found = driver.execute(f"SELECT id FROM {keyspace}.{name} WHERE x = ?", [3])
    assert len(found) == 200
    assert await api.sync_table(name, keyspace, [KEY, INDEXED], options=options) == []


# --- keyspaces --------------------------------------------------------------------------


async def test_a_keyspace_is_created(api: Api, driver: Any) -> None:
    """It is made as it is asked for, left alone once it is there, and told of where it differs."""
    keyspace = f"Made_{uuid.uuid4().hex[:8]}"
    one = SyncOptions(create_keyspace=NetworkTopologyStrategy(replication_factor=1))
    with pytest.raises(SchemaError, match="SyncOptions"):
        await api.sync_table("t", keyspace, [KEY])
    try:
        said = await api.sync_table("t", keyspace, [KEY], dry_run=True, options=one)
        done = await api.sync_table("t", keyspace, [KEY], options=one)
        assert said == done
        assert [statement.partition(" IF ")[0] for statement in done] == ["CREATE KEYSPACE", "CREATE TABLE"]
        again = await api.sync_table("t", keyspace, [KEY], options=one)
        assert (again, again.warnings) == ([], ())
        assert set(columns_of(driver, keyspace, "t")) == {"id"}
        simple = SyncOptions(create_keyspace=SimpleStrategy(1))
        other = await api.sync_table("t", keyspace, [KEY], options=simple)
        assert other == []
        assert "it is left as it is" in other.warnings[0]
    finally:
        driver.execute(f'DROP KEYSPACE IF EXISTS "{keyspace}"', [])
