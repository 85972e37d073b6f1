"""When a connection on an event loop sends requests, which of them together, and what becomes of them."""

from __future__ import annotations

import asyncio
import socket
from struct import Struct
from typing import TYPE_CHECKING, Any

import pytest

from coodie.drivers.cassandra.fastpath.async_connection import AsyncConnection
from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection
from coodie.protocol import connection as protocol
from coodie.protocol._accelerator import accelerator
from coodie.protocol.connection import NEVER_SENT, TIMED_OUT
from coodie.protocol.frames import EXECUTE, RESULT, Frames

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from coodie.protocol.connection import Response

_HEADER = Struct(">BBhBi")

#: Seconds that a request has where none is to run out of time.
LONG = 60.0


class _Wire:
    """A connection, and the server's end of it."""

    def __init__(self) -> None:
        ours, self._server = socket.socketpair()
        self._server.setblocking(False)
        self.connection = AsyncConnection(
            EstablishedConnection(ours, Frames(4)),
            asyncio.get_running_loop(),
            heartbeat=0,
            heartbeat_timeout=LONG,
            on_closed=lambda _: None,
            before_flush=lambda: None,
        )

    def send(self, timeout: float = LONG) -> asyncio.Future[Response]:
        future = self.connection.send(EXECUTE, b"body", timeout)
        assert future is not None
        return future

    def arrived(self) -> list[int]:
        """Return the streams of the requests that have arrived since it was last asked."""
        try:
            data = self._server.recv(65_536)
        except BlockingIOError:
            return []
        size = _HEADER.size + len(b"body")
        return [_HEADER.unpack_from(data, at)[2] for at in range(0, len(data), size)]

    def answer(self, *streams: int, body: bytes = b"") -> None:
        """Response requests, all at once."""
        frames = [_HEADER.pack(0x84, 0, stream, RESULT, len(body)) + body for stream in streams]
        self._server.sendall(b"".join(frames))

    def close(self) -> None:
        self.connection.close(ConnectionError("The test is over"))
        self._server.close()


@pytest.fixture
async def wire(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Wire]:
    """Connect on the running loop; the parameter is the number of streams."""
    if hasattr(request, "param"):
        monkeypatch.setattr(protocol, "MAX_STREAMS", request.param)
    wire = _Wire()
    yield wire
    wire.close()


@pytest.fixture
def accel() -> Any:
    """Give the accelerator; `make accel` runs this with it."""
    module = accelerator()
    if module is None:
        pytest.skip("coodie-accel isn't on the path")
    return module


async def _several(wire: _Wire) -> None:
    """Have two requests answered by what one read brings."""
    futures = [wire.send(), wire.send()]
    await asyncio.sleep(0)
    wire.answer(*wire.arrived())
    assert await asyncio.gather(*futures) == [b"", b""]


async def test_one_at_a_time_is_sent_at_once(wire: _Wire) -> None:
    """Who has one request at a time waits for no turn of the loop."""
    for _ in range(3):
        future = wire.send()
        (stream,) = wire.arrived()
        wire.answer(stream, body=b"rows")
        assert await future == b"rows"


async def test_those_who_were_woken_together_are_sent_together(wire: _Wire) -> None:
    """After several answers the first request waits for those that follow it in the same turn."""
    await _several(wire)
    futures = [wire.send(), wire.send()]
    assert wire.arrived() == []
    assert wire.connection.has_unsent_requests
    await asyncio.sleep(0)
    streams = wire.arrived()
    assert len(streams) == 2
    # One answer that comes by itself ends it.
    wire.answer(streams[0])
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    wire.answer(streams[1])
    await asyncio.gather(*futures)
    alone = wire.send()
    assert len(wire.arrived()) == 1
    assert not alone.done()


@pytest.mark.parametrize("after_several", [False, True])
@pytest.mark.parametrize("beside", [0, 2])
async def test_time_runs_out(wire: _Wire, after_several: bool, beside: int) -> None:
    """However a request was sent, it is told when its time is over: the first, and those beside it."""
    if after_several:
        await _several(wire)
    futures = [wire.send(0.01) for _ in range(1 + beside)]
    assert await asyncio.wait_for(asyncio.gather(*futures), 10) == [TIMED_OUT] * (1 + beside)


