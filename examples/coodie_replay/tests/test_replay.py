"""What is recorded with a server is replayed without one: rows, pages, errors, batches, many at once."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from coodie_replay.errors import RecordingError, UnrecordedRequestError

import coodie
from coodie import exceptions
from coodie.codecs import ip_address_codec
from coodie.exceptions import ConfigurationError, DriverClosedError, UnavailableError
from coodie.explanations import explanations
from coodie.registry import DriverRegistry, using_registry
from coodie_testing import ANY, FakeCluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ = "SELECT id, name FROM shop.orders WHERE id = ?"
ALL = "SELECT id FROM shop.orders"
WRITE = "INSERT INTO shop.orders (id, name) VALUES (?, ?)"


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with using_registry(DriverRegistry()):
        yield


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the path of a recording."""
    return tmp_path / "orders.jsonl"


@pytest.fixture
def cluster(fake_cluster: FakeCluster) -> FakeCluster:
    """Give a server with a table."""
    fake_cluster.table("shop.orders", {"id": "int", "name": "text", "price": "decimal"})
    return fake_cluster


def record(cluster: FakeCluster, file: Path, **options: Any) -> Any:
    """Open a driver that records."""
    terms = cluster.connection_options() | options
    return coodie.init_coodie(driver_type="replay", backend="scylla", file=str(file), mode="record", **terms)


def replay(file: Path, **options: Any) -> Any:
    """Open a driver that replays; nobody listens at its host, and its backend isn't installed."""
    terms: dict[str, Any] = {"hosts": ["127.0.0.1"], "port": 1, "backend": "nothing", **options}
    return coodie.init_coodie(driver_type="replay", file=file, **terms)


