"""Scans of whole tables on a real server: every row once, resumed anywhere, without pages that pile up."""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.conftest import Api

from coodie.exceptions import ConfigurationError, DriverClosedError, InvalidQueryError, UnsupportedError
from coodie.observers import observing
from coodie.observers.recorder import Recorder
from coodie.scan import ScanOptions, ScanProgress
from coodie_testing.resources import ResourceSnapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Connector

pytestmark = pytest.mark.server

#: So small that a scan of a thousand rows has pages, begun ranges and wide partitions to be resumed in.
SMALL = ScanOptions(fetch_size=7)


class Scanner:
    """Scans through the sync or the async method."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def rows(self, table: str, most: int | None = None, **asked: Any) -> tuple[list[Any], Any]:
        """Return the first rows of a scan, and the scan."""
        found: list[Any] = []
        if self._api.is_async:
            async with self._api.driver.scan_async(table, **asked) as scan:
                while len(found) != most and (row := await anext(scan, ...)) is not ...:
                    found.append(row)
            return found, scan
        with self._api.driver.scan(table, **asked) as sync_scan:
            while len(found) != most and (row := next(sync_scan, ...)) is not ...:
                found.append(row)
        return found, sync_scan


@pytest.fixture
def scanner(api: Api) -> Scanner:
    """Scan both ways."""
    return Scanner(api)


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=repr)


@pytest.fixture(scope="module")
def wide(driver: Any, keyspace: str) -> tuple[str, list[dict[str, Any]]]:
    """Fill a table with narrow and wide partitions, some of which have a static row alone."""
    name = f"{keyspace}.wide"
    driver.execute(
        f'CREATE TABLE {name} (a int, "B" text, c int, d text, s int static, v text, '
        'PRIMARY KEY ((a, "B"), c, d)) WITH CLUSTERING ORDER BY (c DESC, d ASC)',
        [],
    )
    dice = random.Random(7)
    rows = [
        {"a": a, "B": f"b{a}", "c": c, "d": d, "s": a, "v": f"{a} {c}"}
        for a in range(60)
        for c in range(dice.choice([1, 2, 3, 40]))
        for d in ("x", "y")[: dice.choice([1, 2])]
    ]
    driver.execute_many(
        f'INSERT INTO {name} (a, "B", c, d, s, v) VALUES (?, ?, ?, ?, ?, ?)',
        [list(row.values()) for row in rows],
    )
    driver.execute_many(
        f'INSERT INTO {name} (a, "B", s) VALUES (?, ?, ?)', [[a, "static", 1] for a in range(20)]
    )
    rows += [{"a": a, "B": "static", "c": None, "d": None, "s": 1, "v": None} for a in range(20)]
    return name, rows


@pytest.mark.parametrize("concurrency", [1, 3, 16])
async def test_every_row_once(scanner: Scanner, wide: tuple[str, list[Any]], concurrency: int) -> None:
    """All rows come once, as a SELECT gives them, however many pages are in flight."""
    name, rows = wide
    told: list[ScanProgress] = []
    options = ScanOptions(fetch_size=7, on_progress=told.append)
    found, scan = await scanner.rows(name, concurrency=concurrency, options=options)
    assert _sorted(found) == _sorted(rows)
    assert scan.is_routed
    assert [each.rows for each in told] == sorted(each.rows for each in told)
    assert (told[-1].ranges_left, told[-1].rows, told[-1].fraction) == (0, len(rows), 1.0)
    assert told[-1].rows_left == 0
    assert scan.progress == told[-1]


async def test_columns_and_conditions(scanner: Scanner, wide: tuple[str, list[Any]]) -> None:
    """Only the columns that were asked for come, of the rows that fit; values are bound in both forms."""
    name, rows = wide
    some = [row for row in rows if row["c"] is not None and row["c"] > 1]
    for where in [("c > ?", [1]), ("c > :least", {"least": 1}), "c > 1"]:
        found, _ = await scanner.rows(name, columns=["v", "B"], where=where, options=SMALL)
        assert _sorted(found) == _sorted([{"v": row["v"], "B": row["B"]} for row in some])
        assert list(found[0]) == ["v", "B"]


@dataclass
class Entry:
    """A row of the table, in another order."""

    v: str | None
    s: int
    a: int


class Pair(NamedTuple):
    """Two columns."""

    v: str | None
    s: int


def joined(v: str | None, s: int) -> str:
    """Make a row."""
    return f"{v}/{s}"


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize(
    ("rows", "columns", "made"),
    [
        (tuple, ["v", "s"], lambda row: (row["v"], row["s"])),
        ("scalar", ["s", "v"], lambda row: row["s"]),
        (Entry, ["a", "s", "v"], lambda row: Entry(row["v"], row["s"], row["a"])),
        (Pair, ["s", "v"], lambda row: Pair(row["v"], row["s"])),
        (joined, ["v", "s"], lambda row: joined(row["v"], row["s"])),
        (tuple, None, lambda row: tuple(row[name] for name in ("a", "B", "c", "d", "s", "v"))),
    ],
)
async def test_shapes(
    scanner: Scanner, wide: tuple[str, list[Any]], rows: Any, columns: Any, made: Any, observed: bool
) -> None:
    """Rows of every shape, resumed in the middle; columns of the key that weren't selected aren't in them."""
    name, known = wide
    asked: dict[str, Any] = {"rows": rows, "columns": columns, "options": SMALL}
    if observed:
        with observing(Recorder()):
            first, scan = await scanner.rows(name, 300, **asked)
    else:
        first, scan = await scanner.rows(name, 300, **asked)
    rest, _ = await scanner.rows(name, checkpoint=scan.checkpoint(), **asked)
    assert len(first) == 300
    assert _sorted(first + rest) == _sorted([made(row) for row in known])


async def test_shape_that_does_not_match(scanner: Scanner, wide: tuple[str, list[Any]]) -> None:
    """A class that has no parameter for a column raises at the first row."""
    with pytest.raises(InvalidQueryError, match="unexpected 'a', 'B', 'c', 'd'"):
        await scanner.rows(wide[0], rows=Pair)


async def test_resumed_after_any_row(scanner: Scanner, wide: tuple[str, list[Any]]) -> None:
    """A scan that is left and resumed again and again, with pages of other sizes, delivers each row once."""
    name, rows = wide
    dice = random.Random(11)
    found: list[Any] = []
    checkpoint = None
    while True:
        options = ScanOptions(fetch_size=dice.choice([2, 7, 30]))
        most = dice.randrange(1, 90)
        more, scan = await scanner.rows(
            name, most, concurrency=dice.choice([1, 4]), checkpoint=checkpoint, options=options
        )
        found += more
        if len(more) < most:
            break
        assert scan.progress.rows == len(found)
        checkpoint = json.loads(json.dumps(scan.checkpoint()))
    assert _sorted(found) == _sorted(rows)
    assert scan.progress.fraction == 1.0


async def test_resumed_where_others_write(scanner: Scanner, api: Api, table: Callable[[str], str]) -> None:
    """Rows that weren't changed come once, though others were deleted and inserted around the checkpoint."""
    name = table("p int, c int, PRIMARY KEY (p, c)")
    insert = f"INSERT INTO {name} (p, c) VALUES (?, ?)"
    kept = {(p, c) for p in range(3) for c in range(0, 60, 2)}
    await api.execute_many(insert, sorted(kept))
    first, scan = await scanner.rows(name, 25, concurrency=2, options=ScanOptions(fetch_size=20))
    gone = {(row["p"], row["c"]) for row in first[15:]}
    kept -= gone
    await api.execute_many(f"DELETE FROM {name} WHERE p = ? AND c = ?", sorted(gone))
    await api.execute_many(insert, [(p, c) for p in range(3) for c in range(-9, 59, 2)])
    rest, _ = await scanner.rows(name, checkpoint=scan.checkpoint(), options=ScanOptions(fetch_size=20))
    seen = [(row["p"], row["c"]) for row in first + rest]
    assert sorted(key for key in seen if key in kept) == sorted(kept)


