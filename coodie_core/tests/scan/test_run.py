"""Scans with drivers of different capabilities: requests, retries, memory and messages."""

from __future__ import annotations

import json
import logging
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import MemoryDriver

from coodie.capabilities import Capability
from coodie.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    InvalidQueryError,
    RequestTimeoutError,
    UnsupportedError,
)
from coodie.requests import RequestOptions
from coodie.rows import Rows
from coodie.scan import ScanOptions, ScanProgress
from coodie.scan.checkpoint import Checkpoint, digest_of
from coodie.scan.ring import WHOLE_RING

if TYPE_CHECKING:
    from collections.abc import Callable

_DHT = "org.apache.cassandra.dht"
#: Node → its token, as text.
_RING = {1: "0", 2: str(-(2**62)), 3: str(2**62)}
_COLUMNS = [
    {
        "column_name": "k",
        "clustering_order": "none",
        "kind": "partition_key",
        "position": 0,
        "type": "bigint",
    },
    {"column_name": "v", "clustering_order": "none", "kind": "regular", "position": -1, "type": "int"},
]


class RingDriver(MemoryDriver):
    """A table whose keys are their own tokens, spread evenly, on a ring of three nodes."""

    _default_keyspace = "ks"

    def __init__(self, rows: int = 100) -> None:
        step = 2**64 // max(1, rows)
        super().__init__([{"k": -(2**63) + 1 + n * step, "v": n} for n in range(rows)])
        self.system: dict[str, Any] = {
            "system.local": [
                {"partitioner": f"{_DHT}.Murmur3Partitioner", "host_id": 1, "tokens": {_RING[1]}}
            ],
            "system.peers": [{"host_id": 2, "tokens": {_RING[2]}}, {"host_id": 3, "tokens": {_RING[3]}}],
            "system_schema.columns": _COLUMNS,
            "system_schema.tables": [{"id": None}],
            "system.size_estimates": [],
        }
        self.pages: list[tuple[int, int]] = []

    def execute(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the system tables' rows, or a page of the table's."""
        for name, rows in self.system.items():
            if f"FROM {name} " in f"{stmt} ":
                return [dict(row) for row in rows]
        if "FROM system." in stmt:
            raise InvalidQueryError(f"no such table: {stmt}")
        super().execute(stmt, params, *args, **kwargs)
        first, last = params[-2:]
        found = [dict(row) for row in self.rows if first <= row["k"] <= last]
        self.pages.append((first, last))
        if "fetch_size" not in kwargs:
            return found if Capability.PAGING not in self.capabilities else Rows(found)
        start = int(kwargs.get("paging_state") or 0)
        end = start + kwargs["fetch_size"]
        return Rows(found[start:end], paging_state=str(end).encode() if end < len(found) else None)

    async def execute_async(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the same, without ``rows=``, which is added to each of them."""
        execute: Any = type(self).execute
        found: list[dict[str, Any]] = execute.__wrapped__(self, stmt, params, *args, **kwargs)
        return found


@pytest.fixture
def rows_of(is_async: bool) -> Callable[..., Any]:
    """Scan to the end, or to a number of rows."""

    async def scan(driver: Any, most: int | None = None, **asked: Any) -> tuple[list[int], Any]:
        found: list[int] = []
        if is_async:
            async with driver.scan_async("t", **asked) as running:
                while len(found) != most and (row := await anext(running, None)):
                    found.append(row["v"])
            return found, running
        with driver.scan("t", **asked) as running:
            while len(found) != most and (row := next(running, None)):
                found.append(row["v"])
        return found, running

    return scan


@pytest.mark.parametrize(
    "lacking",
    [set(), {Capability.PAGING}, {Capability.ROUTING}, {Capability.PAGING, Capability.ROUTING}],
)
async def test_whatever_a_driver_can(
    rows_of: Any, lacking: set[Capability], caplog: pytest.LogCaptureFixture
) -> None:
    """Each row is delivered once; unsupported options aren't used, and missing routing is logged."""
    driver = RingDriver()
    driver.capabilities = frozenset(set(Capability) - lacking)
    with caplog.at_level(logging.INFO, "coodie.scan"):
        found, scan = await rows_of(driver, options=ScanOptions(fetch_size=3))
    assert sorted(found) == list(range(100))
    assert scan.is_routed is (Capability.ROUTING not in lacking)
    assert ("doesn't support routing by token" in caplog.text) is (Capability.ROUTING in lacking)
    for _, params, asked in driver.calls:
        assert ("fetch_size" in asked) is (Capability.PAGING not in lacking)
        options = RequestOptions(idempotent=True, routing_token=params[0])
        assert asked.get("options") == (None if Capability.ROUTING in lacking else options)


@pytest.mark.parametrize("paging", [True, False])
async def test_resumed(rows_of: Any, paging: bool) -> None:
    """A checkpoint after any row resumes with the next one; also where pages aren't paged."""
    for most in (1, 2, 3, 4, 50, 99, 100):
        driver = RingDriver()
        driver.capabilities = frozenset(Capability) if paging else frozenset()
        first, scan = await rows_of(driver, most, options=ScanOptions(fetch_size=3))
        checkpoint = json.loads(json.dumps(scan.checkpoint()))
        rest, resumed = await rows_of(driver, checkpoint=checkpoint)
        assert sorted(first + rest) == list(range(100))
        assert resumed.progress.rows == 100
        assert resumed.progress.fraction == 1.0


async def test_page_is_requested_again(rows_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that may pass ends neither the scan nor the range; no row comes twice."""
    monkeypatch.setattr("coodie.scan.retry._PAUSE", 0.001)
    driver = RingDriver()
    left = iter(range(20))
    driver.fault = lambda _: RequestTimeoutError("slow") if next(left, 20) % 2 else None
    found, _ = await rows_of(driver, options=ScanOptions(fetch_size=3))
    assert sorted(found) == list(range(100))


async def test_given_up(rows_of: Any, is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last attempt the error is raised; the scan's checkpoint has what is left."""
    monkeypatch.setattr("coodie.scan.retry._PAUSE", 0.001)
    driver = RingDriver()
    driver.fault = lambda params: RequestTimeoutError("slow") if params[0] > 0 else None
    found: list[int] = []
    asked: dict[str, Any] = {"concurrency": 1, "options": ScanOptions(retries=2)}
    scan: Any = driver.scan_async("t", **asked) if is_async else driver.scan("t", **asked)
    with pytest.raises(RequestTimeoutError):
        while row := await anext(scan) if is_async else next(scan):
            found.append(row["v"])
    driver.fault = lambda _: None
    rest, _ = await rows_of(driver, checkpoint=scan.checkpoint())
    assert rest
    assert sorted(found + rest) == list(range(100))


async def test_a_thousand_retries(rows_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delay before a retry doesn't overflow, however many there are."""
    monkeypatch.setattr("coodie.scan.retry._MAX_PAUSE", 0.0)
    driver = RingDriver()
    driver.fault = lambda _: RequestTimeoutError("slow") if len(driver.calls) < 1100 else None
    found, _ = await rows_of(driver, concurrency=1, options=ScanOptions(retries=2000))
    assert len(found) == 100


def test_no_retry_after_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan that is closed while a page waits for its retry ends the wait, and doesn't retry."""
    monkeypatch.setattr("coodie.scan.retry._PAUSE", 60.0)
    monkeypatch.setattr("coodie.scan.retry._MAX_PAUSE", 60.0)
    driver, failed = RingDriver(), threading.Event()

    def fault(params: Any) -> Exception | None:
        if params[0] == WHOLE_RING.first:
            return None
        failed.set()
        return RequestTimeoutError("slow")

    driver.fault = fault
    with driver.scan("t", concurrency=1) as scan:
        next(scan)
        assert failed.wait(30)
    assert len(driver.calls) == 2


@pytest.mark.parametrize("error", [AuthenticationError, InvalidQueryError])
async def test_what_does_not_pass_is_raised(rows_of: Any, error: type[Exception]) -> None:
    """Other errors are raised at once."""
    driver = RingDriver()
    driver.fault = lambda _: error("no")
    with pytest.raises(error):
        await rows_of(driver, concurrency=1)
    assert len(driver.calls) == 1


async def test_pages_in_memory_are_bounded(is_async: bool) -> None:
    """While rows are consumed, no more pages are requested than may be in flight, and one more."""
    driver = RingDriver(1000)
    delivered: list[ScanProgress] = []
    options = ScanOptions(fetch_size=5, on_progress=delivered.append)
    scan: Any = (driver.scan_async if is_async else driver.scan)("t", concurrency=2, options=options)
    taken = 0
    while (await anext(scan, None) if is_async else next(scan, None)) is not None:
        assert len(driver.pages) <= len(delivered) + 3
        taken += 1
    assert taken == 1000


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": True}, "concurrency"),
        ({"concurrency": 1001}, "concurrency"),
        ({"columns": 5}, "columns"),
        ({"columns": "ab"}, "columns"),
        ({"columns": []}, "columns"),
        ({"where": 1}, "where"),
        ({"where": ("a", 1)}, "where"),
        ({"where": 0}, "where"),
        ({"where": ("a", [], 1)}, "where"),
        ({"where": "v > 1;"}, "where"),
        ({"where": "v > ?"}, "where"),
        ({"where": ("v > ?", [1, 2])}, "where"),
        ({"where": ("v > ?", "1")}, "where"),
        ({"where": ("v > :least", {"most": 1})}, "where"),
        ({"where": "v > 1 LIMIT 1"}, "where"),
        ({"where": ("v > ? /* */ group  BY k", [1])}, "where"),
        ({"where": "v > 1 PER PARTITION LIMIT 1"}, "where"),
        ({"where": "v > 1 ALLOW FILTERING"}, "where"),
        ({"checkpoint": {}}, "checkpoint"),
        ({"options": {"fetch_size": 5}}, "options"),
        ({"options": {}}, "options"),
    ],
)
def test_arguments(asked: dict[str, Any], option: str) -> None:
    """Arguments that can't be used are refused at once, by name."""
    with pytest.raises(ConfigurationError) as caught:
        RingDriver().scan("t", **asked)
    assert caught.value.option == option


@pytest.mark.parametrize("where", [None, "", " \n", "-- none", "/* none */"])
async def test_empty_conditions(rows_of: Any, where: str | None) -> None:
    """A condition of spaces and comments is none, since it would be followed by AND."""
    driver = RingDriver()
    await rows_of(driver, where=where)
    assert driver.calls[0][0] == "SELECT * FROM ks.t WHERE token(k) >= ? AND token(k) <= ?"


@pytest.mark.parametrize("where", ["v = 'x LIMIT 1'", 'group = 1 AND "limit" = 2', "v = 1 -- LIMIT 1\n"])
def test_conditions_with_such_words(where: str) -> None:
    """The words of clauses may be in texts, comments and names."""
    RingDriver().scan("t", where=where)


@pytest.mark.parametrize(
    ("where", "cql", "params"),
    [
        (("v > ? AND v < ?", [1, 9]), "v > ? AND v < ?", [1, 9]),
        (("v > :a AND v < :B AND w = :a", {"a": 1, "b": 9}), "v > ? AND v < ? AND w = ?", [1, 9, 1]),
        ("v > 1 -- low", "v > 1 -- low\n", []),
        ("v > 1 // low", "v > 1 // low\n", []),
    ],
)
async def test_statement_with_a_condition(rows_of: Any, where: Any, cql: str, params: list[int]) -> None:
    """The condition is before the tokens, so its parameters have the caller's numbers; a comment ends."""
    driver = RingDriver()
    await rows_of(driver, where=where)
    stmt, (*given, _first, _last), _ = driver.calls[0]
    assert stmt == f"SELECT * FROM ks.t WHERE {cql} AND token(k) >= ? AND token(k) <= ? ALLOW FILTERING"
    assert given == params


@pytest.mark.parametrize("name", ["", "a.b.c", 'a."B"', "a.", 1])
def test_names(name: Any) -> None:
    """A name that no table has is refused at once."""
    with pytest.raises(ConfigurationError):
        RingDriver().scan(name)


def test_without_a_keyspace() -> None:
    """A table without a keyspace is the connection's, and refused where it has none."""
    with pytest.raises(ConfigurationError, match="has no keyspace"):
        MemoryDriver().scan("t")


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"fetch_size": 0}, "fetch_size"),
        ({"timeout": -1}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"on_progress": 1}, "on_progress"),
        ({"on_progress": MemoryDriver().execute_async}, "on_progress"),
        ({"consistency": "often"}, "consistency"),
    ],
)
def test_options(given: dict[str, Any], option: str) -> None:
    """Options that can't be used are refused when they are made, by name."""
    with pytest.raises(ConfigurationError) as caught:
        ScanOptions(**given)
    assert caught.value.option == option