def both(cluster: FakeCluster, file: Path, work: Any) -> None:
    """Do the same with a driver that records and with one that replays; both have to return the same."""
    with record(cluster, file) as driver:
        recorded = work(driver)
    sent = len(cluster.requests)
    with replay(file) as driver:
        assert work(driver) == recorded
    assert len(cluster.requests) == sent


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Any:
    """Give a function that calls a driver's method, in a thread or on an event loop."""

    def call(driver: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if request.param == "sync":
            return getattr(driver, name)(*args, **kwargs)

        async def run() -> Any:
            return await getattr(driver, f"{name}_async")(*args, **kwargs)

        return asyncio.run(run())

    return call


def test_rows(cluster: FakeCluster, file: Path, call: Any) -> None:
    """Equal values, columns and warnings; each replayed row is a new one."""
    row = {"id": 1, "name": "Größe", "price": Decimal("1.50")}
    stmt = READ.replace("name", "name, price")
    cluster.when(stmt, [1]).rows([row]).warnings("slow")

    def work(driver: Any) -> Any:
        rows = call(driver, "execute", stmt, [1])
        rows[0]["name"] += "!"
        again = call(driver, "execute", stmt, [1])
        one = call(driver, "execute_one", stmt, [1])
        shaped = call(driver, "execute", stmt, [1], rows=tuple)
        return rows, again, rows.columns, rows.warnings, rows.paging_state, one, shaped, type(shaped[0])

    both(cluster, file, work)


def test_pages(cluster: FakeCluster, file: Path, call: Any) -> None:
    """By their paging states, as bytes and as text, and as a stream."""
    cluster.when(ALL).rows([{"id": number} for number in range(7)])

    def work(driver: Any) -> Any:
        first = call(driver, "execute", ALL, [], fetch_size=3)
        second = call(driver, "execute", ALL, [], fetch_size=3, paging_state=first.paging_state)
        third = call(driver, "execute", ALL, [], fetch_size=3, paging_state=second.cursor)
        assert not third.has_more_pages
        return first, second, third, list(driver.stream(ALL, fetch_size=2)), call(driver, "execute", ALL, [])

    both(cluster, file, work)


def test_pages_in_another_order(cluster: FakeCluster, file: Path, call: Any) -> None:
    """A page is found by its paging state, not by the order of the requests."""
    cluster.when(ALL).rows([{"id": number} for number in range(7)])
    with record(cluster, file) as driver:
        first = call(driver, "execute", ALL, [], fetch_size=3)
        second = call(driver, "execute", ALL, [], fetch_size=3, paging_state=first.paging_state)
        third = call(driver, "execute", ALL, [], fetch_size=3, paging_state=second.paging_state)
    with replay(file) as driver:
        assert call(driver, "execute", ALL, [], fetch_size=3, paging_state=second.paging_state) == third
        assert call(driver, "execute", ALL, [], fetch_size=3) == first
        with pytest.raises(UnrecordedRequestError):
            call(driver, "execute", ALL, [], fetch_size=3)


def test_conditional_writes_and_batches(cluster: FakeCluster, file: Path, call: Any) -> None:
    """Rows.applied, the existing row, and a batch with its type."""
    stmt = f"{WRITE} IF NOT EXISTS"
    cluster.when(stmt, [1, ANY]).applied()
    cluster.when(stmt, [2, ANY]).applied(applied=False, row={"id": 2, "name": "other"})
    cluster.when(WRITE)

    def work(driver: Any) -> Any:
        found = [call(driver, "execute", stmt, [number, "a"]) for number in (1, 2)]
        batch = call(driver, "execute_batch", [(WRITE, [1, "a"]), (WRITE, [2, "b"])], "UNLOGGED")
        return found, [rows.applied for rows in found], batch

    both(cluster, file, work)
    assert cluster.requests[-1].batch_type == "UNLOGGED"
    with replay(file) as driver, pytest.raises(UnrecordedRequestError, match="another value of type"):
        driver.execute_batch([(WRITE, [1, "a"]), (WRITE, [2, "b"])])


ERRORS: list[tuple[type[exceptions.CoodieError], dict[str, Any]]] = [
    (UnavailableError, {"alive": 0, "required": 3}),
    (exceptions.WriteTimeoutError, {"write_type": "CAS", "contentions": 2}),
    (exceptions.WriteFailureError, {"reasons": {"10.0.0.1": 1}}),
    (exceptions.FunctionFailureError, {"argument_types": ("int",)}),
    (exceptions.AlreadyExistsError, {"keyspace": "shop", "table": None}),
    (exceptions.RequestTimeoutError, {}),
]


@pytest.mark.parametrize(("cls", "attributes"), ERRORS, ids=lambda value: getattr(value, "__name__", ""))
def test_errors(
    cluster: FakeCluster, file: Path, call: Any, cls: type[exceptions.CoodieError], attributes: dict[str, Any]
) -> None:
    """The same class, text and attributes."""
    cluster.when(WRITE).error(cls, **attributes)

    def work(driver: Any) -> Any:
        with pytest.raises(cls) as caught:
            call(driver, "execute", WRITE, [1, "a"], timeout=0.5)
        error = caught.value
        assert type(error) is cls
        state = {name: value for name, value in vars(error).items() if not name.startswith("_")}
        return str(error), error.may_have_been_applied, state

    both(cluster, file, work)


def test_mistakes_of_the_caller(cluster: FakeCluster, file: Path, call: Any) -> None:
    """What the backend refuses before it sends anything is refused again."""
    cluster.when(WRITE)

    def work(driver: Any) -> Any:
        found = []
        for arguments in ([WRITE, [1, "a"], "NOPE"], [WRITE, [1]], [WRITE, ["x", "a"]], [7, []]):
            with pytest.raises(coodie.CoodieError) as caught:
                call(driver, "execute", *arguments)
            found.append((type(caught.value), str(caught.value)))
        return found

    both(cluster, file, work)


def test_equal_requests_in_their_order(cluster: FakeCluster, file: Path, call: Any) -> None:
    """Each recorded response is used once; then the request is an unrecorded one."""
    cluster.when(READ, [1]).rows([{"id": 1, "name": "new"}])
    cluster.when(READ, [1]).rows([{"id": 1, "name": "old"}]).times(1)
    with record(cluster, file) as driver:
        assert [call(driver, "execute", READ, [1])[0]["name"] for _ in range(2)] == ["old", "new"]
    with replay(file) as driver:
        assert [call(driver, "execute", READ, [1])[0]["name"] for _ in range(2)] == ["old", "new"]
        with pytest.raises(UnrecordedRequestError, match="recorded 2 times, and is requested once more"):
            call(driver, "execute", READ, [1])


def test_an_unrecorded_request(cluster: FakeCluster, file: Path, call: Any) -> None:
    """The error has the nearest recorded request and what differs, without values."""
    cluster.when(READ).rows([])
    cluster.when(ALL).rows([])
    with record(cluster, file) as driver:
        driver.execute(ALL, [])
        driver.execute(READ, [4711])
    with replay(file) as driver:
        with pytest.raises(UnrecordedRequestError) as caught:
            call(driver, "execute", READ, [815])
        error = caught.value
        assert "The nearest is line 3, the same statement with another value of parameter 0." in str(error)
        assert "4711" not in str(error)
        assert "815" not in str(error)
        assert (error.nearest, error.line, error.statement, error.file) == (READ, 3, READ, str(file))
        assert not error.may_have_been_applied
        with pytest.raises(UnrecordedRequestError, match="with another value of consistency"):
            call(driver, "execute", READ, [4711], "QUORUM")
        with pytest.raises(UnrecordedRequestError, match="with another value of the number of parameters"):
            call(driver, "execute", READ, [1, 2])
        with pytest.raises(UnrecordedRequestError, match="with another value of options"):
            call(driver, "execute", READ, [4711], options=coodie.RequestOptions(idempotent=True))
        with pytest.raises(
            UnrecordedRequestError, match=r"The nearest is line 3, 'SELECT id, name FROM shop\."
        ):
            call(driver, "execute", f"{READ} AND x = 1", [1])
        assert call(driver, "execute", READ, [4711], timeout=3) == []
    record(cluster, file).close()
    with replay(file) as driver, pytest.raises(UnrecordedRequestError, match="nothing is recorded"):
        driver.ping()


def test_many_at_once(cluster: FakeCluster, file: Path) -> None:
    """Threads and tasks get their own responses, and each recorded request is in the file."""
    for number in range(40):
        cluster.when(READ, [number]).rows([{"id": number, "name": str(number)}])

    def work(driver: Any) -> Any:
        many = driver.execute_many(READ, [[number] for number in range(20)])
        with ThreadPoolExecutor(8) as pool:
            threads = list(pool.map(lambda number: driver.execute(READ, [number]), range(40)))

        async def tasks() -> Any:
            found = await driver.execute_many_async(READ, [[number] for number in range(20)])
            return [found.rows(n) for n in range(20)], await asyncio.gather(
                *(driver.execute_async(READ, [n]) for n in range(40))
            )

        return [many.rows(n) for n in range(20)], threads, asyncio.run(tasks())

    both(cluster, file, work)
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1 + 20 + 40 + 20 + 40


def test_a_cancelled_request_isn_t_recorded(cluster: FakeCluster, file: Path) -> None:
    """It has no response."""
    cluster.when(READ).rows([]).delay(30)
    asyncio.run(_cancelled(cluster, file))
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1


async def _cancelled(cluster: FakeCluster, file: Path) -> None:
    async with await coodie.init_coodie_async(
        driver_type="replay", backend="scylla", file=file, mode="record", **cluster.connection_options()
    ) as driver:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(driver.execute_async(READ, [1]), 0.2)


def test_other_tasks_run_during_a_replay(cluster: FakeCluster, file: Path) -> None:
    """A loop of requests doesn't keep the event loop for itself."""
    cluster.when(READ).rows([])
    with record(cluster, file) as driver:
        for _ in range(50):
            driver.execute(READ, [1])

    async def work() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        with replay(file) as driver:
            counting = asyncio.create_task(count())
            for _ in range(50):
                await driver.execute_async(READ, [1])
            counting.cancel()
        return turns

    assert asyncio.run(work()) > 40


def test_the_driver_is_as_the_recorded_one(cluster: FakeCluster, file: Path) -> None:
    """Its capabilities, and its end."""
    with record(cluster, file, keyspace="shop") as driver:
        have, is_raw = driver.capabilities, driver.needs_row_validation
        driver.warm()
        assert driver.stats().nodes
        assert driver.is_live()
    assert not driver.is_live()
    driver.close()
    driver = replay(file, keyspace="shop")
    assert (driver.capabilities, driver.needs_row_validation) == (have, is_raw)
    driver.warm()
    assert driver.is_live()
    driver.close()
    driver.close()
    assert not driver.is_live()
    with pytest.raises(DriverClosedError):
        driver.execute(READ, [1])


# --- the file ---------------------------------------------------------------------------


def test_the_old_file_stays_until_the_end(cluster: FakeCluster, file: Path) -> None:
    """It is replaced at once, and one recorder has it; a failed connection changes nothing."""
    cluster.when(READ).rows([])
    record(cluster, file).close()
    old = file.read_bytes()
    with record(cluster, file) as driver:
        driver.execute(READ, [1])
        with pytest.raises(RecordingError, match="is being recorded by another driver"):
            record(cluster, file, name="second")
        assert file.read_bytes() == old
    assert file.read_bytes() != old
    new = file.read_bytes()
    with pytest.raises(coodie.ConnectionFailedError):
        record(cluster, file, hosts=["127.0.0.1"], port=1)
    assert file.read_bytes() == new
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    record(cluster, file).close()


def test_values_that_can_t_be_recorded(cluster: FakeCluster, file: Path) -> None:
    """Those of codecs: the request raises, and says why; a replay doesn't return another value."""
    cluster.table("shop.hosts", {"id": "int", "ip": "inet"})
    stmt = "SELECT ip FROM shop.hosts WHERE id = ?"
    cluster.when(stmt).rows([{"ip": "::1"}], types={"ip": "inet"})
    codecs = {"codecs": [ip_address_codec()]}
    with (
        record(cluster, file, backend_options=codecs) as driver,
        pytest.raises(RecordingError, match="a IPv6Address can't be recorded"),
    ):
        driver.execute(stmt, [1])
    with replay(file) as driver, pytest.raises(UnrecordedRequestError):
        driver.execute(stmt, [1])


def test_other_files(cluster: FakeCluster, file: Path) -> None:
    """A missing file, another one, and one that was edited: the error has the line."""
    with pytest.raises(RecordingError, match="doesn't exist, and mode='replay' needs it"):
        replay(file)
    with pytest.raises(RecordingError, match=r"The directory of .* doesn't exist"):
        record(cluster, file.parent / "none" / "x")
    with pytest.raises(RecordingError, match="Can't read"):
        replay(file.parent)
    cluster.when(READ).rows([{"id": 1, "name": "a"}])
    with record(cluster, file) as driver:
        driver.execute(READ, [1])
    head, line = file.read_text(encoding="utf-8").splitlines()
    content = json.loads(line)
    broken = [
        "",
        "x",
        "[]",
        "{}",
        head,
        line[:-5],
        json.dumps({**content, "outcome": {}}),
        json.dumps({**content, "outcome": {"rows": [{"id": {"nothing": 1}}]}}),
        json.dumps({**content, "outcome": {"error": "Exception", "message": "", "attributes": {}}}),
    ]
    for number, lines in [(2, [head, text]) for text in broken] + [(1, [line]), (1, [""])]:
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        with pytest.raises(RecordingError, match=rf"Line {number} of .* isn't part of a recording"):
            replay(file)
    file.write_text(head.replace('"coodie_replay": 1', '"coodie_replay": 2'), encoding="utf-8")
    with pytest.raises(RecordingError, match="Line 1"):
        replay(file)


def test_options(file: Path) -> None:
    """Each mistake names its option, before anything is connected."""
    mistakes: list[tuple[str, dict[str, Any]]] = [
        ("file", {}),
        ("mode", {"file": file, "mode": "write"}),
        ("backend", {"file": file, "mode": "record"}),
        ("backend", {"file": file, "mode": "record", "backend": "replay"}),
        ("backend_options", {"file": file, "backend_options": 3}),
        ("files", {"file": file, "files": 3}),
    ]
    for option, options in mistakes:
        with pytest.raises(ConfigurationError) as caught:
            coodie.init_coodie(driver_type="replay", **options)
        assert caught.value.option == option


def test_errors_are_explained() -> None:
    """`coodie explain` has a section for each."""
    assert {"ReplayError", "RecordingError", "UnrecordedRequestError"} <= explanations().keys()
    assert UnrecordedRequestError("x").explanation == "coodie explain UnrecordedRequestError"


def test_threads_end(cluster: FakeCluster, file: Path) -> None:
    """A replay has none."""
    record(cluster, file).close()
    before = threading.active_count()
    with replay(file):
        assert threading.active_count() == before
