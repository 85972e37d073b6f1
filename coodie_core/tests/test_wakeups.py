"""Calls that threads leave for event loops, which are woken once for several."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from concurrent.futures import Future
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import PATIENCE

from coodie import _wakeups
from coodie._wakeups import Calls, calls_of, waking_once
from coodie.waiting import wrap_future

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("no_thread_left")


class CountingLoop(asyncio.SelectorEventLoop):
    """A loop that counts how often other threads have woken it."""

    def __init__(self) -> None:
        super().__init__()
        self.woken = 0

    def call_soon_threadsafe(  # type: ignore[override]  # without the types of the arguments
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """Count."""
        self.woken += 1
        return super().call_soon_threadsafe(callback, *args, context=context)


@pytest.fixture
def no_delay_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no block take too long, however slow the machine is."""
    monkeypatch.setattr(_wakeups, "_MAX_DELAY", PATIENCE)


class Seen:
    """How many outcomes the loop's task has got."""

    def __init__(self) -> None:
        self._count = threading.Semaphore(0)

    def one(self) -> None:
        """Count one more."""
        self._count.release()

    def wait(self, number: int) -> None:
        """Wait for so many more."""
        for _ in range(number):
            assert self._count.acquire(timeout=PATIENCE)


def run(complete: Callable[[list[Future[int]], Seen], None], number: int) -> tuple[int, int]:
    """Complete futures in a thread while a loop waits for them; return how often it was woken and waited."""
    loop, seen = CountingLoop(), Seen()
    waits = 0

    async def main() -> int:
        nonlocal waits
        futures: list[Future[int]] = [Future() for _ in range(number)]
        waiters = [wrap_future(future) for future in futures]
        thread = threading.Thread(target=complete, args=[futures, seen])
        thread.start()
        for n, waiter in enumerate(waiters):
            waits += not waiter.done()
            assert await asyncio.wait_for(waiter, PATIENCE) == n
            seen.one()
        woken = loop.woken
        thread.join()
        return woken

    try:
        return loop.run_until_complete(main()), waits
    finally:
        loop.close()


def complete_all(futures: list[Future[int]]) -> None:
    """Complete the futures in order."""
    for n, future in enumerate(futures):
        future.set_result(n)


@pytest.mark.usefixtures("no_delay_is_long")
def test_woken_once_for_a_block() -> None:
    """A loop is woken once for all outcomes of a block, at its end, also if it has another block in it."""

    def complete(futures: list[Future[int]], _: Seen) -> None:
        with waking_once:
            with waking_once:
                complete_all(futures[:5])
            for n, future in enumerate(futures[5:], 5):
                future.set_result(n)

    assert run(complete, 10) == (1, 1)


def test_woken_at_once_without_a_block() -> None:
    """Without a block, an outcome is delivered when it is there, whatever the thread does then."""

    def complete(futures: list[Future[int]], seen: Seen) -> None:
        for n, future in enumerate(futures):
            future.set_result(n)
            seen.wait(1)

    assert run(complete, 3) == (3, 3)


def test_long_block() -> None:
    """The outcomes of a block that takes long are delivered with the next one, not at its end."""

    def complete(futures: list[Future[int]], seen: Seen) -> None:
        with waking_once:
            futures[0].set_result(0)
            time.sleep(0.01)
            futures[1].set_result(1)
            seen.wait(2)
            futures[2].set_result(2)

    assert run(complete, 3) == (2, 2)


@pytest.mark.usefixtures("no_delay_is_long")
def test_block_that_fails() -> None:
    """What a block has left is delivered also where it raises, and what comes later at once."""

    def complete(futures: list[Future[int]], seen: Seen) -> None:
        with pytest.raises(ValueError, match="no"), waking_once:
            complete_all(futures[:2])
            raise ValueError("no")
        seen.wait(2)
        futures[2].set_result(2)

    assert run(complete, 3) == (2, 2)


def test_busy_loop_is_woken_once() -> None:
    """A loop that hasn't made the calls yet isn't woken again, without a block, too."""
    loop = CountingLoop()
    made: list[int] = []

    async def main() -> None:
        calls = calls_of(loop)
        assert calls_of(loop) is calls
        for n in range(5):
            calls.leave(loop, made.append, n)
        assert made == []
        await asyncio.sleep(0)
        assert made == [0, 1, 2, 3, 4]
        calls.leave(loop, made.append, 5)
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    loop.close()
    assert (made, loop.woken) == ([0, 1, 2, 3, 4, 5], 2)


def test_interrupted_call() -> None:
    """If a signal's handler raises in a call, the loop makes the others when it goes on."""
    loop = asyncio.new_event_loop()
    made: list[int] = []

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    async def leave() -> None:
        calls = calls_of(loop)
        calls.leave(loop, made.append, 1)
        calls.leave(loop, interrupt, None)
        calls.leave(loop, made.append, 2)
        await asyncio.sleep(PATIENCE)

    task = loop.create_task(leave())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    assert made == [1]
    loop.run_until_complete(asyncio.sleep(0))
    assert made == [1, 2]
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()


@pytest.mark.parametrize("block", [nullcontext(), waking_once])
def test_closed_loop(block: Any) -> None:
    """Calls for a closed loop are dropped."""
    loop = asyncio.new_event_loop()
    calls, made = Calls(), list[int]()
    loop.close()
    with block:
        calls.leave(loop, made.append, 1)
        calls.leave(loop, made.append, 2)
    assert made == []
    assert not calls._calls


def test_loop_that_is_gone() -> None:
    """Calls that were left for a loop don't keep it in memory after it was closed."""
    loop = asyncio.new_event_loop()

    async def wait() -> None:
        future: Future[int] = Future()
        _waiter = wrap_future(future)
        future.set_result(1)

    loop.run_until_complete(wait())
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


@pytest.mark.usefixtures("no_delay_is_long")
def test_two_loops() -> None:
    """Each loop gets its own calls, each is woken once."""
    loops = [CountingLoop(), CountingLoop()]
    made: list[tuple[int, int]] = []
    kept = [calls_of(loop) for loop in loops]
    with waking_once:
        for n in range(3):
            for which, loop in enumerate(loops):
                kept[which].leave(loop, made.append, (which, n))
    for loop in reversed(loops):
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    assert made == [(1, 0), (1, 1), (1, 2), (0, 0), (0, 1), (0, 2)]
    assert [loop.woken for loop in loops] == [1, 1]
