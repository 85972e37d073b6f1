"""Many requests of one thread at once: each ends once, and the next request gets a working connection."""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.cassandra.fastpath.socketed import LARGE, LONG, Server
from hypothesis import given, settings
from hypothesis import strategies as st

from coodie.drivers.cassandra.fastpath import pipeline as pipeline_room
from coodie.drivers.cassandra.fastpath import sync_connection
from coodie.drivers.cassandra.fastpath.pipeline import Pipeline
from coodie.protocol import connection as protocol
from coodie.protocol.connection import TIMED_OUT, ConnectionLost
from coodie.protocol.frames import EXECUTE, RawFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from coodie.drivers.cassandra.fastpath.sync_connection import SyncConnection


class _Lane:
    """A node that has connections for as long as there are servers.

    Args:
        servers: What they are connected to.
        shards: Where they end; without it nowhere.
    """

    def __init__(self, *servers: Server, shards: Sequence[int] = ()) -> None:
        self._free = [server.connection() for server in servers]
        for connection, shard in zip(self._free, shards, strict=False):
            connection.shard = shard
        self.given: list[SyncConnection] = []
        self.dropped: list[SyncConnection] = []

    def acquire(self, shard: int | None, *, borrow: bool) -> SyncConnection | None:
        """Return one to the shard, or to any."""
        wanted = [one for one in self._free if borrow or one.shard == shard]
        if not wanted:
            return None
        self._free.remove(wanted[0])
        return wanted[0]

    def release(self, connection: SyncConnection) -> None:
        """Take one back."""
        if connection.is_closed:
            self.discard(connection)
        else:
            self.given.append(connection)

    def discard(self, connection: SyncConnection) -> None:
        """Close one."""
        connection.close()
        self.dropped.append(connection)


def _pipeline(pool: Any) -> Pipeline[Any]:
    node = None if pool is None else object()
    # The route of a request here is its shard.
    path: Any = SimpleNamespace(find_node=lambda _, route: (node, route), sync_pool=lambda _: pool)
    return Pipeline(path)


def _request(body: bytes = b"body", timeout: float = LONG, shard: int | None = None) -> Any:
    return SimpleNamespace(opcode=EXECUTE, body=body, timeout=timeout, policy=None, route=shard, host=None)


def _all(pipeline: Pipeline[Any], number: int) -> list[tuple[Any, Any]]:
    """Wait for responses."""
    found: list[tuple[Any, Any]] = []
    deadline = time.monotonic() + 10
    while len(found) < number:
        assert time.monotonic() < deadline
        found += pipeline.responses(0.05)
    return found


@pytest.fixture
def make() -> Iterator[Callable[..., Server]]:
    """Give what makes servers; they are closed in the end."""
    with ExitStack() as stack:

        def new(version: int = 4) -> Server:
            server = Server(version)
            stack.callback(server.close)
            return server

        yield new


class _Clock:
    """What time it is for connections: it doesn't pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """Have deadlines pass when a test wants it, however busy the machine is."""
    made = _Clock()
    for room in (pipeline_room, sync_connection):
        monkeypatch.setattr(room, "monotonic", made)
    return made


@pytest.mark.parametrize("size", [1, 13, 65_536])
@pytest.mark.parametrize("version", [4, 5])
def test_responses_in_any_order(version: int, size: int) -> None:
    """Each comes with its request's token, once, however the bytes are cut."""

    @given(st.permutations(range(8)), st.integers(1, 8))
    @settings(max_examples=15, deadline=None)
    def check(order: list[int], together: int) -> None:
        server = Server(version)
        pool = _Lane(server)
        pipeline = _pipeline(pool)
        for number in range(8):
            assert pipeline.send(_request(b"%d" % number * 9), number)
        assert pipeline.in_flight == 8
        assert pipeline.responses(0) == []
        requests = server.receive(8)
        found = []
        for at in range(0, 8, together):
            part = order[at : at + together]
            server.answer([requests[number] for number in part])
            found += _all(pipeline, len(part))
        assert [token for token, _ in found] == order
        assert all(body == b"%d" % token * 9 for token, body in found)
        assert (pipeline.in_flight, pipeline.responses(0)) == (0, [])
        pipeline.close()
        assert len(pool.given) == 1
        server.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sync_connection, "READ_SIZE", size)
        patch.setattr(sync_connection, "LARGE_READ_SIZE", size)
        check()


