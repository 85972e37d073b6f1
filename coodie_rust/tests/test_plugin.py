"""Opening: options, failures, and that tasks need no thread."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coodie.config import build_config
from coodie.exceptions import ConfigurationError, ConnectionFailedError, DriverClosedError, UnsupportedError
from coodie.plugins import open_driver, open_driver_async
from coodie.requests import RequestOptions
from coodie.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.drivers import AbstractDriver


@pytest.mark.parametrize(
    "options",
    [
        {"hosts": None},
        {"protocol_version": 4},
        {"local_dc": "dc1"},
        {"ssl_enabled": True},
        {"connect_timeout": 0},
        {"connect_timout": 1},
    ],
)
def test_what_is_not_taken(options: dict[str, Any]) -> None:
    """An option that this backend can't honour is named before anything is connected."""
    given: dict[str, Any] = {"driver_type": "rust", "hosts": ["192.0.2.1"]}
    with pytest.raises(ConfigurationError) as caught:
        open_driver(build_config(**(given | options)))
    assert caught.value.option in {*options, "ssl_context"}


def test_what_is_taken(connect: Callable[..., AbstractDriver]) -> None:
    """Compression, a consistency and timeouts can be given."""
    for compression in ("lz4", "snappy", True, False):
        driver = connect(compression=compression, consistency="ONE", request_timeout=5, connect_timeout=5)
        assert driver.ping()


def test_nobody_there() -> None:
    """A port that nobody listens on, and a name that nobody has, are ConnectionFailedErrors at once."""
    for host in ("127.0.0.1", "nowhere.invalid"):
        with pytest.raises(ConnectionFailedError) as caught:
            open_driver(build_config(driver_type="rust", hosts=[host], port=1))
        assert host in caught.value.hosts


@pytest.mark.parametrize("is_async", [False, True])
def test_a_silent_server(*, is_async: bool) -> None:
    """One that takes connections and says nothing costs the connect timeout, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = build_config(
            driver_type="rust", hosts=["127.0.0.1"], port=server.getsockname()[1], connect_timeout=0.5
        )
        started = time.monotonic()
        with pytest.raises(ConnectionFailedError, match="in time"):
            asyncio.run(open_driver_async(config)) if is_async else open_driver(config)
        assert time.monotonic() - started < 20


async def test_tasks_need_no_thread(driver: AbstractDriver) -> None:
    """What Capability.NATIVE_ASYNC says: requests of tasks start no Python thread, on any loop."""
    before = set(threading.enumerate())
    stmt = "SELECT key FROM system.local"
    await asyncio.gather(*[driver.execute_async(stmt, []) for _ in range(200)])
    assert set(threading.enumerate()) == before
    await asyncio.to_thread(asyncio.run, driver.execute_async(stmt, []))


def test_what_is_not_declared(driver: AbstractDriver) -> None:
    """What the client can't do is refused by name."""
    insert = "INSERT INTO things (k, n) VALUES ('a', ?)"
    for params, options in (
        ([UNSET], None),
        ([1], RequestOptions(trace=True)),
        ([1], RequestOptions(custom_payload={"a": b"b"})),
        ([1], RequestOptions(retry_policy=object())),
    ):
        with pytest.raises(UnsupportedError):
            driver.execute(insert, params, options=options)


def test_connections_end(connect: Callable[..., AbstractDriver], cassandra_node: Any) -> None:
    """close() lets go of the session, whose connections end, also where a result is still held."""
    port = f":{cassandra_node.port:04X}"

    def connections() -> int:
        # The table has the sockets of all processes; its tenth column is the number in the links of our own.
        rows = [line.split() for line in Path("/proc/self/net/tcp").read_text("ascii").splitlines()]
        ours = {os.path.realpath(link).rpartition("/")[2] for link in Path("/proc/self/fd").iterdir()}
        return sum(row[2].endswith(port) and row[3] == "01" and f"socket:[{row[9]}]" in ours for row in rows)

    before = connections()
    driver = connect()
    rows = driver.execute("SELECT table_name FROM system_schema.tables", [], fetch_size=2)
    assert connections() > before
    driver.close()
    deadline = time.monotonic() + 20
    while connections() > before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(rows) == 2
    with pytest.raises(DriverClosedError):
        driver.execute("SELECT key FROM system.local", [])


def test_a_fork_is_told(connect: Callable[..., AbstractDriver]) -> None:
    """In a fork, whose threads are missing, connecting fails at once and says what to do."""
    connect()
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that forking with threads is a risk
        child = os.fork()
    if child == 0:
        try:
            connect()
        except BaseException as exc:  # noqa: BLE001 - the parent looks at it
            os.write(write_end, f"{type(exc).__name__}: {exc}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8") as said:
        assert re.match("ConnectionFailedError: This process is a fork .* 'spawn'", said.read())