async def test_other_partitioners(rows_of: Any) -> None:
    """A cluster whose tokens aren't Murmur3's is refused."""
    driver = RingDriver()
    driver.system["system.local"][0]["partitioner"] = f"{_DHT}.RandomPartitioner"
    with pytest.raises(UnsupportedError, match="RandomPartitioner"):
        await rows_of(driver)


class ManyNodes(RingDriver):
    """Each read of a node's tables is answered by a node of the test's choice."""

    def __init__(self, *nodes: int) -> None:
        super().__init__()
        self.nodes = list(nodes)

    def execute(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Return what the next node has, or the last one."""
        if "FROM system.local" in stmt or "FROM system.peers" in stmt:
            node = self.nodes.pop(0) if len(self.nodes) > 1 else self.nodes[0]
            ids = [node] if "FROM system.local" in stmt else sorted(_RING.keys() - {node})
            rows = [{"host_id": each, "tokens": {_RING[each]}} for each in ids]
            return [row | {"partitioner": f"{_DHT}.Murmur3Partitioner"} for row in rows]
        return super().execute(stmt, params, *args, **kwargs)


@pytest.mark.parametrize("nodes", [(1,), (1, 2, 3), (1, 2, 1, 3), (1, 2, 2), (1, 3, 1, 3, 1, 3, 2)])
async def test_the_whole_ring_is_known(rows_of: Any, nodes: tuple[int, ...]) -> None:
    """Whichever nodes answer, the ranges end at each node's token, and each row comes once."""
    driver = ManyNodes(*nodes)
    found, _ = await rows_of(driver, concurrency=1)
    assert sorted(found) == list(range(100))
    assert {int(token) for token in _RING.values()} <= {last for _, last in driver.pages}


@pytest.mark.parametrize("is_view", [False, True])
async def test_tablets(rows_of: Any, is_view: bool) -> None:
    """Where a table or a view has tablets, these are what no range reaches beyond, in place of the ring."""
    driver = RingDriver()
    if is_view:
        driver.system |= {"system_schema.tables": [], "system_schema.views": [{"id": None}]}
    driver.system["system.tablets"] = [{"last_token": -1}, {"last_token": 2**63 - 1}]
    found, _ = await rows_of(driver, concurrency=1)
    assert sorted(found) == list(range(100))
    lasts = {last for _, last in driver.pages}
    assert -1 in lasts
    assert len(driver.pages) == 4


async def test_tablets_of_another_table(rows_of: Any) -> None:
    """Where a table has no tablets of its own, the ring is divided at the nodes' tokens."""
    driver = RingDriver()
    driver.system["system.tablets"] = [{"last_token": None}]
    found, _ = await rows_of(driver, concurrency=1)
    assert sorted(found) == list(range(100))
    assert {int(token) for token in _RING.values()} <= {last for _, last in driver.pages}


def test_no_checkpoint_before_the_first_row() -> None:
    """Before anything is known of the table there is nothing to resume; it says so."""
    with pytest.raises(ConfigurationError, match="before its first row"):
        RingDriver().scan("t").checkpoint()


async def test_the_start_is_retried(rows_of: Any, is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transient error of the reads before the first page is retried, and the checkpoint isn't lost."""
    monkeypatch.setattr("coodie.scan.retry._PAUSE", 0.001)
    _, begun = await rows_of(RingDriver(), most=40, options=ScanOptions(fetch_size=3))
    checkpoint = begun.checkpoint()
    failures = iter([RequestTimeoutError("slow"), RequestTimeoutError("slow")])

    class SlowStart(RingDriver):
        """The first reads of the schema fail."""

        def execute(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
            if "system_schema.columns" in stmt and (error := next(failures, None)):
                raise error
            return super().execute(stmt, params, *args, **kwargs)

    driver = SlowStart()
    asked: dict[str, Any] = {"checkpoint": checkpoint, "options": ScanOptions(retries=0)}
    failed: Any = driver.scan_async("t", **asked) if is_async else driver.scan("t", **asked)
    assert failed.checkpoint() == checkpoint
    with pytest.raises(RequestTimeoutError):
        await anext(failed) if is_async else next(failed)
    assert failed.checkpoint() == checkpoint
    rest, _ = await rows_of(driver, checkpoint=checkpoint)
    assert len(rest) == 60


@pytest.mark.parametrize("attempts", [1, 4])
async def test_the_start_has_a_limit(rows_of: Any, attempts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no host can be reached, the start is retried for some seconds; the error has the attempts."""
    monkeypatch.setattr("coodie.scan.retry._PAUSE", 0.001)
    clock = iter([0.0] * attempts + [20.0] * 100)
    monkeypatch.setattr("coodie.scan.retry.time", SimpleNamespace(monotonic=lambda: next(clock)))
    calls = 0

    class Unreachable(RingDriver):
        """A cluster that is down."""

        def execute(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
            nonlocal calls
            calls += 1
            raise ConnectionFailedError("No host could be reached.", hint="Check hosts=.") from OSError(
                "cause"
            )

    with pytest.raises(ConnectionFailedError) as caught:
        await rows_of(Unreachable(), options=ScanOptions(retries=5))
    error, message = caught.value, "No host could be reached. Check hosts=."
    if attempts > 1:
        message = (
            f"Reading the table's schema and the ring failed 4 times in 20.0 s. The last error: {message}"
        )
    assert calls == attempts
    assert (str(error), error.hint, str(error.__cause__)) == (message, "Check hosts=.", "cause")


@pytest.mark.parametrize("rows", [dict, "scalar"])
async def test_checkpoint_after_each_row(rows_of: Any, rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It computes the digest of one more row, and the rest once per page; each resumes with the next row."""
    digests: list[Any] = []
    rests: list[Checkpoint] = []
    as_json = Checkpoint.as_json

    def digested(key: Any) -> str:
        digests.append(key)
        return digest_of(key)

    def written(checkpoint: Checkpoint) -> dict[str, Any]:
        rests.append(checkpoint)
        return as_json(checkpoint)

    monkeypatch.setattr("coodie.scan.page.digest_of", digested)
    monkeypatch.setattr(Checkpoint, "as_json", written)
    driver = RingDriver(400)
    found, texts, pages = [], [], []
    options = ScanOptions(fetch_size=40, on_progress=lambda _: pages.append(scan.checkpoint()))
    with driver.scan("t", columns=["v"], rows=rows, concurrency=2, options=options) as scan:
        for row in scan:
            found.append(row["v"] if rows is dict else row)
            texts.append(json.dumps(scan.checkpoint()))
    assert len(digests) == 400
    assert len(rests) <= 3 * len(pages)
    for most in (1, 39, 40, 41, 250, 400):
        rest, _ = await rows_of(driver, columns=["v"], checkpoint=json.loads(texts[most - 1]))
        assert sorted(found[:most] + rest) == list(range(400))


def test_a_checkpoint_of_another_scan_is_kept() -> None:
    """A scan that refuses a checkpoint has no other one."""
    with RingDriver().scan("t") as other:
        next(other)
    checkpoint = other.checkpoint()
    scan = RingDriver().scan("t", columns=["k"], checkpoint=checkpoint)
    with pytest.raises(ConfigurationError, match="another scan"):
        next(scan)
    assert scan.checkpoint() == checkpoint