@pytest.mark.parametrize("wire", [2], indirect=True)
async def test_more_requests_than_streams(wire: _Wire) -> None:
    """They are sent as streams become free, or run out of time in the queue; none is sent then."""
    futures = [wire.send() for _ in range(3)]
    late = wire.send(0.01)
    await asyncio.sleep(0)
    streams = wire.arrived()
    assert sorted(streams) == [0, 1]
    assert await asyncio.wait_for(late, 10) is NEVER_SENT
    wire.answer(*streams)
    await asyncio.gather(*futures[:2])
    await asyncio.sleep(0)
    (last,) = wire.arrived()
    wire.answer(last)
    assert await futures[2] == b""
    assert wire.connection.in_flight == 0


@pytest.mark.parametrize("wire", [1], indirect=True)
async def test_the_queue_sends_nothing_too_late(wire: _Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that becomes free goes to a request that still has time, also right after the other's end."""
    monkeypatch.setattr(wire.connection, "_expired_at", asyncio.get_running_loop().time() + LONG)
    first, late, last = wire.send(), wire.send(0.01), wire.send()
    (stream,) = wire.arrived()
    await asyncio.sleep(0.02)
    wire.answer(stream, body=b"first")
    assert await first == b"first"
    assert await asyncio.wait_for(late, 10) is NEVER_SENT
    await asyncio.sleep(0)  # from Python 3.12 on, wait_for doesn't wait for a turn if the future is done
    (stream,) = wire.arrived()
    wire.answer(stream, body=b"last")
    assert await last == b"last"


@pytest.mark.parametrize("count", [1, 3])
async def test_tasks_that_are_woken_by_the_read(accel: Any, wire: _Wire, count: int) -> None:
    """Their next requests have been sent, with one write, before the loop's next turn."""
    loop = asyncio.get_running_loop()

    async def ask() -> None:
        for _ in range(2):
            waiter = accel.Waiter(loop)
            wire.connection.protocol.send(EXECUTE, b"body", waiter, LONG, loop.time())
            wire.connection.accepted()
            await waiter

    tasks = [asyncio.create_task(ask()) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    streams = wire.arrived()
    assert len(streams) == count
    wire.answer(*streams)
    seen: list[list[int]] = []

    def read() -> None:
        wire.connection._readable()
        seen.append(wire.arrived())

    loop.call_soon(read)
    await asyncio.sleep(0)
    assert [len(some) for some in seen] == [count]
    wire.answer(*seen[0])
    await asyncio.gather(*tasks)


async def test_a_read_from_within_a_task(accel: Any, wire: _Wire) -> None:
    """No task can be woken from within another: it runs in the loop's next turn."""
    loop = asyncio.get_running_loop()
    waiter = accel.Waiter(loop)
    woken: list[object] = []

    async def wait() -> None:
        woken.append(await waiter)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    wire.connection.protocol.send(EXECUTE, b"body", waiter, LONG, loop.time())
    wire.connection.accepted()
    wire.answer(*wire.arrived(), body=b"rows")
    wire.connection._readable()
    assert waiter.done()
    assert woken == []
    await task
    assert woken == [b"rows"]


async def test_an_interrupt_from_a_woken_task(accel: Any, wire: _Wire) -> None:
    """What the read has found besides is acted on: the connection of a server that is gone is closed."""
    loop = asyncio.get_running_loop()
    waiter = accel.Waiter(loop)
    waiter.add_done_callback(lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    wire.connection.protocol.send(EXECUTE, b"body", waiter, LONG, loop.time())
    wire.connection.accepted()
    wire.arrived()
    wire._server.close()
    raised: list[BaseException] = []

    def read() -> None:
        try:
            wire.connection._readable()
        except KeyboardInterrupt as exc:
            raised.append(exc)

    loop.call_soon(read)
    await asyncio.sleep(0)
    assert len(raised) == 1
    assert wire.connection.is_closed


@pytest.mark.parametrize("end", ["close", "deadline"])
async def test_ends_of_requests_by_templates(accel: Any, wire: _Wire, end: str) -> None:
    """However one ends, it is with what was sent, so that the rest of the request can go on from there."""
    template = accel.ExecuteTemplate(accel.ParameterEncoder((), ()), b"before", b"after")
    sent = ("template", "host", 0.01 if end == "deadline" else LONG)
    loop = asyncio.get_running_loop()
    waiter = accel.BoundTemplate(template, wire.connection, loop, loop.time, sent).send(())
    if end == "close":
        wire.connection.close(ConnectionError())
    *seen, values, response = await waiter
    assert tuple(seen) == sent
    assert values == b""
    assert isinstance(response, protocol.ConnectionLost if end == "close" else protocol.TimedOut)
