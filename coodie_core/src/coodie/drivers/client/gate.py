"""Count and limit the requests of a driver.

If the maximum number of requests is in progress, further requests are queued. If the queue is full, a request
is rejected immediately. So an overloaded driver keeps the throughput that the servers can sustain.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from coodie._forks import forget_in_children
from coodie.exceptions import OverloadedError, RequestTimeoutError
from coodie.waiting import Wait

if TYPE_CHECKING:
    from coodie.effects import Steps
    from coodie.exceptions import CoodieError
    from coodie.observers.stats import LimitStats

__all__ = ["Gate", "LimitedGate"]

T = TypeVar("T")


class Gate:
    """Count the requests in progress; thread-safe."""

    def __init__(self) -> None:
        # One token per request; adding and discarding are atomic.
        self._requests: set[object] = set()

    @property
    def is_busy(self) -> bool:
        """Whether a request is in progress."""
        return bool(self._requests)

    def pass_through(self, steps: Steps[T], stmt: str, timeout: float, *, patient: bool) -> Steps[T]:  # noqa: ARG002 - for limits
        """Run the steps of a request, and count it until they end.

        Args:
            steps: The steps.
            stmt: The CQL text, for errors.
            timeout: The timeout of waiting in the queue, in seconds.
            patient: Whether to queue the request even if the queue is full, and without a timeout, as for
                ``execute_many``.
        """
        token = object()
        self._requests.add(token)
        try:
            return (yield from steps)
        finally:
            self._requests.discard(token)

    def close(self, error: CoodieError) -> None:
        """Fail the requests in the queue."""


class LimitedGate(Gate):
    """Limit the number of requests in progress; further requests are queued, first in, first out.

    Args:
        limit: The maximum number of requests in progress.
        most_waiting: The maximum length of the queue; further requests are rejected.
    """

    def __init__(self, limit: int, most_waiting: int) -> None:
        super().__init__()
        self.limit = limit
        self.most_waiting = most_waiting
        #: The number of requests that were rejected because the queue was full.
        self.rejected = 0
        self._lock = threading.Lock()
        self._passing = 0
        self._waiting: deque[Future[None]] = deque()
        forget_in_children(self, LimitedGate._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether a request is in progress or queued."""
        return bool(self._passing or self._waiting)

    def pass_through(self, steps: Steps[T], stmt: str, timeout: float, *, patient: bool) -> Steps[T]:
        """Wait in the queue if necessary, then run the steps of a request.

        Raises:
            OverloadedError: The queue is full.
            RequestTimeoutError: The request was queued until its timeout.
        """
        place = self._enter(stmt, patient=patient)
        if place is not None:

            def late() -> RequestTimeoutError:
                message = (
                    f"The request was queued for {timeout:g} s and not sent: {self.limit} are in flight."
                )
                hint = "Send fewer requests at once, or increase max_in_flight= if the servers can do more."
                return RequestTimeoutError(
                    message, hint=hint, statement=stmt, timeout=timeout, may_have_been_applied=False
                )

            try:
                yield Wait(place, None if patient else timeout, late)
            except BaseException:
                self._give_up(place)
                raise
        try:
            return (yield from steps)
        finally:
            self._leave()

    def stats(self) -> LimitStats:
        """Return the limits and the current numbers of requests."""
        from coodie.observers.stats import LimitStats  # used by few programs

        return LimitStats(
            max_in_flight=self.limit,
            max_queued=self.most_waiting,
            in_flight=self._passing,
            queued=len(self._waiting),
            rejected=self.rejected,
        )

    def _enter(self, stmt: str, *, patient: bool) -> Future[None] | None:
        """Admit a request and return None, or queue it and return the future of its admission."""
        with self._lock:
            if self._passing < self.limit:
                self._passing += 1
                return None
            if len(self._waiting) < self.most_waiting or patient:
                place: Future[None] = Future()
                self._waiting.append(place)
                return place
            self.rejected += 1
        message = (
            f"The request wasn't sent: {self.limit} are in flight, and {self.most_waiting} more are queued."
        )
        hint = "Try again later, or increase max_in_flight= or max_queued= if the servers can do more."
        raise OverloadedError(message, hint=hint, statement=stmt, may_have_been_applied=False)

    def _leave(self) -> None:
        """Admit the next request in the queue."""
        with self._lock:
            if not self._waiting:
                self._passing -= 1
                return
            place = self._waiting.popleft()
        place.set_result(None)

    def _give_up(self, place: Future[None]) -> None:
        """Leave the queue; if the request has just been admitted, admit the next one instead."""
        with self._lock:
            if place in self._waiting:
                self._waiting.remove(place)
                return
        if place.exception() is None:
            self._leave()

    def close(self, error: CoodieError) -> None:
        """Fail the requests in the queue."""
        with self._lock:
            places, self._waiting = list(self._waiting), deque()
        for place in places:
            place.set_exception(error)
