"""Many requests from one thread: each one's time is kept by itself."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from coodie.contract.many import ManyRun
from coodie.drivers.cassandra._concurrency import ConcurrentExecutor
from coodie.drivers.cassandra.fastpath.request import Exchange
from coodie.effects import Sleep
from coodie.exceptions import RequestTimeoutError
from coodie.protocol.connection import TIMED_OUT
from coodie.rows import Rows
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Generator


def run(count: int, concurrency: int) -> ManyRun:
    """Make the bookkeeping of a run whose failures are recorded."""
    return ManyRun(
        "SELECT",
        [[n] for n in range(count)],
        concurrency=concurrency,
        raise_on_error=False,
        on_result=None,
        on_progress=None,
    )


def late() -> RequestTimeoutError:
    """Make what a wait ends with."""
    return RequestTimeoutError("late")


def test_a_silent_request_ends_alone() -> None:
    """One whose answer never comes ends with its own timeout, while the others go on."""
    silent: Future[Any] = Future()

    def start(params: Any) -> Generator[Wait, Any, Rows]:
        future: Future[Any] = silent if params[0] == 1 else Future()
        if future is not silent:
            future.set_result(params[0])
        return Rows([{"n": (yield Wait(future, 0.2, late))}])

    result = ConcurrentExecutor(run(400, 8), start).drain()
    assert result.succeeded == 399
    assert [type(error) for error in result.errors.values()] == [RequestTimeoutError]
    assert result.rows(399) == [{"n": 399}]
    assert not silent.done()


def test_an_answer_after_its_time_is_passed_over() -> None:
    """A request that gave up isn't woken again by its late answer, and its index keeps its error."""
    futures: list[Future[Any]] = []

    def start(params: Any) -> Generator[Wait, Any, Rows]:
        futures.append(Future())
        if params[0] == 1:
            futures[0].set_result("too late")
            futures[1].set_result("in time")
        return Rows([{"answer": (yield Wait(futures[-1], 0.1 if params[0] == 0 else 5, late))}])

    result = ConcurrentExecutor(run(2, 1), start).drain()
    assert list(result.errors) == [0]
    assert result.rows(1) == [{"answer": "in time"}]


def test_what_a_request_does_about_its_timeout_is_its_own() -> None:
    """The error is raised inside of the request, which may go on."""

    def start(params: Any) -> Generator[Wait, Any, Rows]:
        try:
            yield Wait(Future(), 0.05, late)
        except RequestTimeoutError:
            done: Future[Any] = Future()
            done.set_result("second")
            return Rows([{"answer": (yield Wait(done))}])
        raise AssertionError

    assert ConcurrentExecutor(run(1, 1), start).drain().rows(0) == [{"answer": "second"}]


def test_a_request_that_pauses_holds_up_no_other() -> None:
    """A pause before another attempt is made, and the other requests go on meanwhile."""
    ended: list[int] = []

    def start(params: Any) -> Generator[Any, Any, Rows]:
        if params[0] == 0:
            assert (yield Sleep(0.1)) is None
        done: Future[Any] = Future()
        done.set_result(params[0])
        ended.append((yield Wait(done)))
        return Rows()

    began = time.monotonic()
    assert ConcurrentExecutor(run(50, 2), start).drain().succeeded == 50
    assert ended == [*range(1, 50), 0]
    assert time.monotonic() - began >= 0.1


class _SilentPipeline:
    """Takes requests, has an answer to none, and says so when their time is over."""

    def __init__(self) -> None:
        self._deadlines: dict[Any, float] = {}

    @property
    def in_flight(self) -> int:
        """How many requests have neither an answer nor an end."""
        return len(self._deadlines)

    def send(self, exchange: Any, token: Any) -> bool:
        self._deadlines[token] = time.monotonic() + exchange.timeout
        return True

    def responses(self, timeout: float) -> list[Any]:
        time.sleep(timeout)
        now = time.monotonic()
        late = [token for token, deadline in self._deadlines.items() if deadline <= now]
        return [(token, TIMED_OUT) for token in late if self._deadlines.pop(token)]

    def close(self) -> None:
        """Have nothing to give back."""


@pytest.mark.timeout(20)
def test_one_that_was_given_up_holds_up_no_other() -> None:
    """A request without an answer on a connection of ours leaves the driver's answers to be looked at."""
    silent: Any = _SilentPipeline()

    def start(params: Any) -> Generator[Any, Any, Rows]:
        path: Any = None
        assert (yield Exchange(path, 0, b"", 0.05, None)) is TIMED_OUT
        future: Future[Any] = Future()
        threading.Timer(0.1, future.set_result, ["the driver's"]).start()
        return Rows([{"answer": (yield Wait(future, 5, late))}])

    result = ConcurrentExecutor(run(3, 1), start, silent).drain()
    assert [result.rows(n) for n in range(3)] == [[{"answer": "the driver's"}]] * 3
