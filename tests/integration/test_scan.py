"""Scans of whole tables on a real server: every row once, resumed anywhere, without pages that pile up."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import ConfigurationError, InvalidQueryError
from coodie.scan import ScanOptions, ScanProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Api

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
                while len(found) != most and (row := await anext(scan, None)):
                    found.append(row)
            return found, scan
        with self._api.driver.scan(table, **asked) as sync_scan:
            while len(found) != most and (row := next(sync_scan, None)):
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
    """Whatever types a key has, its rows are told apart by a resumed scan, in another process, too."""
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
    """A table that isn't there, a column that isn't, and a checkpoint of another scan raise and say so."""
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
