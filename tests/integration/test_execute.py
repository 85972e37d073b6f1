"""Execute: rows, parameters and arguments, against a real server, sync and async."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import Api

from coodie import UNSET, RequestOptions
from coodie.exceptions import (
    AlreadyExistsError,
    ConfigurationError,
    InvalidQueryError,
    PagingStateError,
    ParameterError,
    ParameterTypeError,
    QuerySyntaxError,
)
from coodie.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.server

_ROWS = 12_000


@pytest.fixture(scope="module")
def numbers(driver: Any, keyspace: str) -> str:
    """Fill one partition with more rows than a default page has."""
    name = f"{keyspace}.numbers"
    driver.execute(f"CREATE TABLE {name} (p int, n int, v text, PRIMARY KEY (p, n))", [])
    driver.execute_many(
        f"INSERT INTO {name} (p, n, v) VALUES (0, ?, ?)", ((n, f"v{n}") for n in range(_ROWS))
    )
    return name


async def test_all_rows_come_back_without_fetch_size(api: Api, numbers: str) -> None:
    """More rows than a page are returned, all of them, in order."""
    rows = await api.execute(f"SELECT n, v FROM {numbers} WHERE p = 0", [])
    assert [row["n"] for row in rows] == list(range(_ROWS))
    assert rows[-1] == {"n": _ROWS - 1, "v": f"v{_ROWS - 1}"}
    assert isinstance(rows, Rows)
    assert not rows.has_more_pages
    assert rows.paging_state is None


async def test_rows_are_plain_dicts_of_the_callers_own(api: Api, numbers: str) -> None:
    """A row is a dict that may be changed."""
    (row,) = await api.execute(f"SELECT n FROM {numbers} WHERE p = 0 AND n = 7", [])
    assert type(row) is dict
    row["n"] = None
    (again,) = await api.execute(f"SELECT n FROM {numbers} WHERE p = 0 AND n = 7", [])
    assert again == {"n": 7}


async def test_no_rows_is_an_empty_list(api: Api, numbers: str) -> None:
    """A read without matches and a write both return no rows."""
    assert await api.execute(f"SELECT * FROM {numbers} WHERE p = 1", []) == []
    written = await api.execute(f"INSERT INTO {numbers} (p, n) VALUES (2, 0)", [])
    assert written == []
    assert written.applied is None


async def test_parameters_by_position_and_by_name(api: Api, numbers: str) -> None:
    """A sequence binds ``?``, a mapping binds ``:name``."""
    by_position = await api.execute(f"SELECT v FROM {numbers} WHERE p = ? AND n = ?", [0, 5])
    by_tuple = await api.execute(f"SELECT v FROM {numbers} WHERE p = ? AND n = ?", (0, 5))
    by_name = await api.execute(f"SELECT v FROM {numbers} WHERE p = :p AND n = :n", {"n": 5, "p": 0})
    assert by_position == by_tuple == by_name == [{"v": "v5"}]


@pytest.mark.parametrize("params", [[0], [0, 5, 6], [], {"p": 0}, {"p": 0, "n": 5, "m": 6}, "05", None])
async def test_parameters_that_dont_fit_are_refused(api: Api, numbers: str, params: Any) -> None:
    """Too few, too many, unknown names or no parameters at all never reach the server."""
    with pytest.raises(ParameterError):
        await api.execute(f"SELECT v FROM {numbers} WHERE p = :p AND n = :n", params)


async def test_a_wrong_type_names_column_and_types(api: Api, numbers: str) -> None:
    """The error says which column, its CQL type and the value's type, but not the value."""
    with pytest.raises(ParameterTypeError) as caught:
        await api.execute(f"INSERT INTO {numbers} (p, n, v) VALUES (3, ?, ?)", [1, 4711])
    assert caught.value.column == "v"
    assert caught.value.cql_type == "text"
    assert caught.value.value_type == "int"
    assert "4711" not in str(caught.value)
    assert isinstance(caught.value, TypeError)


async def test_unset_leaves_a_column_untouched(api: Api, table: Callable[[str], str]) -> None:
    """UNSET writes nothing, None deletes."""
    name = table("k int PRIMARY KEY, a int, b int")
    await api.execute(f"INSERT INTO {name} (k, a, b) VALUES (?, ?, ?)", [1, 1, 1])
    await api.execute(f"INSERT INTO {name} (k, a, b) VALUES (?, ?, ?)", [1, UNSET, None])
    assert await api.execute(f"SELECT a, b FROM {name}", []) == [{"a": 1, "b": None}]


