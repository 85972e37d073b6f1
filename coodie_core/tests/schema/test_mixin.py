"""The mixin: a driver that can execute CQL inherits the sync of tables."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coodie.drivers import AbstractDriver
from coodie.schema import ColumnDefinition as Col
from coodie.schema import SchemaSyncMixin, SyncOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_core.tests.schema.conftest import RowServer

KEY = Col("id", "int", primary_key=True)
VECTOR = Col("v", "vector<float, 3>")
ADD = "ALTER TABLE ks.t ADD x int"


class Inheriting(SchemaSyncMixin, AbstractDriver):
    """A third party's driver: execute, close, and what it inherits."""

    def __init__(self, server: RowServer) -> None:
        self.server = server
        #: (statement, timeout) of each round trip.
        self.trips: list[tuple[str, float | None]] = []

    def execute(
        self,
        stmt: str,
        params: list[Any],
        consistency: str | None = None,
        timeout: float | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        *,
        options: Any = None,
    ) -> list[dict[str, Any]]:
        """Answer a read, or execute a statement."""
        self.trips.append((stmt, timeout))
        if stmt.startswith("SELECT"):
            return self.server.answer(stmt, tuple(params))
        self.server.execute(stmt)
        return []

    async def execute_async(self, stmt: str, params: list[Any], *args: Any, **kwargs: Any) -> Any:
        """Do the same after giving the loop a turn."""
        await asyncio.sleep(0)
        return self.execute(stmt, params, *args, **kwargs)

    def close(self) -> None:
        """Hold nothing."""

    async def close_async(self) -> None:
        """Hold nothing."""


@pytest.fixture(params=["sync", "async"])
def sync(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a driver's sync_table, or its twin on a loop of its own."""

    def call(driver: Inheriting, *cols: Col, **kwargs: Any) -> Any:
        if request.param == "sync":
            return driver.sync_table("t", "ks", list(cols), **kwargs)
        return asyncio.run(driver.sync_table_async("t", "ks", list(cols), **kwargs))

    return call


def test_a_table_in_order(server: RowServer, sync: Callable[..., Any]) -> None:
    """It costs six round trips; seven where the server's version matters."""
    server.add_table("t", "id int pk0", "v|vector<float, 3>")
    driver = Inheriting(server)
    assert sync(driver, KEY) == []
    assert len(driver.trips) == 6
    assert sync(driver, KEY, VECTOR) == []
    assert len(driver.trips) == 6 + 7


def test_a_table_that_is_shown_before_it_is_known(server: RowServer, sync: Callable[..., Any]) -> None:
    """It returns when the table can be read, or tells that it can't."""
    server.add_table("t", "id int pk0")
    server.unknown_for = 2
    assert sync(Inheriting(server), KEY).warnings == ()
    assert server.unknown_for == 0
    server.unknown_for = 1000
    (warning,) = sync(Inheriting(server), KEY, options=SyncOptions(agreement_timeout=0.15)).warnings
    assert "table t does not exist" in warning


def test_a_table_that_grows(server: RowServer, sync: Callable[..., Any]) -> None:
    """Three reads, the statement, two for agreement, the table again, and three to see that it is known."""
    server.add_table("t", "id int pk0")
    server.effects[ADD] = lambda: server.add_column("t", "x int")
    driver = Inheriting(server)
    assert sync(driver, KEY, Col("x", "int")) == [ADD]
    assert len(driver.trips) == 3 + 1 + 2 + 3 + 3


def test_nodes_that_do_not_agree(server: RowServer, sync: Callable[..., Any]) -> None:
    """They are looked at again until they do, or until the time is over, which is told."""
    server.add_table("t", "id int pk0")
    server.effects[ADD] = lambda: server.add_column("t", "x int")
    other = {"host_id": 2, "rpc_address": "10.0.0.2", "schema_version": "b"}
    server.peers = [other, {"host_id": 3, "rpc_address": None, "schema_version": None}]
    driver = Inheriting(server)
    result = sync(driver, KEY, Col("x", "int"), options=SyncOptions(agreement_timeout=0.15))
    assert len([stmt for stmt, _ in driver.trips if "system.peers" in stmt]) >= 2
    (warning,) = result.warnings
    assert warning.endswith("no schema agreement after 0.15 s: version a on 1, version b on 10.0.0.2")


def test_agreement_that_cannot_be_told(server: RowServer, sync: Callable[..., Any]) -> None:
    """A service without system.peers gets its table all the same."""
    server.add_table("t", "id int pk0")
    server.effects[ADD] = lambda: server.add_column("t", "x int")
    server.peers = [{}]
    result = sync(Inheriting(server), KEY, Col("x", "int"))
    assert result == [ADD]
    (warning,) = result.warnings
    assert warning.startswith("schema agreement couldn't be checked")


def test_a_timeout_is_passed_on(server: RowServer, sync: Callable[..., Any]) -> None:
    """Each request gets the caller's seconds; without them none is given any."""
    server.add_table("t", "id int pk0")
    driver = Inheriting(server)
    sync(driver, KEY, options=SyncOptions(timeout=7))
    assert {timeout for _, timeout in driver.trips} == {7}
    driver.trips.clear()
    sync(driver, KEY)
    assert {timeout for _, timeout in driver.trips} == {None}


def test_waiting_for_an_index(server: RowServer, sync: Callable[..., Any]) -> None:
    """The node that answers is the one that is asked."""
    server.add_table("t", "id int pk0", "x int")
    server.add_index("t", "t_x_idx", "x")
    server.built = [{"t_x_idx"}]
    indexed = Col("x", "int", index=True)
    assert sync(Inheriting(server), KEY, indexed, options=SyncOptions(wait_for_indexes=5)) == []