async def test_keys_of_all_types(scanner: Scanner, api: Api, table: Callable[[str], str]) -> None:
    """A resumed scan distinguishes the rows of keys of all types, also in another process."""
    types = {
        "a": ("uuid", "123e4567-e89b-12d3-a456-426614174000"),
        "b": ("blob", "0x00ff"),
        "c": ("timestamp", "'2026-01-02 03:04:05'"),
        "d": ("decimal", "1.50"),
        "e": ("frozen<set<text>>", "{'x', 'y', 'z'}"),
        "f": ("frozen<map<text, int>>", "{'k': 1, 'l': 2}"),
        "g": ("frozen<tuple<int, text>>", "(1, 'a')"),
        "h": ("double", "NaN"),
        "i": ("inet", "'::1'"),
        "j": ("date", "'2026-01-02'"),
        "k": ("time", "'01:02:03.000000004'"),
        "l": ("frozen<list<frozen<set<int>>>>", "[{1, 2}, {3}]"),
        "m": ("varint", "99999999999999999999"),
    }
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in types.items())
    name = table(f"{columns}, n int, PRIMARY KEY (({', '.join(types)}), n)")
    values = ", ".join(value for _, value in types.values())
    for n in range(10):
        await api.execute(f"INSERT INTO {name} ({', '.join(types)}, n) VALUES ({values}, {n})", [])
    first, scan = await scanner.rows(name, 4)
    rest, _ = await scanner.rows(name, checkpoint=scan.checkpoint())
    assert sorted(row["n"] for row in first + rest) == list(range(10))


