"""FakeCluster: the backends connect to it as to a server, and get what a program says."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from tests.conftest import Api, open_driver

import coodie
from coodie.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    InvalidQueryError,
    OverloadedError,
    ReadTimeoutError,
    RequestTimeoutError,
    ServerError,
    UnavailableError,
)
from coodie.registry import DriverRegistry, using_registry
from coodie.types import UNSET, Duration
from coodie_testing import ANY, FakeCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

READ = "SELECT id, name FROM shop.orders WHERE id = ?"
WRITE = "INSERT INTO shop.orders (id, name) VALUES (?, ?)"
COLUMNS = {"id": "int", "name": "text"}


def opened(cluster: FakeCluster, backend: str, **options: Any) -> Any:
    """Connect."""
    return open_driver(backend, **cluster.connection_options(), **options)


@pytest.fixture(scope="module")
def cluster() -> Iterator[FakeCluster]:
    """Start one."""
    with using_registry(DriverRegistry()), FakeCluster() as cluster:
        cluster.table("shop.orders", COLUMNS)
        yield cluster


@pytest.fixture(scope="module")
def driver(cluster: FakeCluster, backend: str) -> Iterator[Any]:
    """Connect to it."""
    with opened(cluster, backend, keyspace="shop") as driver:
        yield driver


@pytest.fixture(autouse=True)
def _said_anew(cluster: FakeCluster) -> None:
    cluster.clear()


# --- starting ---------------------------------------------------------------------------


def test_it_starts_in_ten_milliseconds() -> None:
    """The best of several: a busy machine is no fault of its own."""
    durations = []
    for _ in range(20):
        begin = time.perf_counter()
        with FakeCluster():
            durations.append(time.perf_counter() - begin)
    assert min(durations) < 0.01


async def test_names_of_the_connections_keyspace(cluster: FakeCluster, driver: Any) -> None:
    """Drivers qualify names when they prepare; a stub may have the keyspace or not, as the request then."""
    short = "SELECT name FROM orders WHERE id = ?"
    for stmt in (short, short.replace("orders", '"shop".orders')):
        cluster.when(stmt, [1]).rows([{"name": "a"}])
        assert driver.execute(stmt, [1]) == await driver.execute_async(stmt, [1]) == [{"name": "a"}]
        assert [request.statement for request in cluster.requests] == [stmt] * 2
        cluster.clear()


def test_the_fixture_is_one(fake_cluster: FakeCluster, backend: str, registry: object) -> None:
    """A test that takes the fixture has a server of its own."""
    fake_cluster.when(READ, [1], types=["int"]).rows([{"id": 1, "name": "a"}])
    with opened(fake_cluster, backend) as driver:
        assert driver.execute(READ, [1]) == [{"id": 1, "name": "a"}]


@pytest.mark.parametrize("version", [4, 5])
def test_each_version_of_the_protocol_is_spoken(backend: str, registry: object, version: int) -> None:
    """The drivers agree on the newest that the node speaks, and read the schema."""
    with FakeCluster(max_protocol=version) as cluster:
        cluster.table("shop.orders", COLUMNS | {"day": "date"}, partition_key=["id", "day"])
        cluster.when(WRITE)
        with opened(cluster, backend) as driver:
            assert driver.session.cluster.protocol_version == version
            table = driver.session.cluster.metadata.keyspaces["shop"].tables["orders"]
            assert [column.name for column in table.partition_key] == ["id", "day"]
            driver.execute(WRITE, [1, "a"])
            cluster.forget_statements()
            driver.execute(WRITE, [2, "b"])
    assert [request.params for request in cluster.requests] == [[1, "a"], [2, "b"]]


@pytest.mark.parametrize("reads_schema", [True, False])
async def test_a_statement_is_prepared_once(
    fake_cluster: FakeCluster, backend: str, registry: object, *, reads_schema: bool
) -> None:
    """A prepared statement is kept, whether the driver knows the table from the schema or not."""
    fake_cluster.table("shop.orders", COLUMNS)
    fake_cluster.when(READ).rows([{"id": 1, "name": "a"}])
    with opened(fake_cluster, backend, schema_metadata_enabled=reads_schema) as driver:
        for number in range(3):
            driver.execute(READ, [number])
            await driver.execute_async(READ, [number])
        assert driver.stats().statements.misses == 1


def test_a_login_is_asked_for(backend: str, registry: object) -> None:
    """The right password opens a connection, another one is refused."""
    with FakeCluster(username="ada", password="lovelace") as cluster:
        cluster.when("SELECT id FROM shop.orders").rows([{"id": 1}])
        with opened(cluster, backend) as driver:
            assert driver.execute_one("SELECT id FROM shop.orders", []) == 1
        options = cluster.connection_options() | {"password": "byron"}
        with pytest.raises(AuthenticationError):
            open_driver(backend, **options)


# --- answers ----------------------------------------------------------------------------


async def test_rows_are_those_of_the_parameters(api: Api, cluster: FakeCluster) -> None:
    """Each value has its own; another has none, and the error says what to do."""
    for number in (1, 2):
        cluster.when(READ, [number]).rows([{"id": number, "name": str(number)}])
    assert await api.execute("select id,name from shop.orders\n where id = :id", {"id": 2}) == [
        {"id": 2, "name": "2"}
    ]
    assert await api.execute(READ, [1]) == [{"id": 1, "name": "1"}]
    with pytest.raises(InvalidQueryError, match=r"these parameters of .*Add when\(…\)"):
        await api.execute(READ, [3])
    with pytest.raises(InvalidQueryError, match=r"No response is scripted for 'SELECT nothing FROM shop\.x'"):
        await api.execute("SELECT nothing FROM shop.x", [])


VALUES = {
    "bigint": 7,
    "boolean": True,
    "double": 0.5,
    "text": "ä",
    "blob": b"\0\1",
    "decimal": Decimal("-1.50"),
    "varint": -(2**80),
    "uuid": UUID(int=5),
    "timestamp": dt.datetime(2026, 1, 2, 3, 4, 5, 678000),
    "date": dt.date(1969, 12, 31),
    "time": dt.time(1, 2, 3, 4),
    "duration": Duration(-1, -2, -300_000_000_000),
    "inet": ip_address("::1"),
    "list<bigint>": [1, 2],
    "set<text>": {"a"},
    "map<text, bigint>": {"a": 1},
    "tuple<bigint, text>": (1, "x"),
    "int": -1,
    "smallint": 2,
    "tinyint": -3,
    "float": 0.25,
}


async def test_every_type_goes_there_and_back(api: Api, cluster: FakeCluster) -> None:
    """As a parameter and in a row, and null; types are named where Python's values don't tell them."""
    names = [f"c{number}" for number in range(len(VALUES))]
    insert = f"INSERT INTO shop.kinds ({', '.join(names)}) VALUES ({', '.join('?' for _ in names)})"
    cluster.when(insert, types=list(VALUES))
    row = dict(zip(names, VALUES.values(), strict=True))
    types = dict(zip(names, VALUES, strict=True))
    cluster.when("SELECT * FROM shop.kinds").rows([row, dict.fromkeys(names)], types=types)
    await api.execute(insert, list(VALUES.values()))
    assert cluster.requests[-1].params == list(VALUES.values())
    found = await api.execute("SELECT * FROM shop.kinds", [])
    expected = {name: shown(types[name], value) for name, value in row.items()}
    assert found[0] == expected
    assert [value for value in found[1].values() if value is not None] == []


@pytest.mark.parametrize("number", range(17), ids=list(VALUES)[:17])
async def test_the_type_of_a_value_is_inferred(driver: Any, cluster: FakeCluster, number: int) -> None:
    """Without a table and without types, of parameters and of rows."""
    name, value = list(VALUES.items())[number]
    read = f"SELECT x FROM shop.inferred_{number} WHERE y = ?"
    cluster.when(read, [value]).rows([{"x": value}])
    assert await driver.execute_async(read, [value]) == [{"x": shown(name, value)}]


def shown(name: str, value: Any) -> Any:
    """Return a value as drivers return it."""
    return str(value) if name == "inet" else value


async def test_pages_have_the_size_that_is_asked_for(api: Api, cluster: FakeCluster) -> None:
    """Or less, where the server has smaller ones; all rows come without a fetch_size."""
    rows = [{"id": number} for number in range(10)]
    cluster.when("SELECT id FROM shop.orders").rows(rows, page_size=4)
    page = await api.execute("SELECT id FROM shop.orders", [], fetch_size=3)
    assert page == rows[:3]
    page = await api.execute("SELECT id FROM shop.orders", [], fetch_size=100, paging_state=page.paging_state)
    assert page == rows[3:7]
    assert await api.execute("SELECT id FROM shop.orders", []) == rows
    assert [row async for row in api.stream("SELECT id FROM shop.orders", [], fetch_size=2)] == rows


async def test_no_rows(api: Api, cluster: FakeCluster) -> None:
    """A read that finds nothing returns an empty list, each time, with columns or without."""
    cluster.when(READ).rows([])
    cluster.when(READ, [2]).rows([], types=COLUMNS)
    for number in (1, 2, 1, 2):
        assert await api.execute(READ, [number]) == []
    assert [row async for row in api.stream(READ, [1])] == []


async def test_a_condition_is_met_or_not(api: Api, cluster: FakeCluster) -> None:
    """Rows.applied says so, and the row that is there comes with it."""
    statement = f"{WRITE} IF NOT EXISTS"
    cluster.when(statement, [1, ANY]).applied()
    cluster.when(statement, [2, ANY]).applied(applied=False, row={"id": 2, "name": "other"})
    assert (await api.execute(statement, [1, "a"])).applied
    rows = await api.execute(statement, [2, "a"])
    assert not rows.applied
    assert rows[0]["name"] == "other"


async def test_unset_isn_t_null(api: Api, cluster: FakeCluster) -> None:
    """A stub tells them apart, and requests show which it was."""
    cluster.when(WRITE, [1, None]).warnings("null")
    cluster.when(WRITE, [1, UNSET]).warnings("unset")
    assert (await api.execute(WRITE, [1, None])).warnings == ("null",)
    assert (await api.execute(WRITE, [1, UNSET])).warnings == ("unset",)
    assert [request.params[1] for request in cluster.requests] == [None, UNSET]


# --- errors: those of each class are in test_fake_errors ---------------------------------


async def test_an_error_that_passes_is_retried(api: Api, cluster: FakeCluster) -> None:
    """The newest stub goes first, as often as it says; a read is sent again, a write isn't."""
    cluster.when(READ).rows([{"id": 1, "name": "a"}])
    failing = cluster.when(READ).error(ReadTimeoutError, received=2).times(1)
    assert await api.execute(READ, [1]) == [{"id": 1, "name": "a"}]
    assert failing.calls == 1
    cluster.when(WRITE)
    cluster.when(WRITE).error(ServerError).times(1)
    with pytest.raises(ServerError):
        await api.execute(WRITE, [1, "a"])
    assert [request.statement for request in cluster.requests] == [READ, READ, WRITE]


