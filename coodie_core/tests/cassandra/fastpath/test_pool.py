"""Connections that can't be used where they are to be: closed, and the fast path is off, with the reason."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection
from coodie.drivers.cassandra.fastpath.pool import AsyncPool, SyncPool
from coodie.protocol.frames import Frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HOST: Any = SimpleNamespace(endpoint="127.0.0.1:9042")
_CLUSTER: Any = SimpleNamespace(idle_heartbeat_interval=0, idle_heartbeat_timeout=1)


class _Shards:
    """Opens connections to nobody."""

    def __init__(self) -> None:
        self.opened: list[socket.socket] = []
        self._others: list[socket.socket] = []

    def open(self, _host: Any, _shard: Any) -> list[EstablishedConnection]:
        ours, other = socket.socketpair()
        self.opened.append(ours)
        self._others.append(other)
        return [EstablishedConnection(ours, Frames(4))]

    def close(self) -> None:
        for sock in (*self.opened, *self._others):
            sock.close()


@pytest.fixture
def shards() -> Iterator[Any]:
    """Give what opens connections."""
    made = _Shards()
    yield made
    made.close()


class _WithoutReaders(asyncio.SelectorEventLoop):
    """A loop like the one of Windows."""

    add_reader = asyncio.AbstractEventLoop.add_reader


class _WithoutRoom(asyncio.SelectorEventLoop):
    """A loop that the system lets watch no more sockets."""

    def add_reader(self, *_: Any) -> Any:  # type: ignore[override]  # it takes whatever comes
        message = "no more watches"
        raise OSError(message)


class _Wrapped:
    """A loop that is another one, and doesn't derive from asyncio's."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def _await(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_loop_without_readers(shards: Any) -> None:
    """It is noticed before anything is opened."""
    refused: list[str] = []
    loop = _WithoutReaders()
    pool = AsyncPool(loop, _CLUSTER, shards, refused.append, Mock())
    assert refused == ["_WithoutReaders has no add_reader"]
    assert pool.connection(_HOST) is None
    loop.close()
    assert shards.opened == []


@pytest.mark.parametrize("make", [asyncio.new_event_loop, _Wrapped])
def test_a_loop_with_readers(make: Callable[[], Any], shards: Any) -> None:
    """Whatever class it is of."""
    refused: list[str] = []
    loop = make()
    AsyncPool(loop, _CLUSTER, shards, refused.append, Mock()).close()
    loop.close()
    assert refused == []


def test_a_loop_that_fails(shards: Any) -> None:
    """A connection that it can't read is closed, and the reason names what it raised."""
    refused: list[str] = []
    loop = _WithoutRoom()
    pool = AsyncPool(loop, _CLUSTER, shards, refused.append, Mock())

    async def until_refused() -> None:
        assert pool.connection(_HOST) is None
        while not refused:
            await asyncio.sleep(0.005)

    loop.run_until_complete(asyncio.wait_for(until_refused(), 10))
    pool.close()
    loop.close()
    assert refused == ["_WithoutRoom can't read its connections (OSError('no more watches'))"]
    assert [sock.fileno() for sock in shards.opened] == [-1]
    assert pool.in_flight == 0