async def test_execute_one(api: Api, numbers: str) -> None:
    """The first column of the first row, or None."""
    assert await api.execute_one(f"SELECT count(*) FROM {numbers} WHERE p = 0", []) == _ROWS
    assert await api.execute_one(f"SELECT v, n FROM {numbers} WHERE p = 0", []) == "v0"
    assert await api.execute_one(f"SELECT v FROM {numbers} WHERE p = 99", []) is None


@pytest.fixture(params=["fast path", "driver's way"])
def either_way(request: pytest.FixtureRequest, connect: Callable[..., Any], driver: Any) -> Any:
    """Connect with the fast path and without."""
    return driver if request.param == "fast path" else connect(fast_path=False)


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_two_columns_of_the_same_name(either_way: Any, way: str, table: Callable[[str], str]) -> None:
    """Each way of asking for rows names the column; execute_one gives the first, also when all is warm."""
    name = table("p int, c int, v text, PRIMARY KEY (p, c)")
    api = Api(either_way, is_async=way == "async")
    insert = f"INSERT INTO {name} (p, c, v) VALUES (0, ?, ?)"
    await api.execute_many(insert, [[c, "v"] for c in range(5)])
    select = f"SELECT c AS twice, v AS twice, p FROM {name} WHERE p = ?"
    for _ in range(3):
        ways = [
            api.execute(select, [0]),
            api.execute(select, [1]),  # without a row, too
            api.execute(select, [0], fetch_size=2),
            api.execute(select, [0], options=RequestOptions(trace=True)),
            anext(api.stream(select, [0], fetch_size=2)),
        ]
        for asked in ways:
            with pytest.raises(InvalidQueryError, match=r"2 columns named 'twice'.*AS name") as caught:
                await asked
            assert (caught.value.statement, caught.value.may_have_been_applied) == (select, False)
        many = await api.execute_many(select, [[0], [1]], raise_on_error=False)
        assert [type(many.errors[index]) for index in range(2)] == [InvalidQueryError] * 2
        assert [await api.execute_one(select, [0]) for _ in range(3)] == [0, 0, 0]
        assert await api.execute_one(select, [1]) is None


async def test_a_column_called_as_the_servers_own(either_way: Any, table: Callable[[str], str]) -> None:
    """An error of the same name in what a write returns says that the write may have been applied."""
    name = table('p int PRIMARY KEY, "[applied]" int')
    insert = f'INSERT INTO {name} (p, "[applied]") VALUES (1, 1) IF NOT EXISTS'
    assert (await either_way.execute_async(insert, [])).applied
    with pytest.raises(InvalidQueryError, match=r"named '\[applied\]'") as caught:
        await either_way.execute_async(insert, [])
    assert caught.value.may_have_been_applied


async def test_lightweight_transactions_say_whether_they_applied(
    api: Api, table: Callable[[str], str]
) -> None:
    """``[applied]`` is in the row, and in ``Rows.applied``."""
    name = table("k int PRIMARY KEY, v int")
    first = await api.execute(f"INSERT INTO {name} (k, v) VALUES (1, 1) IF NOT EXISTS", [])
    second = await api.execute(f"INSERT INTO {name} (k, v) VALUES (1, 2) IF NOT EXISTS", [])
    assert (first.applied, first) == (True, [{"[applied]": True}])
    assert (second.applied, second) == (False, [{"[applied]": False, "k": 1, "v": 1}])


@pytest.mark.parametrize("level", ["ONE", "one", "Local_Quorum", "QUORUM"])
async def test_consistency_in_any_case(api: Api, numbers: str, level: str) -> None:
    """A level's name is understood in any case."""
    assert await api.execute(f"SELECT v FROM {numbers} WHERE p = 0 AND n = 1", [], level)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ({"consistency": "MANY"}, "consistency"),
        ({"consistency": 1}, "consistency"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1.0}, "timeout"),
        ({"timeout": "5"}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": 1e10}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"fetch_size": 0}, "fetch_size"),
        ({"fetch_size": -5}, "fetch_size"),
        ({"fetch_size": 1.5}, "fetch_size"),
        ({"options": {"trace": True}}, "options"),
    ],
)
async def test_bad_arguments_are_refused_before_sending(
    api: Api, numbers: str, arguments: dict[str, Any], option: str
) -> None:
    """The error names the argument and is a ValueError, too."""
    with pytest.raises(ConfigurationError) as caught:
        await api.execute(f"SELECT v FROM {numbers} WHERE p = 0 AND n = 1", [], **arguments)
    assert caught.value.option == option
    assert isinstance(caught.value, ValueError)


