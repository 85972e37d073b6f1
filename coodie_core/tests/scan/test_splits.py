"""Splits: together they contain the whole table, in any process."""

from __future__ import annotations

import json
import pickle
from itertools import chain
from typing import Any

import pytest
from coodie_core.tests.scan.test_run import RingDriver

from coodie.exceptions import ConfigurationError, InvalidQueryError, UnsupportedError
from coodie.scan import ScanOptions, read_split, read_split_async
from coodie.scan.ring import WHOLE_RING, joined


async def _read(split: Any, is_async: bool) -> list[int]:
    """Read a split as another process does: pickled, with a driver of its own."""
    other = pickle.loads(pickle.dumps(split))  # noqa: S301 - pickled here
    if is_async:
        return [row["v"] async for row in read_split_async(RingDriver(), other)]
    return [row["v"] for row in read_split(RingDriver(), other)]


@pytest.mark.parametrize("count", [1, 2, 7, 200])
async def test_all_of_them_are_the_table(count: int, is_async: bool) -> None:
    """Each row is in one split, and no split is much larger than another."""
    splits = RingDriver().scan_splits("t", count)
    assert len(splits) == count
    assert joined(split.tokens for split in splits) == [WHOLE_RING]
    found = [await _read(split, is_async) for split in splits]
    assert sorted(chain.from_iterable(found)) == list(range(100))
    assert max(map(len, found)) <= 100 // count + 2


def test_what_is_asked_for_travels() -> None:
    """A split has the columns and the condition of the caller's, and its checkpoint is for it alone."""
    driver = RingDriver()
    first, second = driver.scan_splits("t", 2, where=("v >= ?", [0]))
    scan = read_split(driver, first, options=ScanOptions(fetch_size=3))
    seen = [next(scan)["v"] for _ in range(5)]
    scan.close()
    checkpoint = json.loads(json.dumps(scan.checkpoint()))
    assert "WHERE v >= ? AND token" in driver.calls[0][0]
    rest = [row["v"] for row in read_split(driver, first, checkpoint=checkpoint)]
    mine = [row["v"] for row in driver.rows if row["k"] <= first.tokens.last]
    assert sorted(seen + rest) == mine
    with pytest.raises(ConfigurationError, match="belongs to another scan"):
        next(read_split(driver, second, checkpoint=checkpoint))


@pytest.fixture
def split(is_async: bool) -> Any:
    """Split a table."""

    async def split(driver: Any, *args: Any, **kwargs: Any) -> list[Any]:
        found = (driver.scan_splits_async if is_async else driver.scan_splits)(*args, **kwargs)
        splits: list[Any] = await found if is_async else found
        return splits

    return split


@pytest.mark.parametrize("n", [0, -1, True, "4", 2.0, 100_001, 10**9])
async def test_number(split: Any, n: Any) -> None:
    """A number of splits that is too small or too large is refused at once, by name."""
    with pytest.raises(ConfigurationError, match=f"n={n!r} isn't an integer from 1 to 100,000") as caught:
        await split(RingDriver(), "t", n)
    assert caught.value.option == "n"


async def test_table_that_does_not_exist(split: Any) -> None:
    """A missing table or column, and a table that can't be scanned, are errors before any split is read."""
    driver = RingDriver()
    with pytest.raises(InvalidQueryError, match=r"ks\.t has no column 'x'. It has k, v\."):
        await split(driver, "t", 2, columns=["v", "x"])
    driver.system["system_schema.columns"] = []
    with pytest.raises(InvalidQueryError, match=r"The table ks\.t doesn't exist"):
        await split(driver, "t", 2)
    with pytest.raises(UnsupportedError, match="each node has its own rows"):
        await split(driver, "system.local", 2)


def test_no_split() -> None:
    """What isn't a split is refused."""
    wrong: Any = "split"
    with pytest.raises(ConfigurationError, match="got str"):
        read_split(RingDriver(), wrong)
