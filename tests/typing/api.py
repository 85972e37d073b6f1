"""The public API as an application's author writes it; only type-checked, never run."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

from typing_extensions import assert_type

import coodie
from coodie import UNSET, BatchType, RequestOptions, Rows
from coodie.drivers import (
    AbstractDriver,
    Driver,
    LazyDriver,
    get_driver,
    init_coodie,
    init_coodie_async,
    register_driver,
)
from coodie.drivers.base import AbstractDriver as BaseDriver
from coodie.drivers.cassandra import CassandraDriver
from coodie.exceptions import CoodieError, ExecuteManyError, RequestTimeoutError
from coodie.many import ManyResult
from coodie.observers import (
    Host,
    ObservedRequest,
    RequestFinished,
    RequestKind,
    observe_request,
    observing,
    register_observer,
    unregister_observer,
)
from coodie.observers.metrics import RequestCounters
from coodie.observers.recorder import Recorder
from coodie.plugins import hookimpl
from coodie.scan import AsyncScan, Scan, read_split, read_split_async
from coodie.schema import ColumnDefinition, SchemaSyncMixin, SimpleStrategy, SyncOptions, SyncResult

INSERT = "INSERT INTO ks.users (id, name, age) VALUES (?, ?, ?)"
SELECT = "SELECT id, name, age FROM ks.users WHERE id = ?"

COLUMNS = [
    ColumnDefinition(name="id", cql_type="int", primary_key=True),
    ColumnDefinition(name="name", cql_type="text", required=True, index=True),
    ColumnDefinition(name="age", cql_type="int"),
]


def connect() -> None:
    """Open connections in all the ways there are."""
    assert_type(init_coodie(), Driver)
    assert_type(init_coodie(["db1", "db2"], keyspace="ks", driver_type="cassandra", name="second"), Driver)
    assert_type(init_coodie(driver_type="acme", acme_option=1), Driver)
    assert_type(coodie.connect("acme://db1", name="acme", acme_option=1), Driver)
    published: list[AbstractDriver] = [init_coodie(), get_driver()]
    assert_type(published[0].execute(SELECT, [1]), list[dict[str, Any]])
    assert_type(coodie.init_coodie(hosts=["db1"], ssl_context=ssl.create_default_context()), Driver)
    init_coodie(hosts=["db1"], lazy=True, compression="lz4", port=9043, username="me", password="secret")
    init_coodie(hosts=["db1"], compression=True, local_dc="dc1", request_timeout=2.5, consistency="QUORUM")
    assert_type(get_driver(), Driver)
    assert_type(get_driver("second"), Driver)
    assert_type(coodie.get_driver(name=None), Driver)


async def connect_async() -> None:
    """Open connections from a coroutine."""
    assert_type(await init_coodie_async(hosts=["db1"], driver_type="scylla"), Driver)
    assert_type(await init_coodie_async(driver_type="acme", acme_option=1), Driver)
    assert_type(await coodie.connect_async("scylla://db1", name="shop"), Driver)
    await init_coodie_async(
        hosts=["db1"],
        ssl_enabled=True,
        ssl_trusted_cert="ca.pem",
        ssl_cert="client.pem",
        ssl_private_key="client.key",
        ssl_verify_flags=3,
    )


def make_drivers(session: Any) -> None:
    """Make drivers by hand and register them."""
    lazy = LazyDriver(["db1"], "ks", None, {"driver_type": "cassandra"})
    register_driver("lazy", lazy)
    direct = CassandraDriver(session, default_keyspace="ks")
    register_driver("direct", direct, default=True)
    owning = CassandraDriver(session, owns_session=True)
    drivers: list[BaseDriver] = [lazy, direct, owning]
    for driver in drivers:
        assert_type(driver.needs_row_validation, bool)


def request(driver: Driver) -> None:
    """Send requests and read their answers."""
    assert_type(driver.execute(INSERT, [1, "Ada", UNSET]), Rows)
    assert_type(driver.execute("SELECT * FROM ks.users").first(), dict[str, Any] | None)
    assert_type(driver.execute(SELECT, {"id": 1}).one(), dict[str, Any])
    rows = driver.execute(SELECT, [1], consistency="LOCAL_QUORUM", timeout=1.5)
    assert_type(rows[0]["name"], Any)
    assert_type(driver.execute_one("SELECT count(*) FROM ks.users", []), Any)
    driver.execute(SELECT, [1], options=RequestOptions(idempotent=True, trace=True))
    driver.execute_batch([(INSERT, [1, "Ada", 36]), "DELETE FROM ks.users WHERE id = 2"], BatchType.UNLOGGED)
    driver.execute_batch([(INSERT, (1, "Ada", 36))], "logged")
    assert_type(driver.ping(timeout=0.5), bool)
    driver.close()


def page(driver: Driver, direct: CassandraDriver) -> None:
    """Read page by page."""
    rows = direct.execute(SELECT, [1], fetch_size=100)
    assert_type(rows, Rows[Any])
    assert_type(rows.paging_state, bytes | None)
    assert_type(rows.has_more_pages, bool)
    assert_type(rows.applied, bool | None)
    state: bytes | None = rows.paging_state
    direct.execute(SELECT, [1], fetch_size=100, paging_state=state)
    driver.execute(SELECT, [1], fetch_size=100, paging_state=rows.cursor)
    assert_type(driver.stream(SELECT, [1], fetch_size=500), Generator[dict[str, Any], None, None])
    for row in driver.stream("SELECT id FROM ks.users WHERE id = :id", {"id": 1}):
        assert_type(row, dict[str, Any])


async def request_async(driver: Driver, direct: CassandraDriver) -> None:
    """Do the same from a coroutine."""
    assert_type(await driver.execute_async(INSERT, (1, "Ada", 36)), Rows)
    assert_type(await direct.execute_async(SELECT, [1], fetch_size=10), Rows[Any])
    assert_type(await driver.execute_one_async("SELECT count(*) FROM ks.users", []), Any)
    assert_type(driver.stream_async(SELECT, [1]), AsyncGenerator[dict[str, Any], None])
    async for row in driver.stream_async("SELECT * FROM ks.users"):
        assert_type(row, dict[str, Any])
    await driver.execute_batch_async([(INSERT, {"id": 1, "name": "Ada", "age": 36})], BatchType.LOGGED)
    assert_type(await driver.ping_async(), bool)
    await driver.close_async()


@dataclass
class Person:
    """A row."""

    id: int
    name: str


class Pair(NamedTuple):
    """A row."""

    id: int
    name: str


def named(id: int, name: str) -> str:  # noqa: A002 - a column's name
    """Make a row."""
    return f"{id} {name}"


async def shapes(driver: Driver, direct: CassandraDriver) -> None:
    """Have rows as one's own types."""
    assert_type(driver.execute(SELECT, [1], rows=Person), Rows[Person])
    assert_type(driver.execute(SELECT, [1], rows=Person).one().name, str)
    assert_type(driver.execute(SELECT, [1], rows=Pair).first(), Pair | None)
    assert_type(driver.execute(SELECT, [1], rows=named), Rows[str])
    assert_type(driver.execute(SELECT, [1], rows=dict).one()["name"], Any)
    assert_type(driver.execute(SELECT, [1], rows="scalar"), Rows[Any])
    assert_type(driver.execute(SELECT, [1], rows="dict"), Rows)
    for first, *_others in driver.execute(SELECT, [1], rows=tuple):
        assert_type(first, Any)
    assert_type(await driver.execute_async(SELECT, rows=Person), Rows[Person])
    assert_type(driver.stream(SELECT, rows=Person), Generator[Person, None, None])
    assert_type(driver.stream_async(SELECT, rows=Person), AsyncGenerator[Person, None])
    assert_type(driver.execute_many(SELECT, [[1]], rows=Person), ManyResult[Person])
    assert_type((await driver.execute_many_async(SELECT, [[1]], rows=Person)).rows(0), list[Person])
    assert_type(direct.execute(SELECT, [1], rows=Person), Rows[Any])
    driver.execute(SELECT, [1], options=RequestOptions(rows=Person))
    init_coodie(rows=tuple)