async def test_refused(scanner: Scanner, wide: tuple[str, list[Any]], keyspace: str) -> None:
    """A missing table, a missing column, and a checkpoint of another scan are errors."""
    name, _ = wide
    with pytest.raises(InvalidQueryError, match=r"The table .*\.nowhere doesn't exist"):
        await scanner.rows(f"{keyspace}.nowhere")
    with pytest.raises(InvalidQueryError):
        await scanner.rows(name, columns=["nothing"])
    _, scan = await scanner.rows(name, 3)
    with pytest.raises(ConfigurationError, match="belongs to another scan"):
        await scanner.rows(name, columns=["v"], checkpoint=scan.checkpoint())


async def test_left_early(api: Api, wide: tuple[str, list[Any]]) -> None:
    """A scan that is left or cancelled leaves no task and no thread that still asks; the driver goes on."""
    name, _ = wide

    async def endless() -> None:
        async with aclosing(api.driver.scan_async(name, options=SMALL)) as scan:
            async for _row in scan:
                await asyncio.sleep(0.01)

    task = asyncio.create_task(endless())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}
    scan = api.driver.scan(name, options=SMALL)
    next(scan)
    scan.close()
    assert list(scan) == []
    assert await api.ping()


async def test_counters(scanner: Scanner, api: Api, table: Callable[[str], str]) -> None:
    """A table of counters can be scanned."""
    name = table("p int, c int, n counter, PRIMARY KEY (p, c)")
    await api.execute_many(
        f"UPDATE {name} SET n = n + ? WHERE p = ? AND c = ?", [[n, n % 5, n] for n in range(50)]
    )
    found, _ = await scanner.rows(name, columns=["n"], rows="scalar", options=SMALL)
    assert sorted(found) == list(range(50))


async def test_empty_table(scanner: Scanner, table: Callable[[str], str]) -> None:
    """An empty table has no rows; the scan has read all ranges, and its checkpoint has none left."""
    progress: list[ScanProgress] = []
    options = ScanOptions(on_progress=progress.append)
    found, scan = await scanner.rows(table("p int PRIMARY KEY, v text"), options=options)
    assert found == []
    assert (progress[-1].ranges_left, progress[-1].fraction, progress[-1].rows_left) == (0, 1.0, 0)
    assert (scan.checkpoint()["left"], scan.checkpoint()["begun"]) == ([], [])


async def test_case_sensitive_names(scanner: Scanner, api: Api, keyspace: str) -> None:
    """Names with capital letters and keywords are quoted; other spellings don't exist."""
    name = f"{keyspace}.Select{api.is_async:d}"
    quoted = f'{keyspace}."Select{api.is_async:d}"'
    await api.execute(
        f'CREATE TABLE {quoted} ("From" int, "table" int, "Va lue" int, PRIMARY KEY ("From", "table"))', []
    )
    insert = f'INSERT INTO {quoted} ("From", "table", "Va lue") VALUES (?, ?, ?)'
    await api.execute_many(insert, [[n % 3, n, n] for n in range(30)])
    found, _ = await scanner.rows(name, columns=["Va lue"], where=('"Va lue" < ?', [20]), options=SMALL)
    assert sorted(row["Va lue"] for row in found) == list(range(20))
    with pytest.raises(InvalidQueryError, match="doesn't exist"):
        await scanner.rows(name.lower())


async def test_columns_added_and_dropped(scanner: Scanner, api: Api, table: Callable[[str], str]) -> None:
    """A scan of all columns goes on after ALTER TABLE, and is resumed with the new columns."""
    name = table("p int, c int, old text, PRIMARY KEY (p, c)")
    rows = [[n % 3, n, "x"] for n in range(60)]
    await api.execute_many(f"INSERT INTO {name} (p, c, old) VALUES (?, ?, ?)", rows)
    first, scan = await scanner.rows(name, 20, options=SMALL)
    await api.execute(f"ALTER TABLE {name} ADD fresh int", [])
    await api.execute(f"ALTER TABLE {name} DROP old", [])
    rest, _ = await scanner.rows(name, checkpoint=scan.checkpoint(), options=SMALL)
    assert sorted(row["c"] for row in first + rest) == list(range(60))
    assert set(rest[-1]) == {"p", "c", "fresh"}


