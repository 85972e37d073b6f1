"""Tracebacks of the mistakes that programs make most: few frames of coodie, and all those of other code."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver

import coodie
from coodie import ColumnDefinition
from coodie.exceptions import CoodieError, QuerySyntaxError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from coodie.registry import DriverRegistry

pytestmark = pytest.mark.server

_MOST = 3
_INSERT = "INSERT INTO {table} (id, v) VALUES (?, ?)"

#: Mistakes in the arguments of ``execute`` and ``execute_async``.
_EXECUTED: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "invalid CQL": (("SELCT 1",), {}),
    "an unknown table": (("SELECT * FROM {table}_unknown",), {}),
    "an unknown column": (("SELECT unknown FROM {table}",), {}),
    "a parameter of another type": ((_INSERT, ["x", "y"]), {}),
    "too few parameters": ((_INSERT, [1]), {}),
    "parameters in a str": ((_INSERT, "xy"), {}),
    "an unknown consistency level": ((_INSERT, [1, "y"]), {"consistency": "QORUM"}),
    "an invalid page size": (("SELECT * FROM {table}",), {"fetch_size": 0}),
}


def _ours(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}: {frame.name}" for frame in frames if "/coodie_core/src/" in frame.filename]


async def _error_of(call: Callable[[], Any] | Callable[[], Awaitable[Any]]) -> CoodieError:
    try:
        result = call()
        if asyncio.iscoroutine(result):
            await result
    except CoodieError as error:
        return error
    raise AssertionError


@pytest.fixture(scope="module")
def table(cassandra_driver: Any, keyspace: str) -> str:
    """Create a table."""
    name = f"{keyspace}.mistakes"
    cassandra_driver.execute(f"CREATE TABLE IF NOT EXISTS {name} (id int PRIMARY KEY, v text)")
    return name


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("mistake", _EXECUTED)
async def test_a_request(mistake: str, is_async: bool, cassandra_driver: Any, table: str) -> None:
    """A mistake in a request; the driver's exception, if there is one, keeps its own frames."""
    (stmt, *rest), options = _EXECUTED[mistake]
    execute = cassandra_driver.execute_async if is_async else cassandra_driver.execute
    error = await _error_of(lambda: execute(stmt.format(table=table), *rest, **options))
    assert len(_ours(error)) <= _MOST, "\n".join(_ours(error))
    assert error.__cause__ is None or error.__cause__.__traceback__ is not None


async def test_other_methods(cassandra_driver: Any, table: str, keyspace: str) -> None:
    """Mistakes in batches, streams, many executions and definitions of tables."""
    driver, insert = cassandra_driver, _INSERT.format(table=table)
    columns = [ColumnDefinition("id", "intt", primary_key=True)]

    async def stream() -> None:
        async for _ in driver.stream_async("SELCT 1"):
            pass

    for call in (
        lambda: driver.execute_batch([(insert, ["x", "y"])]),
        lambda: driver.execute_batch_async([(insert, ["x", "y"])]),
        lambda: driver.execute_many(insert, [["x", "y"]]),
        lambda: driver.execute_many_async(insert, [["x", "y"]]),
        lambda: list(driver.stream("SELCT 1")),
        stream,
        lambda: driver.sync_table("mistakes", keyspace, columns),
        lambda: driver.sync_table_async("mistakes", keyspace, columns),
    ):
        error = await _error_of(call)
        assert len(_ours(error)) <= _MOST, "\n".join(_ours(error))


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("lazy", [False, True], ids=["now", "lazy"])
@pytest.mark.parametrize(
    "options",
    [
        {"request_timout": 5},
        {"keyspace": "unknown"},
        {"port": 1},
        {"driver_type": "scyla"},
        {"hosts": ["a:b"]},
    ],
    ids=lambda options: next(iter(options)),
)
async def test_opening(
    options: dict[str, Any],
    lazy: bool,
    is_async: bool,
    cassandra_node: Any,
    backend: str,
    registry: DriverRegistry,
) -> None:
    """A mistake in an option of a connection, also of one that connects later."""
    address = {"hosts": [cassandra_node.host], "port": cassandra_node.port, "driver_type": backend}
    arguments = {**address, **options, "lazy": lazy}

    def call() -> Any:
        driver = coodie.init_coodie(**arguments)
        return driver.execute("SELECT key FROM system.local")

    async def call_async() -> Any:
        driver = await coodie.init_coodie_async(**arguments)
        return await driver.execute_async("SELECT key FROM system.local")

    error = await _error_of(call_async if is_async else call)
    assert len(_ours(error)) <= _MOST, "\n".join(_ours(error))


async def test_a_url_and_a_closed_driver(cassandra_node: Any, backend: str, registry: DriverRegistry) -> None:
    """A mistake in a URL, and a request after close."""
    driver = open_driver(backend, hosts=[cassandra_node.host], port=cassandra_node.port)
    driver.close()
    for call in (
        lambda: coodie.connect("scylla:/x"),
        lambda: coodie.connect_async("scylla:/x"),
        lambda: driver.execute("SELECT key FROM system.local"),
        lambda: driver.execute_async("SELECT key FROM system.local"),
    ):
        error = await _error_of(call)
        assert len(_ours(error)) <= _MOST, "\n".join(_ours(error))


def test_code_of_the_caller(cassandra_driver: Any, table: str) -> None:
    """An iterator that fails is in the traceback, with all frames around it."""

    def values() -> Iterator[list[Any]]:
        yield [1, "a"]
        cassandra_driver.execute("SELCT 1")

    with pytest.raises(QuerySyntaxError) as caught:
        cassandra_driver.execute_many(_INSERT.format(table=table), values())
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert "values" in [frame.name for frame in frames]
    assert len(_ours(caught.value)) > _MOST


def test_development_mode() -> None:
    """With ``python -X dev``, tracebacks have all frames."""
    code = (
        "import coodie\n"
        "try: coodie.init_coodie(driver_type='scyla')\n"
        "except coodie.ConfigurationError as error:\n"
        "    print(error.__traceback__.tb_next.tb_next is not None)"
    )
    for options, whole in ((["-X", "dev"], "True"), ([], "False")):
        done = subprocess.run(
            [sys.executable, *options, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == whole