async def test_no_answer_is_a_timeout(api: Api, cluster: FakeCluster) -> None:
    """By its class; and an answer that is late is one, too."""
    cluster.when(WRITE).error(RequestTimeoutError)
    with pytest.raises(RequestTimeoutError):
        await api.execute(WRITE, [1, "a"], timeout=0.1)
    cluster.when(READ).rows([{"id": 1, "name": "a"}]).delay(0.3)
    with pytest.raises(RequestTimeoutError):
        await api.execute(READ, [1], timeout=0.1)
    assert await api.execute(READ, [1], timeout=10) == [{"id": 1, "name": "a"}]


def test_a_connection_ends(fake_cluster: FakeCluster, backend: str, registry: object) -> None:
    """In place of an answer, or as one of all; the driver connects again."""
    cluster = fake_cluster
    cluster.table("shop.orders", COLUMNS)
    with opened(cluster, backend) as driver:
        cluster.when(WRITE).error(ConnectionFailedError).times(1)
        with pytest.raises(ConnectionFailedError):
            driver.execute(WRITE, [1, "a"])
        cluster.when(READ).rows([{"id": 1, "name": "a"}])
        cluster.disconnect()
        assert answered(driver) == [{"id": 1, "name": "a"}]


def answered(driver: Any) -> Any:
    """Ask until the driver has connected again."""
    end = time.monotonic() + 30
    while True:
        try:
            return driver.execute(READ, [1], timeout=5)
        except ConnectionFailedError:
            assert time.monotonic() < end
            time.sleep(0.05)