async def test_the_servers_refusals_have_their_own_errors(api: Api, keyspace: str, numbers: str) -> None:
    """Syntax, unknown table, existing keyspace: each its class, with the driver's exception as cause."""
    cases = [
        ("SELEC", QuerySyntaxError),
        (f"SELECT * FROM {keyspace}.nothing", InvalidQueryError),
        (f"SELECT nothing FROM {numbers}", InvalidQueryError),
        (f"SELECT * FROM {numbers} WHERE v = 'x'", InvalidQueryError),
        (
            f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy'}}",
            AlreadyExistsError,
        ),
        (f"CREATE TABLE {numbers} (k int PRIMARY KEY)", AlreadyExistsError),
    ]
    for stmt, kind in cases:
        with pytest.raises(kind) as caught:
            await api.execute(stmt, [])
        assert type(caught.value) is kind
        assert caught.value.__cause__ is not None
        assert caught.value.statement == stmt
        assert "message=" not in str(caught.value)


async def test_use_is_refused_with_the_way_to_do_it(api: Api, keyspace: str) -> None:
    """USE would change a shared session."""
    with pytest.raises(InvalidQueryError, match="keyspace="):
        await api.execute(f"/* a comment */ USE {keyspace}", [])


async def test_schema_statements_take_no_parameters(api: Api, numbers: str) -> None:
    """TRUNCATE with a value is refused before it is sent."""
    with pytest.raises(ParameterError):
        await api.execute(f"TRUNCATE {numbers}", [1])
    assert await api.execute_one(f"SELECT n FROM {numbers} LIMIT 1", []) is not None


async def test_ping(api: Api) -> None:
    """A server that answers is there."""
    assert await api.ping() is True


async def test_statements_that_are_not_text_are_refused(api: Api) -> None:
    """Bytes and driver statements aren't CQL text."""
    with pytest.raises(ConfigurationError):
        await api.execute(b"SELECT * FROM system.local", [])


async def test_fetch_size_of_statements_that_are_not_prepared(api: Api) -> None:
    """DESCRIBE pages as well; its next page starts where the first one stopped."""
    for _ in range(20):  # other tests change the schema
        everything = await api.execute("DESCRIBE KEYSPACE system_schema", [])
        page = await api.execute("DESCRIBE KEYSPACE system_schema", [], fetch_size=5)
        assert len(page) == 5
        try:
            rest = await api.execute("DESCRIBE KEYSPACE system_schema", [], paging_state=page.paging_state)
        except InvalidQueryError as exc:
            if "schema has changed" not in str(exc):
                raise
            continue
        if [*page, *rest] == everything:
            return
    pytest.fail("The pages never were the whole result.")


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "session"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_columns_of_results(
    connect: Callable[..., Any], table: Callable[[str], str], fast_path: bool, is_async: bool
) -> None:
    """A result says which columns it has, of which CQL types, also without rows and over many pages."""
    api = Api(connect(fast_path=fast_path), is_async=is_async)
    collections = "tags list<text>, pairs map<text, frozen<set<int>>>"
    name = table(f"k int, c int, {collections}, at timestamp, PRIMARY KEY (k, c)")
    select = f"SELECT c, tags, pairs, at AS moment, count(*) AS n FROM {name} WHERE k = ? GROUP BY k, c"
    columns = [
        ("c", "int"),
        ("tags", "list<text>"),
        ("pairs", "map<text, set<int>>"),
        ("moment", "timestamp"),
        ("n", "bigint"),
    ]
    for _ in range(40):  # by the session first, and as soon as there are connections, on the fast path
        assert (await api.execute(select, [1])).columns == tuple(columns)
    for c in range(5):
        written = await api.execute(f"INSERT INTO {name} (k, c) VALUES (?, ?)", [1, c])
        assert written.columns is None
    assert (await api.execute(select, [1], fetch_size=2)).columns == tuple(columns)
    rows = await api.execute(select, [1])
    assert (len(rows), rows.columns) == (5, tuple(columns))


async def test_pages_by_cursor(api: Api, table: Callable[[str], str]) -> None:
    """The text that a page gives for a URL leads to the next page; another statement refuses it."""
    name = table("k int, c int, PRIMARY KEY (k, c)")
    for c in range(5):
        await api.execute(f"INSERT INTO {name} (k, c) VALUES (1, ?)", [c])
    select = f"SELECT c FROM {name} WHERE k = ?"
    found, cursor = [], None
    while True:
        page = await api.execute(select, [1], fetch_size=2, paging_state=cursor)
        found.append(page.scalars())
        cursor = page.cursor
        if cursor is None:
            break
        with pytest.raises(PagingStateError):
            await api.execute(f"{select} LIMIT 3", [1], fetch_size=2, paging_state=cursor)
    assert found == [[0, 1], [2, 3], [4]]
