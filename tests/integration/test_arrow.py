"""Results as Arrow record batches, from a real server: the values are those of rows=tuple, on each way."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api
from tests.differential.cqlvalues import SCALARS, UserType, ValueType, random_type
from tests.integration.arrow_values import column_values, comparable

from coodie import Codec, RequestOptions
from coodie.exceptions import InvalidQueryError, ParameterError, RequestError
from coodie.observers import observing
from coodie.observers.recorder import Recorder
from coodie.rows import Column
from coodie_arrow import ArrowShape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.conftest import Connector
    from tests.features import Features

pytestmark = pytest.mark.server

#: Enough digits for all values of the tests.
_WIDE = ArrowShape(decimals=(76, 18))

_ROWS = 40


@pytest.fixture(scope="module")
def user_type(driver: Any, keyspace: str) -> UserType:
    """Create a user-defined type."""
    found = UserType(f"{keyspace}.arrow_point", (("x", ValueType("int")), ("label", ValueType("text"))))
    driver.execute(f"CREATE TYPE {found.name} ({found.cql})", [])
    return found


def _random_types(rng: random.Random, user_type: UserType, features: Features) -> list[ValueType]:
    """Make six types that the server has."""
    types: list[ValueType] = []
    while len(types) < 6:
        made = random_type(rng, (user_type,))
        if "vectors" in features or "vector" not in made.cql:
            types.append(made)
    return types


def _filled(driver: Any, table: Callable[[str], str], types: Sequence[ValueType], rng: random.Random) -> str:
    """Create a table of these types and fill it; a fifth of the values are null."""
    columns = ", ".join(f"c{index} {typ.cql}" for index, typ in enumerate(types))
    name = table(f"k int, n int, {columns}, PRIMARY KEY (k, n)")
    names = ", ".join(f"c{index}" for index in range(len(types)))
    insert = f"INSERT INTO {name} (k, n, {names}) VALUES (1, ?, {', '.join('?' * len(types))})"
    rows = [[n, *(None if rng.random() < 0.2 else typ.make(rng) for typ in types)] for n in range(_ROWS)]
    driver.execute_many(insert, rows)
    return name


async def _assert_same(api: Api, text: str, params: Sequence[Any] = ()) -> Any:
    """Compare a statement's results by column with those by row; return the former."""
    expected = await api.execute(text, params, rows=tuple)
    found: Any = None
    for _ in range(2):  # the second one uses the first one's template
        found = await api.execute(text, params, rows=_WIDE)
        assert found.columns == expected.columns
        assert len(found) == len(expected)
        for index, (typ, values) in enumerate(zip(found.schema.types, column_values(found), strict=True)):
            assert values == [comparable(typ, row[index]) for row in expected], typ
    return found


@pytest.mark.parametrize("name", SCALARS)
async def test_values_of_each_scalar_type(api: Api, table: Callable[[str], str], name: str) -> None:
    """A column of any scalar type, and lists of it, have the values that tuples have."""
    scalar = ValueType(name)
    types = [scalar, ValueType("list", (scalar,), frozen=True)]
    name = _filled(api.driver, table, types, random.Random(name))
    await _assert_same(api, f"SELECT * FROM {name} WHERE k = ?", [1])


@pytest.mark.parametrize("seed", range(4))
async def test_values_of_random_types(
    api: Api, table: Callable[[str], str], user_type: UserType, features: Features, seed: int
) -> None:
    """Columns of random nested types have the values that tuples have."""
    rng = random.Random(seed)
    types = _random_types(rng, user_type, features)
    name = _filled(api.driver, table, types, rng)
    await _assert_same(api, f"SELECT * FROM {name} WHERE k = ?", [1])


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_read_is_written(
    api: Api, table: Callable[[str], str], user_type: UserType, features: Features, seed: int
) -> None:
    """A result by column, as the parameters of many writes, gives a table of the same values."""
    rng = random.Random(seed)
    types = _random_types(rng, user_type, features)
    names = ["k", "n", *(f"c{index}" for index in range(len(types)))]
    source = _filled(api.driver, table, types, rng)
    copy = _filled(api.driver, table, types, rng)
    await api.execute(f"TRUNCATE {copy}", [])
    found = await api.execute(f"SELECT {', '.join(reversed(names))} FROM {source}", rows=_WIDE)
    result = await api.execute_many(
        f"INSERT INTO {copy} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", found
    )
    assert result.succeeded == _ROWS
    expected = await api.execute(f"SELECT {', '.join(names)} FROM {source}", rows=tuple)
    assert await api.execute(f"SELECT {', '.join(names)} FROM {copy}", rows=tuple) == expected


