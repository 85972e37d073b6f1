"""Whatever is given to the public methods: a right result or one of our errors, and the driver goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import coodie
from coodie.exceptions import CoodieError, PagingStateError
from coodie.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.registry import DriverRegistry

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

#: Examples for each property; a fixture per function is what we want here: one table serves them all.
EXAMPLES = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

#: Values of all kinds, right for some column or for none.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.ip_addresses()
    | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=8,
)

TYPES = (
    "ascii", "bigint", "blob", "boolean", "date", "decimal", "double", "duration", "float", "inet", "int",
    "smallint", "text", "time", "timestamp", "timeuuid", "tinyint", "uuid", "varint", "list<int>",
    "set<text>", "map<text, int>", "tuple<int, text>", "vector<float, 3>",
)  # fmt: skip


@pytest.fixture(scope="module")
def wide(driver: Any, keyspace: str) -> str:
    """Make a table with a column of every type."""
    columns = ", ".join(f"c{number} {cql}" for number, cql in enumerate(TYPES))
    driver.execute(f"CREATE TABLE {keyspace}.wide (k int PRIMARY KEY, {columns})", [])
    return f"{keyspace}.wide"


async def _both(driver: Any, method: str, *args: Any, **kwargs: Any) -> None:
    """Call a method, sync and async: nothing but a CoodieError may come out, and both agree on which."""
    outcomes: list[type[BaseException] | None] = []
    for call in (getattr(driver, method), getattr(driver, f"{method}_async")):
        try:
            answer = call(*args, **kwargs)
            if asyncio.iscoroutine(answer):
                await asyncio.wait_for(answer, 60)
        except CoodieError as exc:
            outcomes.append(type(exc))
        else:
            outcomes.append(None)
    assert outcomes[0] is outcomes[1]


async def _both_streams(driver: Any, stmt: str, **terms: Any) -> None:
    """Stream, sync and async: as _both."""
    outcomes: list[type[BaseException] | None] = []
    for is_async in (False, True):
        try:
            if is_async:
                async for _ in driver.stream_async(stmt, **terms):
                    pass
            else:
                for _ in driver.stream(stmt, **terms):
                    pass
        except CoodieError as exc:
            outcomes.append(type(exc))
        else:
            outcomes.append(None)
    assert outcomes[0] is outcomes[1]


@EXAMPLES
@given(number=st.integers(0, len(TYPES) - 1), value=ANYTHING)
async def test_any_value_for_any_type(number: int, value: Any, driver: Any, wide: str) -> None:
    """Any value for any column type is stored, or raises an error."""
    await _both(driver, "execute", f"UPDATE {wide} SET c{number} = ? WHERE k = 1", [value])


@EXAMPLES
@given(params=ANYTHING)
async def test_any_parameters(params: Any, driver: Any, wide: str) -> None:
    """Parameters that aren't a sequence or mapping of the right length raise an error."""
    await _both(driver, "execute", f"SELECT k FROM {wide} WHERE k = ?", params)
    await _both(driver, "execute_many", f"SELECT k FROM {wide} WHERE k = ?", params, raise_on_error=False)


@EXAMPLES
@given(stmt=ANYTHING | st.text(alphabet="SELECT *FROM;'\"-/\n\0é", max_size=40))
async def test_any_statement(stmt: Any, driver: Any, keyspace: str) -> None:
    """Invalid CQL, and statements that aren't a str, raise an error."""
    await _both(driver, "execute", stmt, [])
    await _both(driver, "execute_batch", [stmt])


@EXAMPLES
@given(consistency=ANYTHING, timeout=ANYTHING, fetch_size=ANYTHING, paging_state=ANYTHING, options=ANYTHING)
async def test_any_terms(
    consistency: Any, timeout: Any, fetch_size: Any, paging_state: Any, options: Any, driver: Any, wide: str
) -> None:
    """Each argument of a request, with values of any type, works or raises an error."""
    stmt = f"SELECT k FROM {wide}"
    for terms in (
        {"consistency": consistency},
        {"fetch_size": fetch_size},
        {"paging_state": paging_state},
        {"options": options},
    ):
        await _both(driver, "execute", stmt, [], **terms)
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or timeout <= 0:
        await _both(driver, "execute", stmt, [], timeout=timeout)