async def scans(driver: Driver) -> None:
    """Read whole tables."""
    assert_type(driver.scan("ks.users"), Scan)
    for row in driver.scan("ks.users", columns=["id"], where=("age > ?", [18])):
        assert_type(row, dict[str, Any])
    assert_type(driver.scan("ks.users", rows=Person), Scan[Person])
    assert_type([person.name for person in driver.scan("ks.users", rows=Person)], list[str])
    assert_type(driver.scan("ks.users", rows=named), Scan[str])
    assert_type(driver.scan("ks.users", rows="scalar"), Scan[Any])
    assert_type(driver.scan_async("ks.users"), AsyncScan)
    async for person in driver.scan_async("ks.users", rows=Person, concurrency=4):
        assert_type(person, Person)
    assert_type(driver.scan_async("ks.users", rows="tuple"), AsyncScan[Any])
    (split,) = driver.scan_splits("ks.users", 1)
    assert_type(read_split(driver, split), Scan)
    assert_type(read_split(driver, split, rows=Person), Scan[Person])
    assert_type(read_split_async(driver, split, rows=Pair), AsyncScan[Pair])
    assert_type(read_split_async(driver, split), AsyncScan)
    with driver.scan("ks.users", rows=Person) as people:
        assert_type(people, Scan[Person])
        assert_type(next(people), Person)


