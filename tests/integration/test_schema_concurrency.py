"""sync_table by many at once: tasks, threads and processes, on one node."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.schema_rows import columns_of, indexes_of, new_name
from tests.integration.schema_workers import BASE, GROWN, Workers

from coodie.schema import ColumnDefinition as Col
from coodie.schema import sync_table_async

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.server

KEY, *_ = BASE


@pytest.mark.parametrize(("made_before", "processes"), [(True, 8), (False, 2)])
async def test_tasks_and_processes(
    driver: Any, cassandra_node: Any, backend: str, keyspace: str, made_before: bool, processes: int
) -> None:
    """40 tasks and some processes at once all succeed, and each change is made by one of them."""
    table = new_name()
    if made_before:
        driver.sync_table(table, keyspace, BASE)
    hosts = [cassandra_node.host] * processes
    with Workers(hosts, cassandra_node.port, backend, keyspace, table) as workers:
        workers.go()
        tasks = [driver.sync_table_async(table, keyspace, GROWN) for _ in range(40)]
        results = [*await asyncio.gather(*tasks), *workers.executed()]
    added = [statement for result in results for statement in result if "ADD" in statement]
    if made_before:
        assert added == [f"ALTER TABLE {keyspace}.{table} ADD (y text, z int)"]
    else:
        assert added == []
    assert set(columns_of(driver, keyspace, table)) == {"id", "x", "y", "z"}
    assert list(indexes_of(driver, keyspace, table)) == [f"{table}_z_idx"]
    assert driver.sync_table(table, keyspace, GROWN) == []


def test_threads_with_parts_of_the_whole(driver: Any, keyspace: str) -> None:
    """Definitions that overlap are merged, whatever the order in which they arrive, and whoever creates."""
    table = new_name()
    extra = [Col(f"c{n}", "int") for n in range(6)]
    parts = [[KEY, extra[n], extra[(n + 1) % 6], extra[(n + 2) % 6]] for n in range(6)]
    run: Callable[[list[Col]], Any] = lambda cols: driver.sync_table(table, keyspace, cols)  # noqa: E731
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, parts))
    assert set(columns_of(driver, keyspace, table)) == {"id", *(c.name for c in extra)}


async def test_tasks_of_a_driver_that_inherits(driver: Any, keyspace: str, name: str) -> None:
    """One read after another, and no node chosen: 40 tasks succeed all the same, and one adds."""
    await sync_table_async(driver, name, keyspace, BASE)
    results = await asyncio.gather(*(sync_table_async(driver, name, keyspace, GROWN) for _ in range(40)))
    added = [statement for result in results for statement in result if "ADD" in statement]
    assert added == [f"ALTER TABLE {keyspace}.{name} ADD (y text, z int)"]
    assert list(indexes_of(driver, keyspace, name)) == [f"{name}_z_idx"]
    assert await sync_table_async(driver, name, keyspace, GROWN) == []


async def test_nothing_is_left_over(driver: Any, keyspace: str, name: str) -> None:
    """A cancelled sync changes nothing more, and the driver goes on."""
    task = asyncio.create_task(driver.sync_table_async(name, keyspace, GROWN))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await driver.sync_table_async(name, keyspace, GROWN)) == 2
