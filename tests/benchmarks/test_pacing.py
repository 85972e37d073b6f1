"""Requests at a fixed rate, and what a process has used."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from contestants.measuring import connections
from contestants.pacing import Ticks, percentile, send_at_rate, send_at_rate_with_callbacks
from contestants.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from contestants.roles import AsyncClient, CallbackClient

MILLISECOND = 10**6


class Slow:
    """A client whose first request takes 50 ms, and blocks the loop or the thread meanwhile."""

    identity = "id"

    def __init__(self) -> None:
        self.stalled = False

    def answer(self, key: int) -> list[dict[str, Any]]:
        """Return the row of a key."""
        if not self.stalled:
            self.stalled = True
            time.sleep(0.05)
        return [{"id": key}]


class SlowAsync(Slow):
    """The same on an event loop."""

    async def prepare(self, cql: str) -> str:
        """Return the text."""
        return cql

    async def read(self, statement: str, values: list[Any]) -> list[dict[str, Any]]:
        """Return a row."""
        return self.answer(values[1])


class SlowCallbacks(Slow):
    """The same with callbacks."""

    def prepare(self, cql: str) -> str:
        """Return the text."""
        return cql

    def start(self, _: str, values: list[Any], done: Callable[[Any], None], __: Any) -> None:
        """Call back at once."""
        done(self.answer(values[1]))


class Wrong(SlowCallbacks):
    """A client that returns another row."""

    def answer(self, key: int) -> list[dict[str, Any]]:
        """Return the row of another key."""
        return [{"id": key + 1}]


def test_ticks_come_at_their_rate() -> None:
    """Numbers without gaps, and times that differ by the interval, of which none is in the future."""
    ticks = Ticks(1000)
    try:
        found: list[tuple[int, int]] = []
        while len(found) < 50:
            found += ticks.due()
            assert found[-1][1] <= time.monotonic_ns()
    finally:
        ticks.close()
    assert [number for number, _ in found] == list(range(len(found)))
    times = [due for _, due in found]
    assert {after - before for before, after in itertools.pairwise(times)} == {MILLISECOND}


async def test_a_stall_is_part_of_the_latency_of_what_was_due_meanwhile() -> None:
    """On a loop: 50 ms without a response delay the 50 requests that were due in them."""
    latencies = await send_at_rate(cast("AsyncClient", SlowAsync()), Work.of("rate-1000"), 200)
    _expect_delays(latencies)


def test_a_stall_counts_with_callbacks_too() -> None:
    """The same where the caller's thread waits for the timer."""
    latencies = send_at_rate_with_callbacks(
        cast("CallbackClient", SlowCallbacks()), Work.of("rate-1000"), 200
    )
    _expect_delays(latencies)


def _expect_delays(latencies: list[int]) -> None:
    assert len(latencies) == 200
    late = sorted(latencies, reverse=True)
    assert late[0] >= 50 * MILLISECOND
    assert late[10] >= 35 * MILLISECOND
    assert late[30] >= 15 * MILLISECOND


async def test_another_row_is_an_error() -> None:
    """A request that returns something else doesn't count as one."""

    class WrongAsync(SlowAsync):
        def answer(self, key: int) -> list[dict[str, Any]]:
            return [{"id": key + 1}]

    with pytest.raises(AssertionError, match="asked for row"):
        await asyncio.wait_for(send_at_rate(cast("AsyncClient", WrongAsync()), Work.of("rate-1000"), 20), 10)
    with pytest.raises(AssertionError, match="asked for row"):
        send_at_rate_with_callbacks(cast("CallbackClient", Wrong()), Work.of("rate-1000"), 20)


@pytest.mark.parametrize(("part", "seconds"), [(0.5, 51e-9), (0.99, 100e-9), (1.0, 100e-9), (0.0, 1e-9)])
def test_percentiles(part: float, seconds: float) -> None:
    """Of latencies in any order, in seconds."""
    assert percentile(list(range(100, 0, -1)), part) == pytest.approx(seconds)


def test_connections_are_this_process_and_this_port() -> None:
    """Each counts once, at its client's end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert connections(port) == 0
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            assert connections(port) == 2
