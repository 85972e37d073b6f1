"""``rows=`` of a scan: every shape, with key columns that weren't selected, and drivers without shapes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from coodie_core.tests.scan.test_run import RingDriver

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, InvalidQueryError, RequestError
from coodie.row_shapes import parse_rows
from coodie.scan import ScanOptions, read_split, read_split_async
from coodie.scan.checkpoint import digest_of, digests_in
from coodie.scan.page import Page, PageReader

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = ScanOptions(fetch_size=3)


@dataclass(slots=True)
class Row:
    """A row."""

    k: int
    v: int


@dataclass
class Value:
    """A row without its key."""

    v: int


class Named(NamedTuple):
    """A row as a tuple."""

    k: int
    v: int


def add(k: int, v: int) -> int:
    """Make a row."""
    return k + v


class NarrowDriver(RingDriver):
    """Returns the selected columns only, as a server does."""

    def execute(self, stmt: str, params: Any, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the same rows with fewer columns."""
        rows = super().execute(stmt, params, *args, **kwargs)
        if "FROM system" in stmt or stmt.startswith("SELECT *"):
            return rows
        names = [name.strip('"') for name in stmt.removeprefix("SELECT ").partition(" FROM ")[0].split(", ")]
        rows[:] = [{name: row[name] for name in names} for row in rows]
        return rows


@pytest.fixture
def scan(is_async: bool) -> Callable[..., Any]:
    """Return all rows of a scan, or the first ones and the scan."""

    async def scan(driver: Any, most: int | None = None, **asked: Any) -> tuple[list[Any], Any]:
        running = (driver.scan_async if is_async else driver.scan)("t", **asked)
        found: list[Any] = []
        if is_async:
            async with running:
                while len(found) != most and (row := await anext(running, ...)) is not ...:
                    found.append(row)
        else:
            with running:
                while len(found) != most and (row := next(running, ...)) is not ...:
                    found.append(row)
        return found, running

    return scan


def _made(rows: Any) -> Callable[[dict[str, int]], Any]:
    shapes: dict[Any, Any] = {
        None: dict,
        dict: dict,
        "dict": dict,
        tuple: lambda row: (row["k"], row["v"]),
        "scalar": lambda row: row["k"],
        Row: lambda row: Row(**row),
        Named: lambda row: Named(**row),
        add: lambda row: row["k"] + row["v"],
    }
    made: Callable[[dict[str, int]], Any] = shapes[rows]
    return made


@pytest.mark.parametrize("paging", [True, False])
@pytest.mark.parametrize("rows", [None, dict, "dict", tuple, "scalar", Row, Named, add])
async def test_every_shape(scan: Any, rows: Any, paging: bool) -> None:
    """A driver that only knows dicts gives each row once, in the shape."""
    driver = NarrowDriver()
    driver.capabilities = frozenset(Capability) if paging else frozenset()
    found, running = await scan(driver, rows=rows, options=SMALL)
    assert sorted(map(repr, found)) == sorted(repr(_made(rows)(row)) for row in driver.rows)
    assert running.progress.rows == 100


@pytest.mark.parametrize(
    ("rows", "made"),
    [
        (dict, lambda v: {"v": v}),
        (tuple, lambda v: (v,)),
        ("scalar", lambda v: v),
        (Value, Value),
        (lambda v: -v, lambda v: -v),
    ],
)
async def test_key_that_was_not_selected(scan: Any, rows: Any, made: Any) -> None:
    """The key is requested for checkpoints, and isn't part of a row of any shape."""
    driver = NarrowDriver()
    first, running = await scan(driver, 50, columns=["v"], rows=rows, options=SMALL)
    checkpoint = json.loads(json.dumps(running.checkpoint()))
    rest, _ = await scan(driver, columns=["v"], rows=rows, checkpoint=checkpoint)
    assert sorted(map(repr, first + rest)) == sorted(repr(made(v)) for v in range(100))


async def test_resumed_in_another_shape(scan: Any) -> None:
    """A checkpoint doesn't depend on the shape: a row has the same key in each."""
    driver, found, checkpoint = RingDriver(), [], None
    shapes = [dict, "scalar", tuple, Row, add]
    for number in range(40):
        rows = shapes[number % len(shapes)]
        asked = {"rows": rows, "checkpoint": checkpoint, "options": SMALL, "concurrency": 1}
        more, running = await scan(driver, 4, **asked)
        found += more
        checkpoint = json.loads(json.dumps(running.checkpoint()))
        assert all(len(digests_in(each["delivered"])) <= 3 for each in checkpoint["begun"])
    assert len(found) == 100


async def test_default_of_the_driver(scan: Any) -> None:
    """Without ``rows=``, rows have the driver's default shape; system tables are still read as dicts."""
    driver = RingDriver()
    driver._default_rows = tuple
    found, _ = await scan(driver)
    assert sorted(found) == sorted((row["k"], row["v"]) for row in driver.rows)
    found, _ = await scan(driver, rows=dict)
    assert sorted(found, key=repr) == sorted(driver.rows, key=repr)


async def test_columns_that_do_not_match(scan: Any) -> None:
    """A class without a parameter for a column raises an error that names the column, without retries."""
    driver = NarrowDriver()
    with pytest.raises(InvalidQueryError, match="unexpected 'k'"):
        await scan(driver, rows=Value)
    with pytest.raises(InvalidQueryError, match=r"missing 'k'\."):
        await scan(driver, columns=["v"], rows=Row)


async def test_a_factory_that_fails(scan: Any) -> None:
    """The factory's exception is the cause of the error; rows before it can be resumed from."""

    def fragile(k: int, v: int) -> int:
        if v == 50:
            raise KeyError(k)
        return v

    with pytest.raises(RequestError) as caught:
        await scan(RingDriver(), rows=fragile, options=SMALL)
    assert isinstance(caught.value.__cause__, KeyError)


def test_refused() -> None:
    """A shape that can't be is refused when the scan is created."""
    with pytest.raises(ConfigurationError, match="Invalid rows="):
        RingDriver().scan("t", rows=7)  # type: ignore[call-overload,unused-ignore] # the test
    split = RingDriver().scan_splits("t", 1)[0]
    with pytest.raises(ConfigurationError, match="Invalid rows="):
        read_split(RingDriver(), split, rows=7)  # type: ignore[call-overload]


async def test_splits() -> None:
    """``read_split`` and its async form take ``rows=``, too."""
    splits = RingDriver().scan_splits("t", 3)
    found = [row for split in splits for row in read_split(RingDriver(), split, rows=Row)]
    assert sorted(row.v for row in found) == list(range(100))
    several = [read_split_async(RingDriver(), split, rows="scalar") for split in splits]
    keys = [key for each in several async for key in each]
    assert sorted(keys) == sorted(row.k for row in found)


def test_position_is_that_of_the_consumer() -> None:
    """A page knows how many rows were taken, and which keys they have, and can be stopped there."""
    rows = [(n, n * n, "key") for n in range(5)]
    for shape, items in ((parse_rows(tuple), rows), (None, [{"a": n * n, "b": "key"} for n in range(5)])):
        page: Page = PageReader(shape, ("a", "b"), ()).page(list(items), None)
        next(page.rows)
        next(page.rows)
        assert page.position == 2
        assert page.delivered() == "".join(map(digest_of, [(0, "key"), (1, "key")]))
        page.stop()
        assert list(page.rows) == []
        assert page.position == 2
