"""The latency of requests at a fixed rate.

The load is an open loop: each request is sent when it is due, even if earlier ones are in flight, and its
latency counts from that time. So a stall of the client or the server affects all requests that become due
during the stall, as it affects users of a program.

A kernel timer (timerfd) provides the due times. Event loops round timers up to a millisecond, which would be
most of the latency.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

from contestants.asynchronous import call_of
from contestants.rows import READ_PART
from contestants.synchronous import expect_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contestants.roles import AsyncClient, CallbackClient
    from contestants.work import Work

__all__ = ["Ticks", "percentile", "send_at_rate", "send_at_rate_with_callbacks"]

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_SECOND = 10**9
#: Nanoseconds until the first request is due.
_HEAD_START = _SECOND // 100


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))

    @classmethod
    def of(cls, nanoseconds: int) -> _Timespec:
        return cls(*divmod(nanoseconds, _SECOND))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Ticks:
    """A timer that expires at a fixed rate.

    Args:
        rate: Times per second.

    Raises:
        OSError: The kernel has no timerfd, because it isn't Linux.
    """

    def __init__(self, rate: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_CLOEXEC)
        self._interval = _SECOND // rate
        self._begin = time.monotonic_ns() + _HEAD_START
        self._count = 0
        spec = _Itimerspec(_Timespec.of(self._interval), _Timespec.of(self._begin))
        if self.fd < 0 or libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def close(self) -> None:
        """Delete the timer."""
        os.close(self.fd)

    def due(self) -> Iterator[tuple[int, int]]:
        """Wait until the timer expires.

        Yields:
            The number and the time of each expiration since the last call, in nanoseconds of the monotonic
            clock.
        """
        (times,) = struct.unpack("Q", os.read(self.fd, 8))
        first, self._count = self._count, self._count + times
        for number in range(first, self._count):
            yield number, self._begin + number * self._interval


def percentile(latencies: list[int], part: float) -> float:
    """Return a percentile of latencies, in seconds.

    Args:
        latencies: The latencies in nanoseconds, at least one.
        part: The fraction, such as 0.99.
    """
    return sorted(latencies)[min(int(len(latencies) * part), len(latencies) - 1)] / _SECOND


async def send_at_rate(client: AsyncClient, work: Work, count: int) -> list[int]:
    """Send ``count`` requests at the workload's rate; return their latencies in nanoseconds."""
    call, loop = await call_of(client, work), asyncio.get_running_loop()
    latencies: list[int] = []
    tasks: list[asyncio.Task[None]] = []
    started = asyncio.Event()

    async def request(number: int, due: int) -> None:
        await call(number)
        latencies.append(time.monotonic_ns() - due)

    def start() -> None:
        for number, due in ticks.due():
            if len(tasks) < count:
                tasks.append(loop.create_task(request(number, due)))
        if len(tasks) == count:
            loop.remove_reader(ticks.fd)
            started.set()

    ticks = Ticks(work.rate)
    try:
        loop.add_reader(ticks.fd, start)
        await started.wait()
        await asyncio.gather(*tasks)
    finally:
        loop.remove_reader(ticks.fd)
        ticks.close()
    return latencies


def send_at_rate_with_callbacks(client: CallbackClient, work: Work, count: int) -> list[int]:
    """Like :func:`send_at_rate`, but from this thread; responses arrive in the client's threads."""
    statement, keys = client.prepare(work.cql), work.keys
    latencies: list[int] = []
    wrong: list[BaseException] = []
    ended = threading.Event()

    def start(number: int, due: int) -> None:
        key = number % keys

        def done(rows: Any) -> None:
            try:
                expect_row(key, rows, client.identity)
            except AssertionError as exc:
                failed(exc)
                return
            latencies.append(time.monotonic_ns() - due)
            if len(latencies) == count:
                ended.set()

        client.start(statement, [READ_PART, key], done, failed)

    def failed(exc: BaseException) -> None:
        wrong.append(exc)
        ended.set()

    ticks, sent = Ticks(work.rate), 0
    try:
        while sent < count and not wrong:
            for number, due in ticks.due():
                if number < count:
                    start(number, due)
                    sent += 1
    finally:
        ticks.close()
    ended.wait()
    if wrong:
        raise wrong[0]
    return latencies
