"""Rows in other shapes than dicts, from a real server: on the fast path, the driver's way, page by page."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.conftest import Api
from tests.integration.ways import Ways

from coodie import RequestOptions
from coodie.exceptions import InvalidQueryError, RequestError
from coodie.observers import observing
from coodie.observers.recorder import Recorder
from coodie.rows import Column

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.server

_COUNT = 1200


@dataclass(slots=True)
class Item:
    """A row, in another order than the columns."""

    name: str | None
    k: int
    n: int


class Named(NamedTuple):
    """The same as a tuple."""

    name: str | None
    k: int
    n: int


@pytest.fixture(scope="module")
def items(driver: Any, keyspace: str) -> str:
    """Fill one partition with more rows than the garbage collector is paused for; some names are null."""
    name = f"{keyspace}.shaped_items"
    driver.execute(
        f"CREATE TABLE {name} (k int, n int, name text, tags map<text, int>, PRIMARY KEY (k, n))", []
    )
    insert = f"INSERT INTO {name} (k, n, name, tags) VALUES (1, ?, ?, ?)"
    driver.execute_many(insert, ([n, _name(n), {"n": n}] for n in range(_COUNT)))
    return name


def _name(n: int) -> str | None:
    return None if n % 7 == 3 else f"name {n}"


def _shapes() -> dict[Any, Any]:
    """Return what ``rows=`` takes → what is made of the columns k, n and name."""
    return {
        tuple: lambda k, n, name: (k, n, name),
        "scalar": lambda k, _n, _name: k,
        Item: lambda k, n, name: Item(name, k, n),
        Named: lambda k, n, name: Named(name, k, n),
        dict: lambda k, n, name: {"k": k, "n": n, "name": name},
    }


def _expected(rows: Any, count: int = _COUNT) -> list[Any]:
    make = _shapes()[rows]
    return [make(1, n, _name(n)) for n in range(count)]


@pytest.mark.parametrize("rows", _shapes(), ids=lambda rows: getattr(rows, "__name__", rows))
@pytest.mark.parametrize("selection", ["k, n, name", "k, n, name, tags"], ids=["simple", "map"])
async def test_the_same_rows_on_each_way(api: Api, items: str, rows: Any, selection: str) -> None:
    """All rows, a page, a stream, many, with a template or observed: the rows are the same."""
    text = f"SELECT {selection} FROM {items} WHERE k = ?"

    def shaped(given: Any) -> Any:
        """Make the row of the map as well, where it's selected."""
        if selection == "k, n, name" or not callable(given) or given in (tuple, dict):
            return given
        return lambda k, n, name, tags: given(name=name, k=k, n=n) if tags == {"n": n} else None

    def cut(found: list[Any]) -> list[Any]:
        if rows is tuple:
            return [row[:3] for row in found]
        return [{k: row[k] for k in ("k", "n", "name")} for row in found] if rows is dict else list(found)

    given = shaped(rows)
    expected = _expected(rows)
    for _ in range(3):
        found = await api.execute(text, [1], rows=given)
        assert cut(found) == expected
        assert found.columns[:3] == (Column("k", "int"), Column("n", "int"), Column("name", "text"))
        assert found.scalar() == 1
    page = await api.execute(text, [1], fetch_size=500, rows=given)
    following = await api.execute(text, [1], fetch_size=500, rows=given, paging_state=page.cursor)
    assert cut([*page, *following]) == expected[:1000]
    assert cut([row async for row in api.stream(text, [1], fetch_size=250, rows=given)]) == expected
    result = await api.execute_many(text, [[1], [2]], rows=given)
    assert (cut(result.rows(0)), result.rows(1)) == (expected, [])
    assert cut(await api.execute(text, [1], options=RequestOptions(rows=given))) == expected
    with observing(Recorder()):
        assert cut(await api.execute(text, [1], rows=given)) == expected
    assert cut(await api.execute(text, [1], options=RequestOptions(rows=given, trace=True))) == expected
    assert (await api.execute(text, [2], rows=given)).columns is not None


async def test_two_shapes_of_one_statement_do_not_mix(api: Api, items: str) -> None:
    """Requests in one tick of an event loop, and one after another, get the shape that each asks for."""
    text = f"SELECT k, n, name FROM {items} WHERE k = ? AND n = ?"
    shapes = [*_shapes(), None]
    for _ in range(3):
        if api.is_async:
            found = await asyncio.gather(*(api.execute(text, [1, 2], rows=rows) for rows in shapes))
        else:
            found = [await api.execute(text, [1, 2], rows=rows) for rows in shapes]
        assert [rows[0] for rows in found[:-1]] == [_expected(rows, 3)[2] for rows in shapes[:-1]]
        assert found[-1] == [_expected(dict, 3)[2]]