@pytest.mark.reliability
@EXAMPLES
@given(value=ANYTHING)
async def test_any_argument_of_the_other_methods(value: Any, driver: Any, wide: str) -> None:
    """Any argument of the other methods works or raises an error, the same for sync and async."""
    stmt = f"SELECT k FROM {wide} WHERE k = ?"
    insert = f"INSERT INTO {wide} (k) VALUES (?)"
    await _both(driver, "execute_one", stmt, value)
    await _both(driver, "execute_many", insert, [[1]], concurrency=value)
    await _both(driver, "execute_many", value, [[1]])
    await _both(driver, "execute_batch", [(insert, [1])], value)
    await _both(driver, "execute_batch", value)
    await _both(driver, "execute_batch", [(insert, value)])
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
        await _both(driver, "ping", timeout=value)
    for terms in ({"fetch_size": value}, {"consistency": value}, {"params": value}):
        await _both_streams(driver, stmt, **({"params": [1]} | terms))


#: Options of connecting that keep an attempt short whatever they are.
CONNECTING = sorted(set(OPTIONS) - {"driver_type", "hosts", "session"})


@pytest.mark.reliability
@settings(EXAMPLES, max_examples=100)
@given(option=st.sampled_from(CONNECTING), value=ANYTHING)
async def test_any_option_of_connecting(
    option: str, value: Any, cassandra_node: Any, backend: str, registry: DriverRegistry
) -> None:
    """With any value of an option, connecting succeeds, or raises an error with the problem, in time."""
    options = cassandra_node.connection_options() | {"driver_type": backend, "connect_timeout": 5}
    options[option] = value
    for is_async in (False, True):
        try:
            if is_async:
                opened = await asyncio.wait_for(coodie.init_coodie_async(**options), 60)
            else:
                opened = coodie.init_coodie(**options)
        except CoodieError as exc:
            assert str(exc)  # noqa: PT017 - most are refused, some are fine
            continue
        try:
            assert opened.ping()
        finally:
            opened.close()


@EXAMPLES
@given(change=st.binary(min_size=1, max_size=40), place=st.integers(0, 60))
async def test_hostile_paging_states(change: bytes, place: int, driver: Any, wide: str) -> None:
    """A changed paging state raises an error before it is sent."""
    stmt = f"SELECT k FROM {wide}"
    await driver.execute_many_async(f"INSERT INTO {wide} (k) VALUES (?)", ([k] for k in range(5)))
    good = (await driver.execute_async(stmt, [], fetch_size=2)).paging_state
    bad = good[:place] + change + good[place + len(change) :]
    if bad == good:
        return
    with pytest.raises(PagingStateError):
        await driver.execute_async(stmt, [], fetch_size=2, paging_state=bad)
    assert len(await driver.execute_async(stmt, [], fetch_size=2, paging_state=good)) == 2


@EXAMPLES
@given(table=ANYTHING, keyspace_name=ANYTHING, cols=ANYTHING, options=ANYTHING)
async def test_any_definition(
    table: Any, keyspace_name: Any, cols: Any, options: Any, driver: Any, keyspace: str
) -> None:
    """An invalid table definition raises an error before anything is sent."""
    from coodie.schema import ColumnDefinition

    good = [ColumnDefinition("k", "int", primary_key=True)]
    await _both(driver, "sync_table", "t", keyspace, cols, dry_run=True)
    await _both(driver, "sync_table", "t", keyspace, good, options, dry_run=True)
    await _both(driver, "sync_table", table, keyspace, good, dry_run=True)
    await _both(driver, "sync_table", "t", keyspace_name, good, dry_run=True)


async def test_the_driver_goes_on(driver: Any) -> None:
    """After all invalid arguments, the same driver works."""
    assert await driver.ping_async()


def test_edges_of_each_type(driver: Any, wide: str, table: Callable[[str], str]) -> None:
    """The minimum and maximum of each number type are stored; values beyond them raise an error."""
    bits = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}
    for cql, size in bits.items():
        column = f"c{TYPES.index(cql)}"
        update = f"UPDATE {wide} SET {column} = ? WHERE k = 2"
        for value in (-(2**size), 2**size - 1):
            driver.execute(update, [value])
            assert driver.execute_one(f"SELECT {column} FROM {wide} WHERE k = 2", []) == value
        for value in (-(2**size) - 1, 2**size):
            with pytest.raises(CoodieError):
                driver.execute(update, [value])