# --- what was asked ---------------------------------------------------------------------


async def test_requests_say_what_was_asked(api: Api, cluster: FakeCluster) -> None:
    """What is on the wire is in requests, what only the driver knows in calls."""
    cluster.when(WRITE)
    options = coodie.RequestOptions(idempotent=True, serial_consistency="LOCAL_SERIAL")
    await api.execute(WRITE, [1, "a"], consistency="QUORUM", timeout=7.5, options=options)
    (request,) = cluster.requests
    assert (request.kind, request.statement, request.params) == ("execute", WRITE, [1, "a"])
    assert (request.consistency, request.serial_consistency) == ("QUORUM", "LOCAL_SERIAL")
    assert request.timestamp is not None
    (call,) = cluster.calls
    assert (call.timeout, call.idempotent, call.rows) == (7.5, True, 0)


async def test_a_batch_is_one_request(api: Api, cluster: FakeCluster) -> None:
    """Each statement has a stub; an error of one is the batch's."""
    cluster.when(WRITE)
    await api.execute_batch([(WRITE, [1, "a"]), (WRITE, [2, "b"])], batch_type="UNLOGGED")
    (request,) = cluster.requests
    assert (request.kind, request.batch_type) == ("batch", "UNLOGGED")
    assert request.params == [[1, "a"], [2, "b"]]
    cluster.when(WRITE, [3, ANY]).error(OverloadedError)
    with pytest.raises(OverloadedError):
        await api.execute_batch([(WRITE, [1, "a"]), (WRITE, [3, "c"])])


