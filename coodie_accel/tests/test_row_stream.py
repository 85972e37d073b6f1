"""Rows of pages in C: an async iterator as the generator of the rows."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from coodie.contract.streaming import _rows

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")


@pytest.fixture(params=["C", "Python"])
def stream(request: pytest.FixtureRequest) -> Any:
    """Give both implementations."""
    return native.RowStream if request.param == "C" else _rows


class _Pages:
    """Pages, and what happened to them.

    Args:
        pages: The pages; an exception is raised.
    """

    def __init__(self, *pages: Any) -> None:
        self._pages = pages
        self.asked = 0
        self.is_closed = False

    async def generator(self) -> AsyncGenerator[Any, None]:
        try:
            for page in self._pages:
                self.asked += 1
                await asyncio.sleep(0)
                if isinstance(page, Exception):
                    raise page
                yield page
        finally:
            self.is_closed = True


_ROWS = [{"n": 1}, (1, 2), (), None, StopIteration(3), ValueError("a row")]


def test_all_rows(stream: Any) -> None:
    """All rows come in order, of any type, and pages may be empty or any iterable; the end stays the end."""

    async def run() -> None:
        rows = stream(_Pages([], _ROWS, (), tuple(_ROWS), []).generator())
        assert isinstance(rows, AsyncGenerator)
        assert aiter(rows) is rows
        assert [row async for row in rows] == _ROWS * 2
        assert [row async for row in rows] == []
        with pytest.raises(StopAsyncIteration):
            await anext(rows)
        await rows.aclose()

    asyncio.run(run())


def test_pages_are_asked_for_as_needed(stream: Any) -> None:
    """A page is asked for when the rows before it are taken, not before; a row doesn't give up control."""

    async def run() -> None:
        pages = _Pages([1, 2], [3])
        rows = stream(pages.generator())
        assert pages.asked == 0
        assert await anext(rows) == 1
        asyncio.get_running_loop().call_soon(pytest.fail, "a turn of the loop")
        assert await anext(rows) == 2
        assert pages.asked == 1

    asyncio.run(run())


def test_a_row_is_taken_when_it_is_awaited(stream: Any) -> None:
    """An awaitable that nobody awaits takes no row; one that was awaited isn't awaited again."""

    async def run() -> None:
        rows = stream(_Pages([1, 2]).generator())
        assert await anext(rows) == 1
        step = anext(rows)
        assert await rows.asend(None) == 2
        with pytest.raises(StopAsyncIteration):
            await step
        with pytest.raises(RuntimeError):
            await step

    asyncio.run(run())


def test_an_error(stream: Any) -> None:
    """An error of a page is raised behind the rows before it, and is the end."""

    async def run() -> None:
        pages = _Pages([1], LookupError("the page"), [2])
        rows = stream(pages.generator())
        assert await anext(rows) == 1
        with pytest.raises(LookupError, match="the page"):
            await anext(rows)
        assert pages.is_closed
        with pytest.raises(StopAsyncIteration):
            await anext(rows)

    asyncio.run(run())


def test_cancellation(stream: Any) -> None:
    """A task that is cancelled while it waits for a page ends, and the pages end."""

    async def run() -> None:
        pages = _Pages([1], [2])
        rows = stream(pages.generator())

        async def read() -> list[Any]:
            return [row async for row in rows]

        task = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pages.is_closed

    asyncio.run(run())


def test_closing(stream: Any) -> None:
    """Closed in the middle of a page, there are no more rows, and the pages are closed."""

    async def run() -> None:
        pages = _Pages([1, 2], [3])
        rows = stream(pages.generator())
        assert await anext(rows) == 1
        await rows.aclose()
        assert pages.is_closed
        with pytest.raises(StopAsyncIteration):
            await anext(rows)

    asyncio.run(run())


def test_throwing(stream: Any) -> None:
    """An exception that is thrown in is raised, and is the end."""

    async def run() -> None:
        pages = _Pages([1, 2])
        rows = stream(pages.generator())
        assert await anext(rows) == 1
        with pytest.raises(LookupError, match="thrown"):
            await rows.athrow(LookupError("thrown"))
        assert pages.is_closed
        with pytest.raises(StopAsyncIteration):
            await anext(rows)

    asyncio.run(run())


def test_two_at_once(stream: Any) -> None:
    """A row can't be waited for twice at the same time."""

    async def run() -> None:
        rows = stream(_Pages([1], [2]).generator())
        first = asyncio.ensure_future(_next(rows))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await anext(rows)
        assert await first == 1

    asyncio.run(run())


async def _next(rows: Any) -> Any:
    return await anext(rows)


def test_a_forgotten_stream(stream: Any) -> None:
    """One that is dropped in the middle has its pages closed by the loop."""

    async def run() -> None:
        pages = _Pages([1, 2])
        rows = stream(pages.generator())
        assert await anext(rows) == 1
        del rows
        gc.collect()
        for _ in range(3):
            await asyncio.sleep(0)
        assert pages.is_closed

    asyncio.run(run())


def test_driven_by_hand(stream: Any) -> None:
    """Code that drives coroutines by hand gets what is waited for, and then the row."""
    rows = stream(_Pages([(1, 2)], [5]).generator())
    steps: Any = _next(rows)
    assert steps.send(None) is None
    with pytest.raises(StopIteration) as stopped:
        steps.send(None)
    assert stopped.value.value == (1, 2)
    step: Any = rows.__anext__().__await__()
    assert next(step) is None
    with pytest.raises(LookupError, match="thrown"):
        step.throw(LookupError("thrown"))