async def test_parameters_by_name(api: Api, table: Callable[[str], str]) -> None:
    """Columns are matched to markers by name; others are an error before the first row."""
    name = table('k int PRIMARY KEY, "V" text, u uuid')
    frame = await api.execute("SELECT (int) 5 AS k, (text) 'a' AS v FROM system.local", rows="arrow")
    with pytest.raises(ParameterError, match=r"Missing columns: \['u'\]; unknown columns: \['v'\]"):
        await api.execute_many(f"INSERT INTO {name} (k, u) VALUES (?, ?)", frame)
    for markers in ("(?, ?)", "(:k, :v)"):
        text = f'INSERT INTO {name} (k, "V") VALUES {markers}'
        if markers == "(?, ?)":  # the marker is V, in capitals
            with pytest.raises(ParameterError, match="Missing columns"):
                await api.execute_many(text, frame)
        else:
            assert (await api.execute_many(text, frame)).succeeded == 1
    assert await api.execute(f"SELECT * FROM {name}", rows=tuple) == [(5, "a", None)]
    text = f"INSERT INTO {name} (k, u) VALUES (:key, :u) USING TTL :ttl"
    made = await api.execute(
        'SELECT (int) 6 AS "Key", host_id AS u, (int) 100 AS ttl FROM system.local', rows="arrow"
    )
    assert (await api.execute_many(text, made)).succeeded == 1
    (row,) = await api.execute(f"SELECT ttl(u) AS left FROM {name} WHERE k = 6", rows=tuple)
    assert 0 < row[0] <= 100


@pytest.mark.extended
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(4, 40))
async def test_values_of_more_random_types(
    api: Api, table: Callable[[str], str], user_type: UserType, features: Features, seed: int
) -> None:
    """Columns of random nested types have the values that tuples have, for more seeds."""
    await test_values_of_random_types(api, table, user_type, features, seed)


async def test_values_beyond_python_s_ranges(api: Api, table: Callable[[str], str]) -> None:
    """Dates, timestamps and times outside of datetime's range are exact."""
    name = table("k int PRIMARY KEY, d date, t timestamp, m time, u duration, e int, f float")
    insert = f"INSERT INTO {name} (k, d, t, m, u, e, f) VALUES "
    first = "'-5877641-06-23', -9223372036854775808, '23:59:59.999999999', -1mo1d1ns, blobAsInt(0x), NaN"
    second = "'+5881580-07-11', 9223372036854775807, '00:00:00', 178956970y, 0, -Infinity"
    await api.execute(f"{insert} (1, {first})", [])
    await api.execute(f"{insert} (2, {second})", [])
    found = await api.execute(f"SELECT d, t, m, u, e FROM {name}", rows="arrow")
    expected = await api.execute(f"SELECT d, t, m, u, e FROM {name}", rows=tuple)
    for index, (typ, values) in enumerate(zip(found.schema.types, column_values(found), strict=True)):
        assert values == [comparable(typ, row[index]) for row in expected]


@pytest.fixture(scope="module")
def numbers(driver: Any, keyspace: str) -> str:
    """Fill one partition with several pages."""
    name = f"{keyspace}.arrow_numbers"
    driver.execute(f"CREATE TABLE {name} (k int, n int, name text, PRIMARY KEY (k, n))", [])
    driver.execute_many(
        f"INSERT INTO {name} (k, n, name) VALUES (1, ?, ?)",
        ([n, None if n % 7 == 3 else f"é{n}"] for n in range(1200)),
    )
    return name


async def test_the_same_columns_on_each_way(api: Api, numbers: str) -> None:
    """All rows, a page, a stream, many, observed, traced: each has the columns, and a batch per page."""
    text = f"SELECT n, name FROM {numbers} WHERE k = ?"
    expected = [list(range(1200)), [None if n % 7 == 3 else f"é{n}" for n in range(1200)]]
    for _ in range(3):
        found = await api.execute(text, [1], rows="arrow")
        assert column_values(found) == expected
        assert found.columns == (Column("n", "int"), Column("name", "text"))
    page = await api.execute(text, [1], fetch_size=500, rows="arrow")
    following = await api.execute(text, [1], fetch_size=500, rows="arrow", paging_state=page.cursor)
    assert (len(page), page.has_more_pages, len(following)) == (500, True, 500)
    assert column_values(following)[0] == list(range(500, 1000))
    batches = [batch async for batch in api.stream(text, [1], fetch_size=250, rows="arrow")]
    assert [batch.num_rows for batch in batches] == [250, 250, 250, 250, 200]
    result = await api.execute_many(text, [[1], [2]], rows="arrow")
    assert column_values(result.rows(0)) == expected
    assert len(result.rows(1)) == 0
    assert column_values(await api.execute(text, [1], options=RequestOptions(rows="arrow"))) == expected
    traced = await api.execute(text, [1], options=RequestOptions(rows="arrow", trace=True))
    assert (column_values(traced), traced.trace_id is not None) == (expected, True)
    recorder = Recorder()
    with observing(recorder):
        assert column_values(await api.execute(text, [1], rows="arrow")) == expected
    assert recorder.request().rows == 1200


