"""Requests by templates in C, from the gate to the rows: what isn't usual is left to others."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from math import inf
from struct import pack
from types import SimpleNamespace
from typing import Any
from weakref import ref

import pytest

from coodie.protocol.connection import TIMED_OUT, connection_class
from coodie.protocol.frames import Frame, Frames
from coodie.rows import Rows, new_rows

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")

_BEGINNING = b"a result begins"
_COLUMNS = ("columns",)
_LAST_PAGE: ContextVar[Any] = ContextVar("last_page", default=None)


def _refused(value: Any) -> bytes:
    raise LookupError(value)


class _Results:
    """A statement's reader of results: in C for one beginning, and for ``other`` in Python.

    Args:
        decodes: The accelerator reads results.
    """

    new_rows = staticmethod(new_rows)

    def __init__(self, decodes: bool = True) -> None:
        decoder = native.RowDecoder(("id",), ("int",), (None,), new_rows)
        self.single_page: Any = (decoder, _BEGINNING, 100, _COLUMNS) if decodes else None
        self.read: list[bytes] = []

    def read_single_page(self, body: bytes) -> Any:
        self.read.append(body)
        if body == b"wrong":
            raise ValueError(body)
        return Rows([{"id": "other"}]) if body == b"other" else None


class _Connection:
    """What a template needs of a connection."""

    has_unsent_requests = False

    def __init__(self) -> None:
        self.protocol: Any = connection_class(native.Streams)(Frames(4), 0.0)
        self.accepted_requests = 0

    def accepted(self) -> None:
        self.accepted_requests += 1
        self.has_unsent_requests = True

    def answer(self, response: bytes, stream: int = 0, flags: int = 0, opcode: int = 8) -> None:
        frame = pack(">BBhBi", 0x84, flags, stream, opcode, len(response)) + response
        self.deliver(self.protocol.receive(frame, 0.5))

    def deliver(self, ended: list[Any]) -> None:
        asyncio.get_running_loop().call_soon(native.deliver, ended, True)


class _World:
    """A gate with one statement, on the running loop.

    Args:
        results: The statement's reader of results.
    """

    def __init__(self, results: Any = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.results = results or _Results()
        self.connection = _Connection()
        self.path = SimpleNamespace(disabled_reason=None, running_loop=asyncio.get_running_loop)
        self.registry = SimpleNamespace(registry=SimpleNamespace(observers=SimpleNamespace(of_requests=())))
        encoder = native.ParameterEncoder(("int", "text"), (_refused, _refused))
        template = native.ExecuteTemplate(encoder, b"before", b"after", None, self.results)
        sent = ("template", "host", 2.0)
        bound = native.BoundTemplate(template, self.connection, self.loop, lambda: 0.25, sent)
        self.pool = SimpleNamespace(templates={"SELECT": bound, "OTHER": object()})
        self.loops: dict[Any, Any] = {ref(self.loop): self.pool}
        self.gate = native.Gate(self.path, self.loops, self.registry, _LAST_PAGE)

    def send(self, stmt: Any = "SELECT", params: Any = (7, "x"), **options: Any) -> Any:
        names = ("consistency", "timeout", "fetch_size", "paging_state", "options", "rows")
        return self.gate.send(stmt, params, *[options.get(name) for name in names])


def _rows(*ids: int) -> bytes:
    return _BEGINNING + pack(">i", len(ids)) + b"".join(pack(">ii", 4, one) for one in ids)


def test_all_rows() -> None:
    """The frame is what the Python code makes, its deadline is right, and the result is the rows."""

    async def run() -> None:
        world = _World()
        _LAST_PAGE.set("a page")
        waiter = world.send()
        assert _LAST_PAGE.get() is None
        values = pack(">iii", 4, 7, 1) + b"x"
        assert world.connection.protocol.out == [Frames(4).make(10, 0, b"before" + values + b"after")]
        assert world.connection.protocol.requests() == [(waiter, 2.25)]
        assert world.connection.accepted_requests == 1
        second = world.send()
        assert world.connection.accepted_requests == 1
        world.connection.answer(_rows(1, 2))
        world.connection.answer(pack(">i", 1), stream=1)
        rows = await waiter
        assert rows == [{"id": 1}, {"id": 2}]
        assert rows.columns is _COLUMNS
        nothing = await second
        assert type(nothing) is Rows
        assert nothing == []
        assert nothing.columns is None
        assert world.results.read == []

    asyncio.run(run())


@pytest.mark.parametrize("body", [b"", b"page", b"wrong", _rows(1)[:-1], _BEGINNING + pack(">i", 100)])
def test_unusual_results(body: bytes) -> None:
    """What neither C nor the reader in Python decodes is returned as it came, with what was sent."""

    async def run() -> None:
        world = _World()
        waiter = world.send()
        world.connection.answer(body)
        assert await waiter == ("template", "host", 2.0, pack(">iii", 4, 7, 1) + b"x", body)

    asyncio.run(run())


def test_other_responses() -> None:
    """Errors of the server and timeouts are returned as they are."""

    async def run() -> None:
        world = _World()
        one, two = world.send(), world.send()
        world.connection.answer(b"error", opcode=0)
        world.connection.deliver(world.connection.protocol.expire(inf))
        assert (await one)[-1] == Frame(0, 0, b"error")
        assert (await two)[-1] is TIMED_OUT
        three = _World().send()
        three.set_result(TIMED_OUT)
        assert (await three)[-1] is TIMED_OUT

    asyncio.run(run())


def test_results_that_change() -> None:
    """What the reader in Python learns of a result is used for the next ones."""

    async def run() -> None:
        world = _World(_Results(decodes=False))
        for expected in ([{"id": "other"}], [{"id": 3}]):
            waiter = world.send()
            world.connection.answer(b"other" if expected[0]["id"] == "other" else _rows(3))
            assert await waiter == expected
            world.results.single_page = _Results().single_page
            world.results.read.clear()
            world.results.read_single_page(b"other")
            again = world.send()
            world.connection.answer(b"other")
            assert await again == [{"id": "other"}]

    asyncio.run(run())


@pytest.mark.parametrize(
    "option", ["consistency", "timeout", "fetch_size", "paging_state", "options", "rows"]
)
def test_options(option: str) -> None:
    """A request with an option isn't for the gate."""

    async def run() -> None:
        world = _World()
        assert world.send(**{option: "given"}) is None
        assert not world.connection.protocol.has_data_to_send

    asyncio.run(run())