def many(driver: Driver) -> None:
    """Execute a statement for many sets of parameters."""
    failed: set[int] = set()

    def told(index: int, outcome: list[dict[str, Any]] | Exception) -> None:
        if isinstance(outcome, Exception):
            failed.add(index)

    def told_rows(index: int, outcome: Rows | Exception) -> None:
        if isinstance(outcome, Rows):
            outcome.one_or_none()

    driver.execute_many(INSERT, [[1, "Ada", 36]], on_result=told_rows)
    result = driver.execute_many(
        INSERT, ([n, "name", n] for n in range(1000)), concurrency=32, on_result=told
    )
    assert_type(result, ManyResult)
    assert_type(result.errors, dict[int, Exception])


async def many_async(driver: Driver) -> None:
    """Execute a statement for parameters that come asynchronously."""

    async def numbers() -> AsyncIterator[list[Any]]:
        for number in range(1000):
            yield [number, "name", number]

    assert_type(await driver.execute_many_async(INSERT, numbers(), on_progress=print), ManyResult)
    assert_type(await driver.execute_many_async(INSERT, [[1, "Ada", 36]]), ManyResult)


async def tables(driver: Driver) -> None:
    """Bring tables into shape."""
    assert_type(driver.sync_table("users", "ks", COLUMNS), list[str])
    driver.sync_table("users", "ks", tuple(COLUMNS))
    driver.sync_table("users", "ks", COLUMNS, {"gc_grace_seconds": 3600}, dry_run=True)
    driver.sync_table("users", "ks", COLUMNS, options=SyncOptions(create_keyspace=SimpleStrategy(1)))
    assert_type(await driver.sync_table_async("users", "ks", COLUMNS, drop_removed_indexes=True), list[str])


async def contexts(hosts: list[str]) -> None:
    """Leave closing to `with`."""
    with init_coodie(hosts) as driver:
        assert_type(driver, Driver)
    async with await init_coodie_async(hosts) as driver:
        assert_type(driver, Driver)


def failures(driver: Driver) -> None:
    """Handle errors by their class or by the builtin that they are, too."""
    try:
        driver.execute(INSERT, [1, "Ada", 36])
    except RequestTimeoutError as exc:
        builtin: TimeoutError = exc
        assert_type(builtin.errno, int | None)
    except CoodieError as exc:
        assert_type(str(exc), str)
    try:
        driver.execute_many(INSERT, [[1, "Ada", 36]])
    except ExecuteManyError as exc:
        assert_type(exc.result, ManyResult | None)


class Own(BaseDriver):
    """A third party's driver, with the published signatures and no more."""

    def execute(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> list[dict[str, Any]]:
        """Return no rows."""
        return []

    def sync_table(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None = None,
        dry_run: bool = False,
        drop_removed_indexes: bool = False,
        *,
        options: SyncOptions | None = None,
    ) -> list[str]:
        """Change nothing."""
        return []

    def close(self) -> None:
        """Hold nothing."""

    async def execute_async(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        *,
        options: RequestOptions | None = None,
    ) -> Rows:
        """Return no rows; a narrower type is fine."""
        return Rows()

    async def sync_table_async(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None = None,
        dry_run: bool = False,
        drop_removed_indexes: bool = False,
        *,
        options: SyncOptions | None = None,
    ) -> list[str]:
        """Change nothing."""
        return []

    async def close_async(self) -> None:
        """Hold nothing."""


class Inheriting(SchemaSyncMixin, Own):
    """A third party's driver that leaves the sync of tables to the mixin."""


async def sync(direct: CassandraDriver) -> None:
    """What a sync has to say can be read where the driver's class is known."""
    assert_type(direct.sync_table("users", "ks", COLUMNS), SyncResult)
    assert_type((await direct.sync_table_async("users", "ks", COLUMNS)).warnings, tuple[str, ...])
    assert_type(Inheriting().sync_table("users", "ks", COLUMNS), SyncResult)


register_driver("inheriting", Inheriting())
register_driver("own", Own())


class Observer:
    """What is told of requests."""

    @hookimpl
    def coodie_request_finished(self, event: RequestFinished) -> None:
        """Use what an event has."""
        assert_type(event.duration, float)
        assert_type(event.error, BaseException | None)
        assert_type(event.host, Host | None)
        assert_type(event.kind, RequestKind)


def observe(driver: Driver) -> None:
    """Observe, and tell."""
    register_observer(Observer())
    unregister_observer(Observer())
    with observing(Observer(), recorder := Recorder()):
        driver.execute(SELECT, [1])
    assert_type(recorder.request(), RequestFinished)
    with observe_request(driver, SELECT, [1], consistency="ONE") as request:
        assert_type(request, ObservedRequest)
        request.add_page(1, Host(address="db1"))
    counters = RequestCounters()
    assert_type(counters.snapshot().total().latency.percentile(99), float | None)
