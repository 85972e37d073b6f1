"""Waiting for other threads, in a thread or on an event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

import pytest
from coodie_core.tests.fakes import PATIENCE, open_once, wait_until, wait_until_async

from coodie.waiting import Wait, call_in_thread, start_thread, wrap_future

pytestmark = pytest.mark.usefixtures("no_thread_left")


class LateError(Exception):
    """What a wait that takes too long raises."""


async def outcome_of(wait: Wait, *, is_async: bool) -> Any:
    """Wait one way or the other."""
    return await wait.run_async() if is_async else wait.run()


# --- Wait -------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [None, PATIENCE])
async def test_wait_for_a_result(is_async: bool, timeout: float | None) -> None:
    """A wait gives the future's result, whether it's there already or comes from another thread."""
    future: Future[int] = Future()
    threading.Timer(0.02, future.set_result, [5]).start()
    assert await outcome_of(Wait(future, timeout), is_async=is_async) == 5
    assert await outcome_of(Wait(future, timeout), is_async=is_async) == 5


@pytest.mark.parametrize("timeout", [None, PATIENCE])
@pytest.mark.parametrize("error", [ValueError("no"), FutureTimeoutError("its own"), TimeoutError("its own")])
async def test_wait_for_an_error(is_async: bool, timeout: float | None, error: Exception) -> None:
    """A wait raises what the future failed with, also where that is a timeout of its own."""
    future: Future[int] = Future()
    future.set_exception(error)
    with pytest.raises(type(error)) as caught:
        await outcome_of(Wait(future, timeout, LateError), is_async=is_async)
    assert caught.value is error


async def test_wait_too_long(is_async: bool) -> None:
    """After its timeout a wait raises its own error, and the future goes on for others."""
    future: Future[int] = Future()
    with pytest.raises(LateError):
        await outcome_of(Wait(future, 0.02, LateError), is_async=is_async)
    future.set_result(7)
    assert await outcome_of(Wait(future, 0.02, LateError), is_async=is_async) == 7


def test_wait_that_ends_as_the_time_runs_out() -> None:
    """A result that comes between the timeout and the look at it is the result."""

    class Close(Future[int]):
        def result(self, timeout: float | None = None) -> int:
            if timeout is None:
                return super().result()
            self.set_result(5)
            raise FutureTimeoutError

    assert Wait(Close(), 1.0, LateError).run() == 5


@pytest.mark.parametrize("timeout", [None, PATIENCE])
async def test_cancelled_wait_hears_nothing_more(quiet_loop: list[Any], timeout: float | None) -> None:
    """An error that comes after the one who waited was cancelled isn't reported to the loop."""
    future: Future[int] = Future()
    task = asyncio.ensure_future(Wait(future, timeout).run_async())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not future.cancelled()
    future.set_exception(ValueError("nobody's"))
    await asyncio.sleep(0)


async def test_late_error_is_nobodys(quiet_loop: list[Any]) -> None:
    """An error that comes after the wait's timeout isn't reported to the loop."""
    future: Future[int] = Future()
    with pytest.raises(LateError):
        await Wait(future, 0.01, LateError).run_async()
    future.set_exception(ValueError("nobody's"))
    await asyncio.sleep(0)


async def test_cancelled_as_the_time_runs_out(quiet_loop: list[Any]) -> None:
    """A cancellation in the very step in which the time is over leaves no error behind, either."""
    task = asyncio.ensure_future(Wait(Future(), 0.01, LateError).run_async())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.011, task.cancel)
    time.sleep(0.05)  # noqa: ASYNC251 - both timers are due when the loop goes on
    with pytest.raises(asyncio.CancelledError):
        await task
    del task


async def test_ended_wait_leaves_no_timer() -> None:
    """A wait that has ended is forgotten, however long its timeout."""
    future: Future[int] = Future()
    future.set_result(5)

    def late() -> Exception:
        raise AssertionError

    assert await Wait(future, 3600, late).run_async() == 5
    gone = weakref.ref(late)
    del late
    gc.collect()
    assert gone() is None


# --- wrap_future ------------------------------------------------------------------------


async def test_many_follow_one_future() -> None:
    """Each waiter gets the outcome; cancelling one touches neither the others nor the future."""
    future: Future[int] = Future()
    waiters = [wrap_future(future) for _ in range(3)]
    waiters[0].cancel()
    threading.Timer(0.01, future.set_result, [5]).start()
    assert await asyncio.gather(*waiters[1:]) == [5, 5]
    assert waiters[0].cancelled()


