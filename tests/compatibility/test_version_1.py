"""Packages made for version 1 of the contract serve requests, beside the distributions of the tree."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from tests.conftest import Api

import coodie
from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    DriverClosedError,
    ParameterError,
    QuerySyntaxError,
)
from coodie.observers import activate_observer
from coodie.plugins import installed_drivers
from coodie.schema import ColumnDefinition

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.registry import DriverRegistry

FROZEN = Path(__file__).with_name("version_1")

#: The packages, each with what it announces, and the digest of its files.
PACKAGES = {
    "coodie_my_db": ("my-db", "62b4d924cc5173b6"),
    "coodie_rust": ("rust", "3dfa0e179e9f3ce7"),
    "coodie_slowlog": ("slowlog", "2335d6fc5340b371"),
    "coodie_watcher": ("echo", "958f22a3ca38cf09"),
}

#: The backends that send requests, with their own options.
BACKENDS: dict[str, dict[str, Any]] = {"my-db": {}, "rust": {}, "slowlog": {"backend": "scylla"}}

ROWS = 250


def digest_of(package: str) -> str:
    """Digest the files of a package, with their names."""
    digest = hashlib.sha256()
    for file in sorted((FROZEN / package).rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            name = file.relative_to(FROZEN).as_posix()
            digest.update(f"{name}\n{file.read_text(encoding='utf-8')}\n".encode())
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("package", PACKAGES)
def test_nobody_adapts_them(package: str) -> None:
    """What others have written doesn't change with the tree."""
    assert digest_of(package) == PACKAGES[package][1]


def test_all_of_them_are_tested() -> None:
    """A package that is added has its digest."""
    assert {path.name for path in FROZEN.iterdir() if path.is_dir()} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_they_are_installed(package: str) -> None:
    """Each was built and installed; nothing is imported from the tree, and its `driver_type` is announced."""
    origin = json.loads(distribution(package).read_text("direct_url.json") or "{}")
    assert "editable" not in origin.get("dir_info", {})
    modules = {import_module(entry.module) for entry in distribution(package).entry_points}
    assert all(Path(module.__file__ or "").is_relative_to(sys.prefix) for module in modules)
    assert PACKAGES[package][0] in [found.driver_type for found in installed_drivers()]


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("driver_type", BACKENDS)
async def test_requests_are_served(
    open_backend: Callable[..., Any], cassandra_keyspace: str, driver_type: str, way: str
) -> None:
    """Tables, rows, pages, streams, batches, conditions and errors: all that the contract names."""
    driver = open_backend(driver_type, **BACKENDS[driver_type])
    api = Api(driver, is_async=way == "async")
    name = f"{driver_type.replace('-', '_')}_{way}"
    table = f"{cassandra_keyspace}.{name}"
    columns = [
        ColumnDefinition("part", "int", primary_key=True),
        ColumnDefinition("n", "int", clustering_key=True),
        ColumnDefinition("text", "text"),
        ColumnDefinition("id", "uuid"),
    ]
    assert len(await api.sync_table(name, cassandra_keyspace, columns)) == 1
    assert await api.sync_table(name, cassandra_keyspace, columns) == []

    insert = f"INSERT INTO {table} (part, n, text, id) VALUES (?, ?, ?, ?)"
    done = await api.execute_many(insert, ([1, n, str(n), UUID(int=n)] for n in range(ROWS)))
    assert done.succeeded == ROWS
    await api.execute_batch([(insert, [2, 0, "a", None]), (insert, [2, 1, None, UUID(int=1)])])

    (row,) = await api.execute(f"SELECT * FROM {table} WHERE part = ? AND n = ?", [1, 7], "ONE", 10.0)
    assert row == {"part": 1, "n": 7, "text": "7", "id": UUID(int=7)}
    row["text"] = "the caller's to change"
    assert await api.execute_one(f"SELECT text FROM {table} WHERE part = 2 AND n = 0", []) == "a"

    select = f"SELECT n FROM {table} WHERE part = ?"
    first = await api.execute(select, [1], fetch_size=100)
    second = await api.execute(select, [1], fetch_size=100, paging_state=first.paging_state)
    assert [row["n"] for row in first + second] == list(range(200))
    if driver_type != "slowlog":  # a wrapper needn't have it
        assert driver._last_paging_state == second.paging_state
    assert [row["n"] async for row in api.stream(select, [1], fetch_size=100)] == list(range(ROWS))

    options = coodie.RequestOptions(idempotent=True)
    lwt = await api.execute(f"{insert} IF NOT EXISTS", [1, 7, "x", UUID(int=0)], options=options)
    assert lwt[0]["[applied]"] is False
    with pytest.raises(QuerySyntaxError):
        await api.execute("SELEKT", [])
    with pytest.raises(ParameterError):
        await api.execute(insert, [1])
    assert await api.ping() > 0
    await api.close()
    with pytest.raises(DriverClosedError):
        await api.execute(select, [1])


def test_slow_requests_are_logged(open_backend: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """The wrapper does what it is for, and its own check of the configuration is asked."""
    driver = open_backend("slowlog", backend="scylla", slow_seconds=1e-6)
    driver.execute("SELECT key FROM system.local", [])
    assert "SELECT key FROM system.local" in caplog.text
    with pytest.raises(ConfigurationError, match="was given no backend="):
        open_backend("slowlog")


def test_an_observer_is_told(
    open_backend: Callable[..., Any], cassandra_keyspace: str, registry: DriverRegistry
) -> None:
    """By its name an installed observer is activated; each hook is called, and its events are whole."""
    told = import_module("coodie_watcher.watcher").told

    told.clear()
    activate_observer("watcher")
    driver = open_backend("my-db")
    driver.execute(f"CREATE TABLE {cassandra_keyspace}.watched (k int PRIMARY KEY)", [])
    driver.execute_many(f"INSERT INTO {cassandra_keyspace}.watched (k) VALUES (?)", [[1], [2]])
    coodie.register_driver("mine", driver)
    driver.close()
    with pytest.raises(ConnectionFailedError):
        open_backend("my-db", port=9, connect_timeout=5.0)
    assert set(told) == {
        "registered",
        "opened",
        "failed",
        "closed",
        "started",
        "finished",
        "answered",
        "changed",
    }
    kinds = [str(event["kind"].value) for event in told["finished"]]
    assert len(kinds) == len(told["started"]) == 3, kinds
    assert [event["rows"] for event in told["answered"]] == [0, 0, 0]
    assert [event["name"] for event in told["changed"]] == ["watched"]
    assert {event["driver_type"] for event in told["opened"]} == {"my-db"}


async def test_a_driver_is_observed(open_backend: Callable[..., Any], registry: DriverRegistry) -> None:
    """`observe_request` and `tell_closed` tell of a driver that serves requests by itself."""
    told = import_module("coodie_watcher.watcher").told

    told.clear()
    activate_observer("watcher")
    echo = coodie.init_coodie(driver_type="echo")
    assert echo.execute("SELECT 1", [7]) == [{"stmt": "SELECT 1"}]
    assert await echo.execute_one_async("SELECT 2", []) == "SELECT 2"
    echo.close()
    assert [event["statement"] for event in told["finished"]] == ["SELECT 1", "SELECT 2"]
    assert [event["rows"] for event in told["answered"]] == [1, 1]
    assert len(told["closed"]) == 1
