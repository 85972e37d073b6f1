"""A driver's limit of requests: the queue, rejected requests, timeouts and cancellation in the queue."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.drivers.memory import MemoryClient, MemoryDriver
from coodie_core.tests.fakes import PATIENCE, Api, wait_until

from coodie import RequestOptions
from coodie.drivers.client.gate import Gate, Ticket
from coodie.effects import run_async, run_sync
from coodie.exceptions import DriverClosedError, OverloadedError, RequestTimeoutError
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Generator

STMT = "SELECT n FROM t"


def _steps(end: Future[Any]) -> Generator[Wait, Any, Any]:
    return (yield Wait(end, PATIENCE))


def _pass(gate: Gate, end: Future[Any], *, timeout: float = PATIENCE, patient: bool = False) -> Any:
    return gate.pass_through(_steps(end), STMT, timeout, patient=patient)


def _ends(number: int) -> list[Future[Any]]:
    from concurrent.futures import Future

    return [Future() for _ in range(number)]


def test_counting() -> None:
    """A gate is busy from a request's start to its end, however that ends."""
    gate = Gate(2, 1)
    for end in _ends(3):
        steps = _pass(gate, end)
        next(steps)
        assert gate.is_busy
        steps.close()
        assert not gate.is_busy
    (end,) = _ends(1)
    end.set_exception(ValueError())
    with pytest.raises(ValueError):  # noqa: PT011 - its own
        run_sync(_pass(gate, end))
    assert not gate.is_busy


async def test_places_in_order() -> None:
    """When a request ends, the next in the queue starts; if the queue is full, a request is rejected."""
    gate = Gate(2, 2)
    ends = _ends(5)
    order: list[int] = []

    async def ask(number: int, *, patient: bool = False) -> int:
        value: int = await run_async(_pass(gate, ends[number], patient=patient))
        order.append(value)
        return value

    tasks = [asyncio.create_task(ask(number)) for number in range(4)]
    await asyncio.sleep(0)
    assert gate.stats().as_dict() == {
        "max_in_flight": 2,
        "max_queued": 2,
        "in_flight": 2,
        "queued": 2,
        "rejected": 0,
    }
    with pytest.raises(OverloadedError) as caught:
        await ask(4)
    assert caught.value.may_have_been_applied is False
    tasks.append(asyncio.create_task(ask(4, patient=True)))
    await asyncio.sleep(0)
    assert (gate.stats().queued, gate.stats().rejected) == (3, 1)
    for number in (1, 0, 2, 3, 4):
        ends[number].set_result(number)
        await tasks[number]
    assert order == [1, 0, 2, 3, 4]
    assert not gate.is_busy


def test_threads() -> None:
    """The limit is never exceeded, and all requests that are queued are run."""
    gate = Gate(3, 100)
    under_way, most, lock = 0, 0, threading.Lock()

    def steps() -> Generator[Any, Any, None]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        (end,) = _ends(1)
        threading.Timer(0.001, end.set_result, (None,)).start()
        yield Wait(end, PATIENCE)
        with lock:
            under_way -= 1

    with ThreadPoolExecutor(20) as pool:
        asked = [
            pool.submit(lambda: run_sync(gate.pass_through(steps(), STMT, PATIENCE, patient=False)))
            for _ in range(100)
        ]
        for one in asked:
            one.result()
    assert 0 < most <= 3
    assert not gate.is_busy


@pytest.mark.parametrize("ending", ["timeout", "cancellation"])
async def test_those_who_stop_waiting(ending: str) -> None:
    """A timeout or a cancellation in the queue gives the place to the next."""
    gate = Gate(1, 2)
    ends = _ends(3)
    first = asyncio.create_task(run_async(_pass(gate, ends[0])))
    await asyncio.sleep(0)
    timeout = 0.01 if ending == "timeout" else PATIENCE
    second = asyncio.create_task(run_async(_pass(gate, ends[1], timeout=timeout)))
    third = asyncio.create_task(run_async(_pass(gate, ends[2])))
    await asyncio.sleep(0)
    if ending == "timeout":
        with pytest.raises(RequestTimeoutError) as caught:
            await second
        assert caught.value.may_have_been_applied is False
    else:
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
    assert gate.stats().queued == 1
    ends[0].set_result(0)
    ends[2].set_result(2)
    assert (await first, await third) == (0, 2)
    assert not gate.is_busy


async def test_the_total_timeout_of_a_queued_write(is_async: bool) -> None:
    """It ends the wait in the queue, and the error says that the write wasn't applied."""
    client = MemoryClient()
    client.gate = Future()
    driver = MemoryDriver(client, max_in_flight=1)
    write = "INSERT INTO t (k) VALUES (1)"
    first = asyncio.create_task(driver.execute_async(write, []))
    await asyncio.sleep(0)
    options = RequestOptions(total_timeout=0.05)
    with pytest.raises(RequestTimeoutError) as caught:
        await Api(driver, is_async=is_async).execute(write, [], timeout=PATIENCE, options=options)
    assert caught.value.may_have_been_applied is False
    client.gate.set_result(None)
    await first
    assert len(client.sent) == 1


def test_a_place_that_comes_too_late() -> None:
    """A place that was given to one who has just stopped waiting goes to the next."""
    gate = Gate(1, 2)
    ends = _ends(3)
    first, second, third = (_pass(gate, end) for end in ends)
    next(first)
    next(second)
    wait = next(third)
    first.close()  # the second has the place
    assert isinstance(wait, Wait)
    assert not wait.future.done()
    second.close()
    assert wait.future.done()
    third.close()
    assert not gate.is_busy


def test_an_event_loop_that_is_closed() -> None:
    """Its requests, which never end, neither keep a place nor get one, and don't keep the gate busy."""
    gate = Gate(1, 3)
    ends = _ends(4)
    loop = asyncio.new_event_loop()
    tasks: list[Any] = []

    async def ask() -> None:
        tasks.extend(asyncio.create_task(run_async(_pass(gate, end))) for end in ends[:2])
        await asyncio.sleep(0)

    loop.run_until_complete(ask())
    assert gate.is_busy
    loop.close()
    assert not gate.is_busy
    for end in ends[2:]:
        end.set_result(7)
        assert run_sync(_pass(gate, end)) == 7
    assert not gate.is_busy
    for task in tasks:
        # Not logged when it is garbage-collected.
        task._log_destroy_pending = False


def test_tickets() -> None:
    """A request counts until it ends, or until its event loop is closed, which never ends it."""
    holders: set[Ticket] = set()
    with Ticket(holders):
        assert len(holders) == 1
    assert holders == set()
    loop = asyncio.new_event_loop()

    async def hold() -> None:
        Ticket(holders).__enter__()

    loop.run_until_complete(hold())
    (ticket,) = holders
    assert not ticket.is_over
    loop.close()
    assert ticket.is_over


def test_closing() -> None:
    """Those in the queue get the error; a request under way ends by itself."""
    gate = Gate(1, 1)
    ends = _ends(2)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run_sync, _pass(gate, ends[0]))
        wait_until(lambda: gate.stats().in_flight == 1)
        second = pool.submit(run_sync, _pass(gate, ends[1]))
        wait_until(lambda: gate.stats().queued == 1)
        gate.close(DriverClosedError("Closed."))
        with pytest.raises(DriverClosedError):
            second.result(PATIENCE)
        ends[0].set_result(0)
        assert first.result(PATIENCE) == 0
    assert not gate.is_busy
