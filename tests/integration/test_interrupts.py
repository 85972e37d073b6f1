"""Ctrl-C in methods that wait for a server that doesn't respond."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver

from coodie_testing.faults import FaultProxy
from coodie_testing.interrupts import Interrupting

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.registry import DriverRegistry

pytestmark = [
    pytest.mark.server,
    # Python ignores an interrupt in the callback of a weak reference: the next one ends the wait.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_TIMEOUT = 60.0
_WAITING: dict[str, Callable[[Any, str], Any]] = {
    "execute": lambda driver, table: driver.execute(f"SELECT v FROM {table} WHERE id = ?", [1]),
    "execute_batch": lambda driver, table: driver.execute_batch([(f"DELETE FROM {table} WHERE id = ?", [1])]),
    "execute_many": lambda driver, table: driver.execute_many(
        f"INSERT INTO {table} (id, v) VALUES (?, ?)", [(n, n) for n in range(100)]
    ),
    "stream": lambda driver, table: list(driver.stream(f"SELECT * FROM {table}", fetch_size=10)),
    "scan": lambda driver, table: list(driver.scan(table)),
    "warm": lambda driver, table: driver.warm([f"SELECT id FROM {table} WHERE id = ?"]),
    "is_ready": lambda driver, _: driver.is_ready(timeout=_TIMEOUT),
}


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
@pytest.mark.parametrize("name", _WAITING)
def test_a_silent_server(
    name: str,
    fast_path: bool,
    cassandra_node: Any,
    keyspace: str,
    backend: str,
    registry: DriverRegistry,
) -> None:
    """KeyboardInterrupt is raised at once; no thread is left, and the driver can be used when it responds."""
    wait, table = _WAITING[name], f"{keyspace}.interrupted"
    select = f"SELECT v FROM {table} WHERE id = ?"
    with FaultProxy(cassandra_node.host, cassandra_node.port) as proxy:
        driver = open_driver(
            backend, hosts=[proxy.host], port=proxy.port, request_timeout=_TIMEOUT, fast_path=fast_path
        )
        with driver:
            driver.execute(f"CREATE TABLE IF NOT EXISTS {table} (id int PRIMARY KEY, v int)")
            driver.execute_many(f"INSERT INTO {table} (id, v) VALUES (?, ?)", [(n, n) for n in range(100)])
            assert driver.execute_one(select, [1]) == 1
            assert len(list(driver.scan(table))) == 100
            threads = set(threading.enumerate())
            proxy.mute = True
            with Interrupting() as interrupting, pytest.raises(KeyboardInterrupt):
                wait(driver, table)
            assert time.monotonic() - interrupting.sent_at < 2.5
            deadline = time.monotonic() + 10
            while [one for one in set(threading.enumerate()) - threads if one.name.startswith("coodie-scan")]:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            proxy.mute = False
            assert driver.execute_one(select, [1]) == 1
            started = time.monotonic()
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "driver's way"])
def test_a_silent_server_between_pages(
    fast_path: bool, cassandra_node: Any, keyspace: str, backend: str, registry: DriverRegistry
) -> None:
    """KeyboardInterrupt ends a stream that waits for its next page."""
    table = f"{keyspace}.streamed"
    with FaultProxy(cassandra_node.host, cassandra_node.port) as proxy:
        driver = open_driver(
            backend, hosts=[proxy.host], port=proxy.port, request_timeout=_TIMEOUT, fast_path=fast_path
        )
        with driver:
            driver.execute(f"CREATE TABLE IF NOT EXISTS {table} (id int PRIMARY KEY, v int)")
            driver.execute_many(f"INSERT INTO {table} (id, v) VALUES (?, ?)", [(n, n) for n in range(100)])
            select = f"SELECT * FROM {table}"
            assert len(list(driver.stream(select, fetch_size=10))) == 100
            rows = driver.stream(select, fetch_size=10)
            next(rows)
            proxy.mute = True
            with Interrupting() as interrupting, pytest.raises(KeyboardInterrupt):
                list(rows)
            assert time.monotonic() - interrupting.sent_at < 2.5
            proxy.mute = False