async def test_table_dropped_in_the_middle(scanner: Scanner, api: Api, table: Callable[[str], str]) -> None:
    """The scan raises an InvalidQueryError, at once, and leaves no task."""
    name = table("p int PRIMARY KEY")
    await api.execute_many(f"INSERT INTO {name} (p) VALUES (?)", [[n] for n in range(300)])

    async def drop_and_read_on() -> None:
        if api.is_async:
            async with api.driver.scan_async(name, options=SMALL) as scan:
                await anext(scan)
                await api.execute(f"DROP TABLE {name}", [])
                assert [row async for row in scan]
        with api.driver.scan(name, options=SMALL) as sync_scan:
            next(sync_scan)
            await api.execute(f"DROP TABLE {name}", [])
            assert list(sync_scan)

    with pytest.raises(InvalidQueryError):
        await asyncio.wait_for(drop_and_read_on(), 30)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("name", ["system.local", "system_schema.tables", "system_views.settings"])
async def test_tables_of_a_node(scanner: Scanner, name: str) -> None:
    """Tables that each node has for itself are refused: ranges would come from different nodes."""
    with pytest.raises(UnsupportedError, match="each node has its own rows"):
        await scanner.rows(name)


async def test_materialized_view(scanner: Scanner, api: Api, table: Callable[[str], str]) -> None:
    """A view is scanned by its own key; most servers don't allow views unless they are enabled."""
    name = table("p int PRIMARY KEY, v int")
    view = f"{name}_by_v"
    definition = f"SELECT * FROM {name} WHERE v IS NOT NULL AND p IS NOT NULL PRIMARY KEY (v, p)"
    try:
        await api.execute(f"CREATE MATERIALIZED VIEW {view} AS {definition}", [])
    except InvalidQueryError as exc:
        assert "Materialized views are disabled" in str(exc)  # noqa: PT017 - it is the reason for the skip
        pytest.skip("the server doesn't allow materialized views")
    await api.execute_many(f"INSERT INTO {name} (p, v) VALUES (?, ?)", [[n, n % 7] for n in range(100)])
    found, _ = await scanner.rows(view, options=SMALL)
    assert _sorted(found) == _sorted([{"v": n % 7, "p": n} for n in range(100)])


@pytest.mark.parametrize("options", [{}, {"fast_path": False}, {"lazy": True, "rows": tuple}], ids=str)
async def test_driver_closed_in_the_middle(
    api: Api, connect: Connector, wide: tuple[str, list[Any]], options: dict[str, Any]
) -> None:
    """The scan raises DriverClosedError, and leaves no threads, tasks or sockets."""
    name, known = wide
    before = ResourceSnapshot()
    driver = connect(**options)
    first: list[Any] = []

    async def read() -> None:
        if api.is_async:
            async with driver.scan_async(name, options=SMALL) as scan:
                async for row in scan:
                    first.append(row)
                    if len(first) == 100:
                        await driver.close_async()
        else:
            with driver.scan(name, options=SMALL) as sync_scan:
                for row in sync_scan:
                    first.append(row)
                    if len(first) == 100:
                        driver.close()

    with pytest.raises(DriverClosedError):
        await asyncio.wait_for(read(), 30)
    assert 100 <= len(first) < len(known)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    deadline = time.monotonic() + 30
    while before.excess():
        assert time.monotonic() < deadline, before.excess()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("options", [{"lazy": True}, {"fast_path": False}, {"rows": tuple}], ids=str)
async def test_each_kind_of_driver(
    api: Api, connect: Connector, wide: tuple[str, list[Any]], options: dict[str, Any]
) -> None:
    """A driver that isn't connected yet, one without the fast path, and one with another default shape."""
    name, known = wide
    scanner = Scanner(Api(connect(**options), is_async=api.is_async))
    found, _ = await scanner.rows(name, rows=dict, options=SMALL)
    assert _sorted(found) == _sorted(known)
    found, scan = await scanner.rows(name, columns=["v", "s"], options=SMALL)
    assert isinstance(found[0], options.get("rows", dict))
    assert len(found) == len(known)
    assert scan.is_routed