async def test_error_that_nobody_awaits(quiet_loop: list[Any]) -> None:
    """A waiter that was never awaited doesn't make the loop log its error."""
    future: Future[int] = Future()
    waiter = wrap_future(future)
    future.set_exception(ValueError("nobody's"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiter.done()
    del waiter


def test_loop_closed_meanwhile() -> None:
    """A future that ends after its waiter's loop was closed ends in peace."""
    future: Future[int] = Future()

    async def look() -> None:
        _nobody_waits = wrap_future(future)

    asyncio.run(look())
    future.set_result(5)
    assert future.result() == 5


# --- start_thread -----------------------------------------------------------------------


def test_start_thread() -> None:
    """The work runs in a thread of that name, which ends with it, and its outcome is in the future."""
    assert (
        start_thread(lambda: threading.current_thread().name, "coodie-work")
        .result()
        .startswith("coodie-work")
    )

    def fail() -> None:
        raise ValueError("no")

    assert isinstance(start_thread(fail, "coodie-work").exception(), ValueError)


# --- call_in_thread ---------------------------------------------------------------------


class Work:
    """Blocking work that ends when the test says so, and a note of what was discarded."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.error = error
        #: (result, thread in which it was discarded)
        self.discarded: list[tuple[str, int]] = []

    def __call__(self) -> str:
        """Do it."""
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        return "done"

    def discard(self, result: str) -> None:
        """Take a result that nobody wants."""
        self.discarded.append((result, threading.get_ident()))

    def call(self) -> Any:
        """Return the coroutine under test."""
        return call_in_thread(self, "coodie-work", discard=self.discard)


async def test_call_in_thread_leaves_the_loop_alone() -> None:
    """The loop runs on while the work blocks; the result comes back and nothing is discarded."""
    work = Work()
    done, _ = await asyncio.gather(work.call(), open_once(work.begun, work.go_on))
    assert done == "done"
    assert work.discarded == []


async def test_call_in_thread_fails() -> None:
    """The work's error is the caller's."""
    work = Work(ValueError("no"))
    work.go_on.set()
    with pytest.raises(ValueError, match="no"):
        await work.call()
    assert work.discarded == []


async def test_cancelled_call_returns_at_once(quiet_loop: list[Any]) -> None:
    """A cancellation doesn't wait for the work; what comes late is discarded in a thread."""
    work = Work()
    task = asyncio.ensure_future(work.call())
    await wait_until_async(work.begun.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.discarded == []
    work.go_on.set()
    await wait_until_async(lambda: work.discarded)
    assert work.discarded[0][0] == "done"
    assert work.discarded[0][1] != threading.get_ident()


async def test_cancelled_call_whose_work_fails(quiet_loop: list[Any]) -> None:
    """A failure that comes after the cancellation is nobody's, and there is nothing to discard."""
    work = Work(ValueError("no"))
    task = asyncio.ensure_future(work.call())
    await wait_until_async(work.begun.is_set)
    task.cancel()
    work.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.discarded == []


async def test_cancelled_as_the_result_arrives() -> None:
    """A result that is there when the cancellation hits is discarded too, and not on the loop."""
    work = Work()
    task = asyncio.ensure_future(work.call())
    await wait_until_async(work.begun.is_set)
    # Result and cancellation in one step of the loop, before the task can look at either.
    work.go_on.set()
    wait_until(lambda: not _alive("coodie-work"))
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until_async(lambda: work.discarded)
    assert work.discarded[0][1] != threading.get_ident()


def _alive(name: str) -> bool:
    return any(thread.name.startswith(name) for thread in threading.enumerate())


def test_loop_closed_under_the_call() -> None:
    """Where the loop is given up while the work runs, its result is discarded all the same."""
    work = Work()
    loop = asyncio.new_event_loop()
    coroutine = work.call()

    async def begin() -> None:
        coroutine.send(None)

    loop.run_until_complete(begin())
    wait_until(work.begun.is_set)
    loop.close()
    coroutine.close()
    work.go_on.set()
    wait_until(lambda: work.discarded)


@pytest.mark.parametrize("steps", range(1, 12))
async def test_cancelled_at_any_time(steps: int, quiet_loop: list[Any]) -> None:
    """Whenever the cancellation hits, the result is the caller's or discarded, never both or neither."""
    discarded: list[str] = []
    task = asyncio.ensure_future(call_in_thread(lambda: "done", "coodie-work", discard=discarded.append))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    (got,) = await asyncio.gather(task, return_exceptions=True)
    if got == "done":
        wait_until(lambda: not _alive("coodie-work"))
        assert discarded == []
    else:
        assert isinstance(got, asyncio.CancelledError)
        wait_until(lambda: discarded == ["done"])
