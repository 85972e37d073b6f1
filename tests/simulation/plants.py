"""Planted bugs, which the simulation has to find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra._prepared import complete
from coodie.drivers.cassandra._retries import SafeRetryPolicy
from coodie.drivers.cassandra._session import SessionExecutor
from coodie.drivers.cassandra.fastpath import request, retry
from coodie.drivers.cassandra.fastpath.async_connection import AsyncConnection
from coodie.drivers.cassandra.fastpath.pool import AsyncPool
from coodie.drivers.client.statements import StatementCache
from coodie.protocol.connection import Connection
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PLANTS"]


def _stream_reused() -> None:
    """A stream is reused as soon as its request has timed out, so a late response goes to another request."""
    original = Connection._end_overdue

    def end_overdue(self: Any, now: float) -> Any:
        ended = original(self, now)
        self._free.extend(self._orphaned)
        self._orphaned.clear()
        return ended

    Connection._end_overdue = end_overdue  # type: ignore[method-assign]


def _late_answer_delivered() -> None:
    """A response after its request's timeout goes to the request that has waited longest."""
    original = Connection.receive

    def receive(self: Any, data: bytes, now: float) -> Any:
        feed = self._feed

        def feed_late(data: bytes) -> Iterator[Any]:
            for stream, answer in feed(data):
                is_late = stream in self._orphaned and self._in_flight
                yield next(iter(self._in_flight)) if is_late else stream, answer

        self._feed = feed_late
        try:
            return original(self, data, now)
        finally:
            self._feed = feed

    Connection.receive = receive  # type: ignore[method-assign]


def _unbounded_cache() -> None:
    """Prepared statements are never evicted."""
    original = StatementCache.__init__

    def init(self: Any, client: Any, _size: int, lifetime: float | None) -> None:
        original(self, client, 1_000_000, lifetime)

    StatementCache.__init__ = init  # type: ignore[method-assign, assignment]


def _resend_after_timeout() -> None:
    """A write that may have been applied is sent again."""

    def decided(self: Any, method: str, args: Any, kwargs: Any, *, doubtful: bool) -> Any:
        self.failed_attempts += 1
        return self.RETRY, None

    SafeRetryPolicy._decided = decided  # type: ignore[method-assign]


def _lost_wake_up() -> None:
    """The rest of a partial write is never sent."""
    original = AsyncConnection._write

    def write(self: Any) -> None:
        original(self)
        if self._is_writing:
            self._loop.remove_writer(self._sock)

    AsyncConnection._write = write  # type: ignore[method-assign]


def _leaked_waiter() -> None:
    """A completed request still counts as in flight."""
    SessionExecutor._end = lambda self, answer, outcome: complete(answer.outcome, outcome)  # type: ignore[method-assign]


def _untrue_error() -> None:
    """The error of a timeout says that nothing was sent."""
    original = retry.timeout_error
    request.timeout_error = lambda settings, host: original(settings, None)  # type: ignore[attr-defined]


def _connection_left_open() -> None:
    """close() leaves the connections of event loops open."""
    AsyncPool._close = lambda *_: None  # type: ignore[method-assign]


def _loop_blocked() -> None:
    """An async request blocks its event loop."""

    async def run_async(self: Any) -> Any:
        return self.run()

    Wait.run_async = run_async  # type: ignore[method-assign]


def _wrong_answer() -> None:
    """Responses that arrive together are assigned in another order."""
    original = Connection.receive

    def receive(self: Any, data: bytes, now: float) -> Any:
        found = original(self, data, now)
        answers = [answer for _, answer in found][::-1]
        return [(token, answer) for (token, _), answer in zip(found, answers, strict=True)]

    Connection.receive = receive  # type: ignore[method-assign]


#: What each is called.
PLANTS: dict[str, Callable[[], None]] = {
    "stream-reused": _stream_reused,
    "late-answer": _late_answer_delivered,
    "unbounded-cache": _unbounded_cache,
    "resend": _resend_after_timeout,
    "lost-wake-up": _lost_wake_up,
    "leaked-waiter": _leaked_waiter,
    "untrue-error": _untrue_error,
    "left-open": _connection_left_open,
    "loop-blocked": _loop_blocked,
    "wrong-answer": _wrong_answer,
}
