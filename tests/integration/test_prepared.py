"""Prepared statements: bounded, prepared once for many, and never used beyond a schema change."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api

from coodie.exceptions import CoodieError, InvalidQueryError, ParameterTypeError, RequestTimeoutError
from coodie.observers import RequestFinished, observing
from coodie.observers.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_testing.faults import FaultProxy

pytestmark = pytest.mark.server


class _Prepares:
    """Count what is prepared through a session, by text."""

    def __init__(self, driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        real = driver.session.prepare

        def prepare(query: str, *args: Any, **kwargs: Any) -> Any:
            self.texts.append(query)
            time.sleep(0.05)
            return real(query, *args, **kwargs)

        monkeypatch.setattr(driver.session, "prepare", prepare)


@pytest.fixture
def prepares(driver: Any, monkeypatch: pytest.MonkeyPatch) -> _Prepares:
    """Watch the shared connection."""
    return _Prepares(driver, monkeypatch)


async def test_many_first_users_share_one_prepare(driver: Any, prepares: _Prepares) -> None:
    """Fifty tasks and sixteen threads that need a statement first send it once."""
    # A table whose schema event can't come in between.
    stmt = f"SELECT bootstrapped FROM system.local WHERE key = ? /* {uuid.uuid4()} */"
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(16) as pool:
        threads = [loop.run_in_executor(pool, driver.execute, stmt, ["local"]) for _ in range(16)]
        await asyncio.gather(*threads, *(driver.execute_async(stmt, ["local"]) for _ in range(50)))
    assert prepares.texts == [stmt]
    await driver.execute_async(stmt, ["local"])
    driver.execute(stmt, ["local"])
    assert prepares.texts == [stmt]


def test_the_cache_is_bounded(connect: Callable[..., Any], table: Callable[[str], str]) -> None:
    """The last used statements stay, and all go on working."""
    driver = connect(statement_cache_size=5)
    name = table("k int PRIMARY KEY, v int")
    for number in range(20):
        assert driver.execute(f"SELECT v FROM {name} WHERE k = {number}", []) == []
    assert len(driver._pipeline.statements) == 5
    assert driver.execute(f"SELECT v FROM {name} WHERE k = 0", []) == []


@pytest.mark.parametrize("fast_path", [True, False])
async def test_unqualified_names(
    api: Api, connect: Callable[..., Any], keyspace: str, caplog: pytest.LogCaptureFixture, fast_path: bool
) -> None:
    """Statements with names in the connection's keyspace have no warning of the server about that."""
    name = f"unqualified_{api.is_async:d}{fast_path:d}"
    await api.execute(f"CREATE TABLE {keyspace}.{name} (k int PRIMARY KEY, v int)", [])
    api = Api(connect(keyspace=keyspace, fast_path=fast_path), is_async=api.is_async)
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    with observing(recorder := Recorder()):
        await api.execute_many(insert, [[n, n] for n in range(5)])
        await api.execute_batch([(insert, [n, n]) for n in range(5, 9)])
        await api.execute(f"BEGIN BATCH {insert}; DELETE FROM {name} WHERE k = ? APPLY BATCH", [9, 9, 0])
        for _ in range(3):
            rows = await api.execute(f"SELECT k FROM {name}", [])
            assert sorted(row["k"] for row in rows) == list(range(1, 10))
    assert {event.warnings for event in recorder.of(RequestFinished)} == {()}
    assert [record for record in caplog.records if record.name == "cassandra.protocol"] == []