async def test_the_consistency_of_a_batch(api: Api, cluster: FakeCluster) -> None:
    """It is the request's, or else the connection's, whichever way the batch is sent."""
    cluster.when(WRITE)
    batch = [(WRITE, [1, "a"]), (WRITE, [2, "b"])]
    await api.execute_batch(batch)
    for level in ("ALL", "EACH_QUORUM"):
        await api.execute_batch(batch, consistency=level)
    assert [request.consistency for request in cluster.requests] == ["LOCAL_ONE", "ALL", "EACH_QUORUM"]


@pytest.mark.parametrize("batch_type", ["LOGGED", "UNLOGGED"])
async def test_a_part_of_a_batch_may_have_been_applied(
    api: Api, cluster: FakeCluster, batch_type: str
) -> None:
    """If too few replicas of one statement are alive, others of an unlogged batch may have been applied."""
    cluster.when(WRITE).error(UnavailableError, alive=0, required=1)
    with pytest.raises(UnavailableError) as caught:
        await api.execute_batch([(WRITE, [1, "a"]), (WRITE, [2, "b"])], batch_type=batch_type)
    assert caught.value.may_have_been_applied is (batch_type == "UNLOGGED")


async def test_many_requests_are_answered(api: Api, cluster: FakeCluster) -> None:
    """execute_many, whose requests are in flight together."""
    cluster.when(WRITE)
    result = await api.execute_many(WRITE, [[number, "a"] for number in range(500)])
    assert result.succeeded == 500
    assert {request.params[0] for request in cluster.requests} == set(range(500))


async def test_a_schema_statement_is_told_to_clients(api: Api, cluster: FakeCluster) -> None:
    """The driver reads the table anew that it says has changed."""
    create = "CREATE TABLE shop.new (id int PRIMARY KEY)"
    cluster.when(create).schema_change("CREATED", "TABLE", "shop", "new")
    cluster.table("shop.new", {"id": "int"})
    await api.execute(create, [])
    assert cluster.requests[-1].kind == "query"
    assert "new" in api.driver.session.cluster.metadata.keyspaces["shop"].tables


def test_markers_without_a_type_are_refused(cluster: FakeCluster) -> None:
    """At once, and with what helps; the tokens of a statement tell the columns of a table's markers."""
    with pytest.raises(ConfigurationError, match=r"'other' .* is unknown"):
        cluster.when("SELECT id FROM shop.orders WHERE other = ?")
    stub = cluster.when(
        "UPDATE shop.orders USING TTL ? SET name = ?, id = id + ? WHERE id IN ? AND name IN (?, ?) IF id > ?"
    )
    types = ["int", "text", "int", "list<int>", "text", "text", "int"]
    assert [str(kind) for _, kind in stub.markers] == types
    stub = cluster.when("INSERT INTO shop.orders (id, name) VALUES (1, lower(?)) USING TIMESTAMP ?")
    assert [str(kind) for _, kind in stub.markers] == ["text", "bigint"]


async def test_a_session_of_the_programs_stays_open(
    api: Api, driver: Any, cluster: FakeCluster, backend: str
) -> None:
    """Closing a driver on the session of another one closes its own connections only."""
    cluster.when(READ).rows([{"id": 1, "name": "a"}])
    with open_driver(backend, name="borrower", session=driver.session) as borrower:
        assert borrower.execute(READ, [1]) == [{"id": 1, "name": "a"}]
    assert not driver.session.is_shutdown
    assert await api.execute(READ, [1]) == [{"id": 1, "name": "a"}]


# --- several nodes ----------------------------------------------------------------------


def test_nodes_stop_and_start(backend: str, registry: object) -> None:
    """The driver finds all of them, goes on without one, and comes back."""
    with FakeCluster(nodes=3) as cluster:
        cluster.table("shop.orders", COLUMNS)
        cluster.when(READ).rows([{"id": 1, "name": "a"}])
        with opened(cluster, backend) as driver:
            assert len(driver.session.cluster.metadata.all_hosts()) == 3
            asked_within(cluster, driver, {0, 1, 2})
            cluster.stop_node(2)
            for _ in range(20):
                # One may be on its way to the node at this moment.
                rows = driver.execute(READ, [1], timeout=10, options=coodie.RequestOptions(idempotent=True))
                assert rows == [{"id": 1, "name": "a"}]
            cluster.start_node(2)
            asked_within(cluster, driver, {0, 1, 2})


def asked_within(cluster: FakeCluster, driver: Any, nodes: set[int]) -> None:
    """Send requests until all of these nodes have been asked."""
    cluster.requests.clear()
    end = time.monotonic() + 30
    number = 0
    while {request.node for request in cluster.requests} != nodes:
        assert time.monotonic() < end
        number += 1
        driver.execute(READ, [number], timeout=10)