def test_no_connection() -> None:
    """Then the request isn't taken; nor where no node is there for it."""
    assert not _pipeline(_Lane()).send(_request(), 1)
    nowhere = _pipeline(None)
    assert not nowhere.send(_request(), 1)
    assert nowhere.responses(0) == []
    nowhere.close()


@pytest.mark.parametrize("version", [4, 5])
def test_large_ones(version: int, make: Callable[..., Server]) -> None:
    """They are written and read in turns; none waits for another to be written whole."""
    server = make(version)
    pipeline = _pipeline(_Lane(server))
    for number in range(3):
        assert pipeline.send(_request(LARGE), number)

    def serve() -> None:
        for _ in range(3):
            server.answer(server.receive())

    thread = server.in_background(serve)
    assert sorted(_all(pipeline, 3)) == [(number, LARGE) for number in range(3)]
    thread.join()
    pipeline.close()


def test_a_late_answer(make: Callable[..., Server], clock: _Clock) -> None:
    """It is nobody's; others of the connection go on, and its stream isn't used before it has come."""
    server = make()
    pool = _Lane(server)
    pipeline = _pipeline(pool)
    pipeline.send(_request(b"late", 1), "late")
    pipeline.send(_request(b"one"), "one")
    pipeline.responses(0)
    late, one = server.receive(2)
    server.answer([one])
    assert _all(pipeline, 1) == [("one", b"one")]
    clock.now += 1
    assert pipeline.responses(0) == [("late", TIMED_OUT)]
    assert pipeline.in_flight == 0
    pipeline.send(_request(b"two"), "two")
    pipeline.responses(0)
    (two,) = server.receive()
    assert two.stream == one.stream != late.stream
    server.answer([late, two])
    assert _all(pipeline, 1) == [("two", b"two")]
    pipeline.close()
    assert (len(pool.given), pool.dropped) == (1, [])


def test_a_silent_connection(make: Callable[..., Server], clock: _Clock) -> None:
    """It is left when nobody waits there any more, and requests go to another meanwhile."""
    silent, other = make(), make()
    pool = _Lane(silent, other)
    pipeline = _pipeline(pool)
    clock.now += 1
    pipeline.send(_request(b"late", 1), "late")
    pipeline.send(_request(b"waits"), "waits")
    assert pipeline.responses(0) == []
    clock.now += 1
    assert pipeline.responses(0) == [("late", TIMED_OUT)]
    assert pool.dropped == []
    assert pipeline.send(_request(b"one"), "one")
    pipeline.responses(0)
    other.answer(other.receive())
    assert _all(pipeline, 1) == [("one", b"one")]
    silent.answer(silent.receive(2)[1:])
    assert _all(pipeline, 1) == [("waits", b"waits")]
    assert len(pool.dropped) == 1
    pipeline.close()
    assert len(pool.given) == 1