async def test_errors_of_unqualified_statements(api: Api, connect: Callable[..., Any], keyspace: str) -> None:
    """Errors have the caller's statement, and positions in it."""
    name = f"errors_{api.is_async:d}"
    await api.execute(f"CREATE TABLE {keyspace}.{name} (k int PRIMARY KEY, v int)", [])
    api = Api(connect(keyspace=keyspace), is_async=api.is_async)
    wrong = f"SELECT k FROM {name} WHERE k === 1"
    with pytest.raises(InvalidQueryError, match=f"line 1:{wrong.index('==') + 1} ") as refused:
        await api.execute(wrong, [])
    assert refused.value.statement == wrong
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    for _ in range(3):
        with pytest.raises(ParameterTypeError) as mistyped:
            await api.execute(insert, [1, "one"])
        assert mistyped.value.statement == insert
        with pytest.raises(ParameterTypeError) as mistyped:
            await api.execute_batch([(insert, [1, 1]), (insert, [1, "one"])])
        assert mistyped.value.statement == insert
        await api.execute(insert, [1, 1])


async def test_schema_statements_are_not_prepared(api: Api, keyspace: str, prepares: _Prepares) -> None:
    """Nor TRUNCATE, nor any of them after a comment."""
    name = f"{keyspace}.unprepared_{'a' if api.is_async else 's'}"
    await api.execute(f"-- first\n/* the\n table */ CREATE TABLE {name} (k int PRIMARY KEY)", [])
    await api.execute(f"// again\nALTER TABLE {name} ADD v int", [])
    await api.execute(f"CREATE INDEX ON {name} (v)", [])
    await api.execute(f"truncate {name}", [])
    await api.execute(f"DROP TABLE {name}", [])
    assert prepares.texts == []


async def test_a_batch_as_text_stays_out_of_the_cache(api: Api, table: Callable[[str], str]) -> None:
    """BEGIN … APPLY BATCH works with parameters and is forgotten."""
    name = table("k int PRIMARY KEY, v int")
    before = len(api.driver._pipeline.statements)
    writes = f"INSERT INTO {name} (k, v) VALUES (?, ?); UPDATE {name} SET v = ? WHERE k = ?"
    text = f"BEGIN BATCH {writes}; APPLY BATCH"
    await api.execute(text, [1, 1, 2, 2])
    assert len(api.driver._pipeline.statements) == before
    rows = await api.execute(f"SELECT k, v FROM {name}", [])
    assert {row["k"]: row["v"] for row in rows} == {1: 1, 2: 2}


def test_the_server_may_forget(driver: Any, table: Callable[[str], str], connect: Callable[..., Any]) -> None:
    """A statement that the server no longer knows is prepared again, unnoticed."""
    name = table("k int PRIMARY KEY, v int")
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    driver.execute(insert, [1, 1])
    # Dropping a column makes the server forget the table's statements.
    connect().execute(f"ALTER TABLE {name} ADD w int", [])
    for number in range(5):
        driver.execute(insert, [number, number])
    assert driver.execute_one(f"SELECT count(*) FROM {name}", []) == 5


async def test_our_own_schema_change_drops_at_once(api: Api, keyspace: str) -> None:
    """After DROP and CREATE with another type, the very next request knows the new one."""
    name = f"{keyspace}.own_{'a' if api.is_async else 's'}"
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    await api.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, v int)", [])
    await api.execute(insert, [1, 1])
    await api.execute(f"DROP TABLE {name}", [])
    await api.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, v text)", [])
    with pytest.raises(ParameterTypeError, match="text"):
        await api.execute(insert, [1, 1])
    await api.execute(insert, [1, "one"])
    assert await api.execute(f"SELECT v FROM {name}", []) == [{"v": "one"}]


async def test_our_own_schema_change_without_metadata(connect: Callable[..., Any], keyspace: str) -> None:
    """A session that keeps no schema metadata forgets all statements when this driver changes a table."""
    driver = connect(schema_metadata_enabled=False)
    name = f"{keyspace}.blind"
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    for is_async in (False, True):
        await driver.execute_async(f"CREATE TABLE {name} (k int PRIMARY KEY, v int)", [])
        driver.execute(insert, [1, 1])
        await driver.execute_async(f"DROP TABLE {name}", [])
        driver.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, v text)", [])
        with pytest.raises(ParameterTypeError, match="text"):
            driver.execute(insert, [1, 65])
        if is_async:
            await driver.execute_async(insert, [1, "one"])
        driver.execute_one(f"DROP TABLE {name}", [])