async def test_the_fast_path_serves_shapes(connect: Callable[..., Any], items: str, api: Api) -> None:
    """Once it is warm, no request with ``rows=`` goes the driver's way."""
    driver = connect(fast_path=True)
    ways = Ways(driver)
    text = f"SELECT k, n, name FROM {items} WHERE k = ? AND n = ?"
    if api.is_async:
        await ways.warm_async(text, [1, 2])
    else:
        ways.warm(text, [1, 2])
    before = ways.drivers
    warm = Api(driver, is_async=api.is_async)
    found = await warm.execute(text, [1, 2], rows=Item)
    for _ in range(3):
        found = await warm.execute(text, [1, 2], rows=Item)
        assert found == [Item("name 2", 1, 2)]
    assert ways.drivers == before
    key = (None, found.shape)
    assert key in driver._pipeline.statements.find(text).prepared.compiled.templates


async def test_columns_that_do_not_fit(api: Api, items: str) -> None:
    """The error names them, whether there are rows or not, and on which way the request went."""
    for key in (1, 2):
        for _ in range(3):
            with pytest.raises(InvalidQueryError, match="unexpected 'tags', missing 'name'") as caught:
                await api.execute(f"SELECT k, n, tags FROM {items} WHERE k = ?", [key], rows=Item)
            assert caught.value.statement == f"SELECT k, n, tags FROM {items} WHERE k = ?"
            assert caught.value.may_have_been_applied is False
    with pytest.raises(InvalidQueryError, match="missing 'name'"):
        async for _row in api.stream(f"SELECT k, n FROM {items} WHERE k = ?", [1], rows=Item):
            pytest.fail("a row came before the error")


async def test_an_exception_of_a_factory(api: Api, items: str) -> None:
    """It is the cause of an error of the request, on each way."""

    def raising(k: int, n: int) -> None:
        raise KeyError(k, n)

    for _ in range(3):
        with pytest.raises(RequestError, match=r"Could not create .*raising from a row: KeyError") as caught:
            await api.execute(f"SELECT k, n FROM {items} WHERE k = ?", [1], rows=raising)
        assert isinstance(caught.value.__cause__, KeyError)


async def test_two_columns_of_one_name(api: Api, items: str) -> None:
    """Tuples have both, on each way; dicts and objects are refused."""
    text = f"SELECT k AS x, n AS x FROM {items} WHERE k = ? AND n = ?"
    for _ in range(3):
        found = await api.execute(text, [1, 5], rows=tuple)
        assert (found, [column.name for column in found.columns]) == ([(1, 5)], ["x", "x"])
        assert await api.execute(text, [1, 5], rows="scalar") == [1]
        with pytest.raises(InvalidQueryError, match="2 columns named 'x'"):
            await api.execute(text, [1, 5])
        with pytest.raises(InvalidQueryError, match="2 columns named 'x'"):
            await api.execute(text, [1, 5], rows=lambda x: x)


async def test_lightweight_transactions(api: Api, table: Callable[[str], str]) -> None:
    """``applied`` is known in each shape, and an object is the row that the server found."""
    name = table("k int, n int, name text, PRIMARY KEY (k, n)")
    claim = f"INSERT INTO {name} (k, n, name) VALUES (1, 1, ?) IF NOT EXISTS"
    first = await api.execute(claim, ["Ada"], rows=Item)
    assert (first, first.applied) == ([], True)
    for _ in range(3):
        second = await api.execute(claim, ["Bob"], rows=Item)
        assert (second, second.applied) == ([Item("Ada", 1, 1)], False)
        flat = await api.execute(claim, ["Bob"], rows=tuple)
        assert (flat, flat.applied) == ([(False, 1, 1, "Ada")], False)
        assert (await api.execute(claim, ["Bob"], rows="scalar")).applied is False
    batch = [(claim, ["Bob"])]
    rows = await api.execute_batch(batch, options=RequestOptions(rows=Item))
    assert (rows, rows.applied) == ([Item("Ada", 1, 1)], False)
    written = await api.execute(f"INSERT INTO {name} (k, n) VALUES (2, 2)", rows=Item)
    assert (written, written.applied, written.columns) == ([], None, None)


async def test_the_default_of_a_driver(connect: Callable[..., Any], items: str, api: Api) -> None:
    """``init_coodie(rows=…)`` holds for requests that say nothing, and for no request of coodie's own."""
    api = Api(connect(rows=tuple), is_async=api.is_async)
    text = f"SELECT n FROM {items} WHERE k = ? AND n = 4"
    for _ in range(3):
        assert await api.execute(text, [1]) == [(4,)]
        assert await api.execute(text, [1], rows=dict) == [{"n": 4}]
        assert await api.execute(text, [1], options=RequestOptions(rows="scalar")) == [4]
        assert await api.execute_one(text, [1]) == 4
    assert [row async for row in api.stream(text, [1])] == [(4,)]
    assert await api.ping() is True