@pytest.mark.parametrize("where", ["its own thread", "another thread", "after it stopped"])
def test_closing(shards: Any, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connections of a loop are closed from any thread, and its own thread doesn't wait for itself."""
    monkeypatch.setattr("coodie.drivers.cassandra.fastpath.pool._CLOSE_TIMEOUT", 60.0)
    loop = asyncio.new_event_loop()
    pool = AsyncPool(loop, _CLUSTER, shards, lambda _: None, Mock())

    async def connect() -> None:
        while pool.connection(_HOST) is None:
            await asyncio.sleep(0.005)
        if where == "its own thread":
            begin = time.monotonic()
            pool.close()
            assert time.monotonic() - begin < 30
            await asyncio.sleep(0)  # it runs the function that closes them
        elif where == "another thread":
            closing = threading.Thread(target=pool.close)
            closing.start()
            while closing.is_alive():
                await asyncio.sleep(0.005)

    loop.run_until_complete(asyncio.wait_for(connect(), 60))
    if where == "after it stopped":
        pool.close()
    loop.close()
    assert [sock.fileno() for sock in shards.opened] == [-1]
    assert pool.connections() == []


def test_a_busy_loop_opens_one(shards: Any) -> None:
    """While a connection waits for the loop's next turn, requests of this one open no others."""
    loop = asyncio.new_event_loop()
    pool = AsyncPool(loop, _CLUSTER, shards, lambda _: None, Mock())

    async def ask() -> None:
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            assert pool.connection(_HOST) is None
            time.sleep(0.01)  # noqa: ASYNC251 - it is busy
        await asyncio.sleep(0)
        assert pool.connection(_HOST) is not None

    loop.run_until_complete(ask())
    pool.close()
    loop.close()
    assert len(shards.opened) == 1


def test_a_thread_that_fails(shards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one that a thread can't wait for."""

    def fails() -> Any:
        message = "no more files"
        raise OSError(message)

    refused: list[str] = []
    pool = SyncPool(_CLUSTER, shards, _HOST, refused.append, Mock())
    monkeypatch.setattr(select, "poll", fails)
    assert pool.acquire() is None
    _await(lambda: refused)
    assert refused == ["its connections can't be waited for in a thread (OSError('no more files'))"]
    assert [sock.fileno() for sock in shards.opened] == [-1]
    pool.close()


class _Idle:
    """A connection that is idle."""

    is_closed = is_retired = False
    shard = None

    def __init__(self, *, is_stale: bool) -> None:
        self.is_stale = is_stale

    def close(self) -> None:
        self.is_closed = True


def test_the_longest_idle_connection_is_closed(shards: Any) -> None:
    """Threads that ended leave connections behind: each release closes the oldest one, if it is stale."""
    pool = SyncPool(_CLUSTER, shards, _HOST, lambda _: None, Mock())
    connections: list[Any] = [_Idle(is_stale=stale) for stale in (True, True, False)]
    for connection in connections:
        pool.release(connection)
    assert [connection.is_closed for connection in connections] == [True, True, False]
    pool.release(last := _Idle(is_stale=False))  # type: ignore[arg-type]  # as the others
    assert not any(connection.is_closed for connection in (connections[2], last))


def test_all_are_acquired_while_a_connection_is_released(shards: Any) -> None:
    """A thread that releases its connection doesn't fail if others acquire all of them at that moment."""

    class Acquired(deque[Any]):
        def append(self, one: Any) -> None:
            super().append(one)
            self.length = 2
            self.clear()

        def __len__(self) -> int:
            return self.length

    pool = SyncPool(_CLUSTER, shards, _HOST, lambda _: None, Mock())
    pool._idle[None] = Acquired()
    connection = _Idle(is_stale=False)
    pool.release(connection)  # type: ignore[arg-type]  # as above
    assert not connection.is_closed


def test_closed_while_a_connection_is_released(shards: Any) -> None:
    """A thread that gives its connection back at the same moment leaves no open one in the closed pool."""

    class Connection:
        is_closed = is_stale = is_retired = False

        @property
        def shard(self) -> None:
            pool.close()

        def close(self) -> None:
            self.is_closed = True

    pool = SyncPool(_CLUSTER, shards, _HOST, lambda _: None, Mock())
    connection: Any = Connection()
    pool.release(connection)
    assert connection.is_closed
    assert pool.acquire() is None


def test_closed_while_a_connection_is_established(shards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is ready at the same moment is closed, also where its loop doesn't run any more."""

    class Sockets(set[socket.socket]):
        def add(self, element: socket.socket) -> None:
            pool.close()
            super().add(element)

    loop = asyncio.new_event_loop()
    pool = AsyncPool(loop, _CLUSTER, shards, lambda _: None, Mock())
    monkeypatch.setattr(pool, "_sockets", Sockets())
    assert pool.connection(_HOST) is None
    _await(lambda: shards.opened and shards.opened[0].fileno() == -1)
    loop.close()