async def test_a_new_column_is_seen_by_select_star(
    api: Api, connect: Callable[..., Any], keyspace: str
) -> None:
    """``SELECT *`` has a column that another client added, and loses one that it dropped."""
    name = f"{keyspace}.star_{'a' if api.is_async else 's'}"
    other = connect()
    await api.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, v int)", [])
    await api.execute(f"INSERT INTO {name} (k, v) VALUES (1, 1)", [])
    assert await api.execute(f"SELECT * FROM {name}", []) == [{"k": 1, "v": 1}]
    other.execute(f"ALTER TABLE {name} ADD w text", [])
    assert await api.execute(f"SELECT * FROM {name}", []) == [{"k": 1, "v": 1, "w": None}]
    other.execute(f"ALTER TABLE {name} DROP v", [])
    assert await api.execute(f"SELECT * FROM {name}", []) == [{"k": 1, "w": None}]


def test_anothers_schema_change_drops_with_its_event(
    connect: Callable[..., Any], driver: Any, keyspace: str
) -> None:
    """Until the event arrives a value may be encoded for the old type; with it that ends, soon."""
    name = f"{keyspace}.theirs"
    insert = f"INSERT INTO {name} (k, v) VALUES (?, ?)"
    other = connect()
    driver.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, v int)", [])
    driver.execute(insert, [1, 1])
    other.execute(f"DROP TABLE {name}", [])
    other.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, v text)", [])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            driver.execute(insert, [1, 1])
        except ParameterTypeError:
            break
        except CoodieError:
            pass
        time.sleep(0.02)
    else:
        pytest.fail("the old type is still in use after ten seconds")
    driver.execute(insert, [2, "two"])
    assert driver.execute(f"SELECT v FROM {name} WHERE k = 2", []) == [{"v": "two"}]


def test_a_changed_type_drops_its_users(driver: Any, connect: Callable[..., Any], keyspace: str) -> None:
    """A field that another client adds to a UDT can be written as soon as the event is here."""
    other = connect()
    driver.execute(f"CREATE TYPE {keyspace}.point (x int)", [])
    name = f"{keyspace}.points"
    driver.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, p frozen<point>)", [])
    insert = f"INSERT INTO {name} (k, p) VALUES (?, ?)"
    driver.execute(insert, [1, {"x": 1}])
    other.execute(f"ALTER TYPE {keyspace}.point ADD y int", [])
    deadline = time.monotonic() + 10
    while True:
        try:
            driver.execute(insert, [2, {"x": 2, "y": 2}])
            break
        except CoodieError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    rows = driver.execute(f"SELECT k, p FROM {name}", [])
    assert {row["k"]: row["p"] for row in rows} == {1: {"x": 1, "y": None}, 2: {"x": 2, "y": 2}}