def test_too_many_unanswered(
    make: Callable[..., Server], clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where answers stay out although others come, the next request goes elsewhere."""
    monkeypatch.setattr(protocol, "MAX_UNANSWERED", 2)
    first, second = make(), make()
    pipeline = _pipeline(_Lane(first, second))
    for number in range(2):
        pipeline.send(_request(timeout=1), number)
    pipeline.send(_request(b"one"), "one")
    pipeline.responses(0)
    first.answer(first.receive(3)[2:])
    assert _all(pipeline, 1) == [("one", b"one")]
    clock.now += 1
    assert pipeline.responses(0) == [(0, TIMED_OUT), (1, TIMED_OUT)]
    assert pipeline.send(_request(b"two"), "two")
    pipeline.responses(0)
    second.answer(second.receive())
    assert _all(pipeline, 1) == [("two", b"two")]
    pipeline.close()


@pytest.mark.parametrize("how", ["end", "nonsense", "while writing"])
def test_the_end_of_a_connection(how: str, make: Callable[..., Server]) -> None:
    """All requests on it fail, once, no others do, and the next request takes another connection."""
    server, other = make(), make()
    pool = _Lane(server, other)
    pipeline = _pipeline(pool)
    for number in range(3):
        pipeline.send(_request(LARGE if how == "while writing" else b"body"), number)
    pipeline.responses(0)
    if how == "nonsense":
        server.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    else:
        server.sock.close()
    found = _all(pipeline, 3)
    assert [token for token, _ in found] == [0, 1, 2]
    assert all(isinstance(response, ConnectionLost) for _, response in found)
    assert pipeline.responses(0) == []
    assert (pool.given, len(pool.dropped)) == ([], 1)
    assert pipeline.send(_request(b"one"), "one")
    pipeline.responses(0)
    other.answer(other.receive())
    assert _all(pipeline, 1) == [("one", b"one")]
    pipeline.close()


@pytest.mark.parametrize("written", [False, True])
def test_closing_with_a_request_under_way(written: bool, make: Callable[..., Server]) -> None:
    """Its connection can't be another's: an answer may come; or half of the request was sent."""
    pool = _Lane(make())
    pipeline = _pipeline(pool)
    pipeline.send(_request(), "one")
    if written:
        pipeline.responses(0)
    pipeline.close()
    assert (pool.given, len(pool.dropped)) == ([], 1)
    assert pipeline.in_flight == 0


def test_closing_with_half_of_a_request_written(make: Callable[..., Server]) -> None:
    """Nor one where the server has answered before it read the whole request, as to one that is too large."""
    server = make()
    pool = _Lane(server)
    pipeline = _pipeline(pool)
    pipeline.send(_request(LARGE), "one")
    assert pipeline.responses(0) == []
    server.answer([RawFrame(4, 0, 0, EXECUTE, b"too large")])
    assert _all(pipeline, 1) == [("one", b"too large")]
    assert pipeline.in_flight == 0
    pipeline.close()
    assert (pool.given, len(pool.dropped)) == ([], 1)


def test_closing_after_a_late_one(make: Callable[..., Server], clock: _Clock) -> None:
    """Nor one whose answer is still to come."""
    server = make()
    pool = _Lane(server)
    pipeline = _pipeline(pool)
    pipeline.send(_request(timeout=1), "late")
    pipeline.send(_request(b"one"), "one")
    pipeline.responses(0)
    server.answer(server.receive(2)[1:])
    assert _all(pipeline, 1) == [("one", b"one")]
    clock.now += 1
    assert pipeline.responses(0) == [("late", TIMED_OUT)]
    pipeline.close()
    assert (pool.given, len(pool.dropped)) == ([], 1)


def test_shards(make: Callable[..., Server]) -> None:
    """Another shard's connection serves until there is one to the request's own."""
    zero, one = make(), make()
    pool = _Lane(zero, one, shards=(0, 1))
    pipeline = _pipeline(pool)
    assert pipeline.send(_request(b"first", shard=2), "first")  # to shard 0: any will do
    assert pipeline.send(_request(b"second", shard=1), "second")
    assert pipeline.send(_request(b"third", shard=2), "third")  # to one that is taken already
    pipeline.responses(0)
    assert [request.body for request in one.receive()] == [b"second"]
    assert [request.body for request in zero.receive(2)] == [b"first", b"third"]
    pipeline.close()
    assert len(pool.dropped) == 2


def test_it_can_be_used_again(make: Callable[..., Server]) -> None:
    """After it was closed it takes connections anew, as execute_many's next window does."""
    first, second = make(), make()
    pool = _Lane(first, second)
    pipeline = _pipeline(pool)
    for server in (first, second):
        pipeline.send(_request(b"one"), "one")
        pipeline.responses(0)
        server.answer(server.receive())
        assert _all(pipeline, 1) == [("one", b"one")]
        pipeline.close()
    assert len(pool.given) == 2