async def test_results_without_rows(api: Api, numbers: str) -> None:
    """A result without rows has its schema; a write has neither columns nor batches."""
    empty = await api.execute(f"SELECT n, name FROM {numbers} WHERE k = 2", rows="arrow")
    assert (len(empty), list(empty), [one.name for one in empty.columns]) == (0, [], ["n", "name"])
    assert empty.schema.names == ("n", "name")
    assert not [batch async for batch in api.stream(f"SELECT n FROM {numbers} WHERE k = 2", rows="arrow")]
    written = await api.execute(f"INSERT INTO {numbers} (k, n) VALUES (3, 1)", rows="arrow")
    assert (len(written), written.columns, written.applied) == (0, None, None)
    assert written.__arrow_c_stream__() is not None


async def test_conditional_writes(api: Api, table: Callable[[str], str]) -> None:
    """A conditional write tells whether it was applied; the existing row is in the columns."""
    name = table("k int PRIMARY KEY, v int")
    insert = f"INSERT INTO {name} (k, v) VALUES (1, 2) IF NOT EXISTS"
    assert (await api.execute(insert, rows="arrow")).applied is True
    second = await api.execute(insert, rows="arrow")
    assert (second.applied, column_values(second)) == (False, [[False], [1], [2]])


async def test_an_error_names_column_and_type(api: Api, table: Callable[[str], str]) -> None:
    """A decimal with too many digits is an error with the remedy, never rounded; the remedy works."""
    name = table("k int PRIMARY KEY, price decimal, big varint, tags frozen<list<decimal>>")
    text = f"SELECT price, big, tags FROM {name}"
    small = Decimal("1E-20")
    insert = f"INSERT INTO {name} (k, price, big, tags) VALUES (1, ?, ?, ?)"
    for values, column in [
        ([small, 1, []], r"'price' \(decimal\)"),
        ([Decimal("1E+20"), 1, []], r"'price' \(decimal\)"),
        ([Decimal(1), 10**38, []], r"'big' \(varint\)"),
        ([Decimal(1), 1, [small]], r"'tags' \(list<decimal>\)"),
    ]:
        await api.execute(insert, values)
        for _ in range(2):
            with pytest.raises(
                RequestError, match=f"{column} has no exact counterpart in Arrow: it has more"
            ) as info:
                await api.execute(text, rows="arrow")
            assert info.value.statement == text
            assert "decimals={" in str(info.value)
        shape = ArrowShape(decimals={"price": (60, 20), "big": (39, 0), "tags": (30, 20)})
        found = await api.execute(text, rows=shape)
        assert column_values(found) == [
            [comparable(typ, value)] for typ, value in zip(found.schema.types, values, strict=True)
        ]


async def test_columns_of_the_same_name(api: Api, numbers: str) -> None:
    """Two columns of one name are an error that says so, since a data frame finds columns by name."""
    with pytest.raises(InvalidQueryError, match="2 columns named 'n'"):
        await api.execute(f"SELECT n, k AS n FROM {numbers} WHERE k = 1", rows="arrow")


async def test_decimals_of_no_column(api: Api, numbers: str) -> None:
    """Digits for a column that the result doesn't have are an error."""
    with pytest.raises(InvalidQueryError, match="names 'price', which the result doesn't have"):
        await api.execute(f"SELECT n FROM {numbers} WHERE k = 1", rows=ArrowShape(decimals={"price": (9, 2)}))


@pytest.mark.parametrize("is_async", [False, True])
async def test_codecs_are_refused(connect: Connector, numbers: str, is_async: bool) -> None:
    """A column with a codec is an error that names it; ignore_codecs=True returns the server's values."""
    codec = Codec("text", dt.date, str, lambda text: dt.date(2020, 1, 1), columns=["name"])
    api = Api(connect(codecs=[codec]), is_async=is_async)
    text = f"SELECT n, name FROM {numbers} WHERE k = 1 AND n = 0"
    for _ in range(3):
        with pytest.raises(InvalidQueryError, match=r"'name' \(text\) have Codec\('text', date\)"):
            await api.execute(text, rows="arrow")
        found = await api.execute(text, rows=ArrowShape(ignore_codecs=True))
        assert column_values(found) == [[0], ["é0"]]
        assert len(await api.execute(f"SELECT n FROM {numbers} WHERE k = 1 AND n = 0", rows="arrow")) == 1


async def test_a_driver_whose_rows_are_columns(connect: Connector, numbers: str) -> None:
    """rows="arrow" of a driver holds for all its requests; values and schemas are read as ever."""
    driver = connect(rows="arrow")
    assert len(driver.execute(f"SELECT n FROM {numbers} WHERE k = 1")) == 1200
    assert driver.execute_one(f"SELECT n FROM {numbers} WHERE k = 1 LIMIT 1", []) == 0
    assert driver.is_ready()