async def test_what_changes_beside_a_statement_leaves_it_prepared(
    api: Api, keyspace: str, prepares: _Prepares
) -> None:
    """Other types and tables, options and indexes of its own, metadata that are read again: none counts."""
    suffix = str(api.is_async).lower()
    name = f"{keyspace}.beside_{suffix}"
    await api.execute(f"CREATE TYPE {keyspace}.inside_{suffix} (x int)", [])
    await api.execute(f"CREATE TYPE {keyspace}.used_{suffix} (i frozen<inside_{suffix}>)", [])
    await api.execute(f"CREATE TABLE {name} (k int PRIMARY KEY, u frozen<used_{suffix}>, l list<int>)", [])
    insert, select = f"INSERT INTO {name} (k, u) VALUES (?, ?)", f"SELECT u FROM {name} WHERE k = ?"
    statements: dict[str, list[Any]] = {
        insert: [1, {"i": {"x": 1}}],
        select: [1],
        f"UPDATE {name} SET l = ? WHERE k = ?": [[1], 1],
        "SELECT key FROM system.local WHERE key = ?": ["local"],
    }

    async def prepared_after(change: str | None) -> list[str]:
        if change is None:
            api.driver.session.cluster.refresh_schema_metadata()
        else:
            await api.execute(change, [])
        prepares.texts.clear()
        for stmt, params in statements.items():
            await api.execute(stmt, params)
        return sorted(prepares.texts)

    for stmt, params in statements.items():
        await api.execute(stmt, params)
    for change in (
        f"CREATE TYPE {keyspace}.other_{suffix} (x int)",
        f"ALTER TYPE {keyspace}.other_{suffix} ADD y int",
        f"CREATE TABLE {name}_other (k int PRIMARY KEY, v int)",
        f"ALTER TABLE {name} WITH comment = 'new'",
        f"CREATE INDEX ON {name} (l)",
        f"ALTER KEYSPACE {keyspace} WITH durable_writes = false",
        f"DROP TABLE {name}_other",
        f"DROP TYPE {keyspace}.other_{suffix}",
        None,
    ):
        assert await prepared_after(change) == [], change
    # What is inside of its type does, and so does a column.
    assert await prepared_after(f"ALTER TYPE {keyspace}.inside_{suffix} ADD y int") == sorted(
        [insert, select]
    )
    inside = {"x": 2, "y": 3}
    await api.execute(insert, [1, {"i": inside}])
    assert await api.execute_one(select, [1]) == {"i": inside}
    assert await prepared_after(f"ALTER TABLE {name} ADD m int") == sorted(list(statements)[:3])


def test_one_call_tells_that_a_statement_is_current(driver: Any, keyspace: str) -> None:
    """That is so with many user types beside it, too, and knows those alone that it uses."""
    for number in range(20):
        driver.execute(f"CREATE TYPE IF NOT EXISTS {keyspace}.many_{number} (x int)", [])
    driver.execute(f"CREATE TABLE {keyspace}.many (k int PRIMARY KEY, u frozen<many_3>)", [])
    for columns, used in (("k", []), ("k, u", ["many_3"])):
        stmt = f"SELECT {columns} FROM {keyspace}.many WHERE k = ?"
        driver.execute(stmt, [1])
        statement = driver._pipeline.statements.find(stmt).prepared
        assert [name for name, _ in statement.known.types] == used
        calls: list[str] = []

        def note(frame: Any, event: str, _: object, calls: list[str] = calls) -> None:
            if event == "call":
                calls.append(frame.f_code.co_name)

        sys.setprofile(note)
        try:
            assert driver._client.is_current(statement)
        finally:
            sys.setprofile(None)
        assert calls == ["is_current"]


async def test_prepare_keeps_the_requests_timeout(
    connect: Callable[..., Any], proxy: FaultProxy, table: Callable[[str], str]
) -> None:
    """A prepare without an answer ends in time, off the loop; a late one enters the cache."""
    driver = connect(hosts=[proxy.host], port=proxy.port)
    name = table("k int PRIMARY KEY, v int")
    started = time.monotonic()
    real = driver.session.prepare
    go_on = threading.Event()
    driver.session.prepare = lambda query: go_on.wait(20) and real(query)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    ticker = asyncio.create_task(tick())
    with pytest.raises(RequestTimeoutError) as caught:
        await driver.execute_async(f"SELECT v FROM {name}", [], timeout=0.5)
    ticker.cancel()
    assert caught.value.timeout == 0.5
    assert time.monotonic() - started < 5
    assert ticks > 5
    go_on.set()
    deadline = time.monotonic() + 10
    while not driver._client.preparer._pending and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert len(driver._client.preparer._pending) == 1
    assert await driver.execute_async(f"SELECT v FROM {name}", []) == []
    assert not driver._client.preparer._pending
