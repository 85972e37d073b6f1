"""The shells: any driver that executes CQL, sync and async alike."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import ConnectionFailedError, SchemaError
from coodie.schema import ColumnDefinition as Col
from coodie.schema import sync_table, sync_table_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_core.tests.schema.conftest import RowServer

    from coodie.schema import SyncResult

COLS = [Col("id", "int", primary_key=True), Col("x", "int", index=True)]
ADD = "ALTER TABLE ks.t ADD x int"
INDEX = "CREATE INDEX IF NOT EXISTS t_x_idx ON ks.t (x)"


class ThirdPartyDriver:
    """No coodie class: two methods that execute CQL, and fail at one statement."""

    def __init__(self, server: RowServer, failing: str = "") -> None:
        self.server = server
        self.failing = failing
        self.executed: list[str] = []

    def execute(self, stmt: str, params: list[Any]) -> list[dict[str, Any]]:
        """Answer a read, or note a statement."""
        if stmt == self.failing or (stmt.startswith("SELECT") and self.failing == "SELECT"):
            raise ConnectionFailedError("lost")
        if stmt.startswith("SELECT"):
            assert type(params) is list
            return self.server.answer(stmt, tuple(params))
        assert params == []
        self.executed.append(stmt)
        return []

    async def execute_async(self, stmt: str, params: list[Any]) -> list[dict[str, Any]]:
        """Do the same after giving the loop a turn."""
        await asyncio.sleep(0)
        return self.execute(stmt, params)


def run_async(*args: Any, **kwargs: Any) -> SyncResult:
    """Run the async shell on a loop of its own."""
    return asyncio.run(sync_table_async(*args, **kwargs))


@pytest.fixture(params=[sync_table, run_async], ids=["sync", "async"])
def sync(request: pytest.FixtureRequest) -> Callable[..., SyncResult]:
    """Both shells."""
    shell: Callable[..., SyncResult] = request.param
    return shell


def test_executes_the_plan(server: RowServer, sync: Callable[..., SyncResult]) -> None:
    """What is returned is what was executed, in order."""
    server.add_table("t", "id int pk0")
    driver = ThirdPartyDriver(server)
    assert sync(driver, "t", "ks", COLS) == [ADD, INDEX] == driver.executed


def test_dry_run(server: RowServer, sync: Callable[..., SyncResult]) -> None:
    """A dry run returns the same and executes nothing."""
    server.add_table("t", "id int pk0")
    driver = ThirdPartyDriver(server)
    assert sync(driver, "t", "ks", COLS, None, True, False) == [ADD, INDEX]
    assert driver.executed == []


def test_options_and_dropped_indexes_are_passed_on(
    server: RowServer, sync: Callable[..., SyncResult]
) -> None:
    """Each argument reaches the plan, by place and by name."""
    server.add_table("t", "id int pk0", "x int")
    server.add_index("t", "old", "id")
    driver = ThirdPartyDriver(server)
    result = sync(driver, "t", "ks", COLS, table_options={"comment": "c"}, drop_removed_indexes=True)
    assert result == ["ALTER TABLE ks.t WITH comment = 'c'", "DROP INDEX IF EXISTS ks.old", INDEX]


def test_a_failing_statement(server: RowServer, sync: Callable[..., SyncResult]) -> None:
    """The plan learns of the failure and says what was executed."""
    server.add_table("t", "id int pk0")
    with pytest.raises(SchemaError) as caught:
        sync(ThirdPartyDriver(server, failing=INDEX), "t", "ks", COLS)
    assert caught.value.executed == (ADD,)
    assert isinstance(caught.value.__cause__, ConnectionFailedError)


def test_a_failing_read(server: RowServer, sync: Callable[..., SyncResult]) -> None:
    """A read's failure comes through as it is: nothing was changed."""
    with pytest.raises(ConnectionFailedError, match="lost"):
        sync(ThirdPartyDriver(server, failing="SELECT"), "t", "ks", COLS)


async def test_cancelling_ends_the_plan(server: RowServer) -> None:
    """A cancelled sync executes nothing more."""
    server.add_table("t", "id int pk0")
    driver = ThirdPartyDriver(server)
    task = asyncio.create_task(sync_table_async(driver, "t", "ks", COLS))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert driver.executed == []


def test_the_planner_needs_no_database_driver() -> None:
    """Planning imports nothing that talks to a server."""
    code = "import sys, coodie.schema; sys.exit('cassandra' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