@pytest.mark.parametrize(
    "why", ["disabled", "observed", "other loop", "fork", "unknown", "not in C", "no str", "subclass"]
)
def test_requests_for_others(why: str) -> None:
    """Where something else has to decide, nothing is sent."""

    class Text(str):
        __slots__ = ()

    def forked() -> Any:
        raise RuntimeError

    async def run() -> None:
        world = _World()
        stmt: Any = {"unknown": "INSERT", "not in C": "OTHER", "no str": 5, "subclass": Text("SELECT")}.get(
            why, "SELECT"
        )
        if why == "disabled":
            world.path.disabled_reason = "a reason"
        elif why == "observed":
            world.registry.registry.observers.of_requests = ("observer",)
        elif why == "other loop":
            world.loops.clear()
        elif why == "fork":
            world.path.running_loop = forked
        assert world.send(stmt) is None
        assert not world.connection.protocol.has_data_to_send

    asyncio.run(run())


@pytest.mark.parametrize("params", [(1,), ("one", ""), None, {"id": 1}, (2**31, "")])
def test_parameters_that_can_t_be_encoded(params: Any) -> None:
    """Nothing is sent: what sends it otherwise reports the error."""

    async def run() -> None:
        world = _World()
        assert world.send(params=params) is None
        assert world.connection.protocol.in_flight == 0
        assert world.connection.accepted_requests == 0

    asyncio.run(run())


def test_a_connection_that_takes_no_requests() -> None:
    """Nothing is sent."""

    async def run() -> None:
        world = _World()
        world.connection.protocol.close(OSError())
        assert world.send() is None
        assert world.connection.accepted_requests == 0

    asyncio.run(run())


def test_a_cancelled_request() -> None:
    """Its response isn't decoded."""

    async def run() -> None:
        world = _World()
        waiter = world.send()
        waiter.cancel()
        world.connection.answer(b"other")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert world.results.read == []
        assert world.connection.protocol.in_flight == 0

    asyncio.run(run())


def test_wrong_arguments() -> None:
    """They are errors."""

    async def run() -> None:
        world = _World()
        template = native.ExecuteTemplate(native.ParameterEncoder((), ()), b"", b"")
        for wrong in ((), (1, 2, "three")):
            with pytest.raises(TypeError):
                native.BoundTemplate(template, world.connection, world.loop, None, wrong)
        with pytest.raises(TypeError):
            native.BoundTemplate(template, SimpleNamespace(protocol=object()), world.loop, None, (1, 2, 3))
        results = _Results()
        for unfit in ((1, 2, 3, 4), (results.single_page[0],), [*results.single_page]):
            results.single_page = unfit
            with pytest.raises(TypeError):
                native.ExecuteTemplate(native.ParameterEncoder((), ()), b"", b"", None, results)

    asyncio.run(run())
