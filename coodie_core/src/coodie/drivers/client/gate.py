"""Limit the requests of a driver.

If the maximum number of requests is in progress, further requests are queued. If the queue is full, a request
is rejected immediately. So an overloaded driver keeps the throughput that the servers can sustain.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar
from weakref import ref

from coodie._forks import forget_in_children
from coodie.contract.total_timeout import total_timeout_error, with_rest
from coodie.exceptions import OverloadedError, RequestTimeoutError
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.effects import Steps
    from coodie.exceptions import CoodieError
    from coodie.observers.stats import LimitStats
    from coodie.options.request_options import RequestOptions
    from coodie.requests import Request

__all__ = ["Gate", "Ticket", "gated"]

T = TypeVar("T")


def gated(
    gate: Gate, make: Callable[[Request], Steps[T]], request: Request, default: float, *, patient: bool
) -> Steps[T]:
    """Return the steps of a request that pass through a gate.

    Args:
        gate: The driver's gate.
        make: Returns the steps of a request.
        request: The caller's request, whose arguments are valid.
        default: The driver's default timeout in seconds.
        patient: See ``Gate.pass_through``; then ``total_timeout`` starts after the queue, too.
    """
    timeout, options = request.timeout or default, request.options
    if patient or options is None or options.total_timeout is None:
        return gate.pass_through(make(request), request.stmt, timeout, patient=patient)
    timeout = min(timeout, options.total_timeout)
    return gate.pass_through(_within(make, request, options), request.stmt, timeout, patient=patient)


def _within(make: Callable[[Request], Steps[T]], request: Request, options: RequestOptions) -> Steps[T]:
    """Return the steps of a request whose ``total_timeout`` starts now, although it may be queued first."""
    deadline = time.monotonic() + (options.total_timeout or 0.0)

    def steps() -> Steps[T]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise total_timeout_error(request.stmt, options)
        return (yield from make(request._replace(options=with_rest(options, left))))

    return steps()


class Ticket:
    """A request in progress, or one that waits in front of a gate; as a context manager, counts the request.

    Args:
        holders: The tickets of the requests in progress; adding and discarding are atomic.
    """

    __slots__ = ("_holders", "_loop", "place")

    def __init__(self, holders: set[Ticket]) -> None:
        self._holders = holders
        # Sync programs don't pay for the import.
        events = sys.modules.get("asyncio.events")
        loop = None if events is None else events._get_running_loop()  # noqa: SLF001 - public, in spite of its name
        self._loop = None if loop is None else ref(loop)
        #: Completed when the request is admitted; None if it isn't queued.
        self.place: Future[None] | None = None

    def __enter__(self) -> None:
        self._holders.add(self)

    def __exit__(self, *_: object) -> None:
        self._holders.discard(self)

    @property
    def is_over(self) -> bool:
        """Whether the event loop of the request was closed, so that the request never ends."""
        if self._loop is None:
            return False
        loop = self._loop()
        return loop is None or loop.is_closed()


class Gate:
    """Limit the number of requests in progress; further requests are queued, first in, first out.

    Args:
        limit: The maximum number of requests in progress.
        most_waiting: The maximum length of the queue; further requests are rejected.
    """

    def __init__(self, limit: int, most_waiting: int) -> None:
        self._passing: set[Ticket] = set()
        self.limit = limit
        self.most_waiting = most_waiting
        #: The number of requests that were rejected because the queue was full.
        self.rejected = 0
        self._lock = threading.Lock()
        self._waiting: deque[Ticket] = deque()
        forget_in_children(self, Gate._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()

    @property
    def is_busy(self) -> bool:
        """Whether a request is in progress or queued."""
        return any(not ticket.is_over for ticket in (*tuple(self._passing), *tuple(self._waiting)))

    def pass_through(self, steps: Steps[T], stmt: str, timeout: float, *, patient: bool) -> Steps[T]:
        """Wait in the queue if necessary, then run the steps of a request.

        Args:
            steps: The steps.
            stmt: The CQL text, for errors.
            timeout: The timeout of waiting in the queue, in seconds.
            patient: Whether to queue the request even if the queue is full, and without a timeout, as for
                ``execute_many``.

        Raises:
            OverloadedError: The queue is full.
            RequestTimeoutError: The request was queued until its timeout.
        """
        ticket = self._enter(stmt, patient=patient)
        try:
            if ticket.place is not None:

                def late() -> RequestTimeoutError:
                    message = (
                        f"The request was queued for {timeout:g} s and not sent: {self.limit} are in flight."
                    )
                    hint = "Send fewer requests, or increase max_in_flight= if the servers can do more."
                    return RequestTimeoutError(
                        message, hint=hint, statement=stmt, timeout=timeout, may_have_been_applied=False
                    )

                yield Wait(ticket.place, None if patient else timeout, late)
            return (yield from steps)
        finally:
            self._leave(ticket)

    def stats(self) -> LimitStats:
        """Return the limits and the current numbers of requests."""
        from coodie.observers.stats import LimitStats  # used by few programs

        return LimitStats(
            max_in_flight=self.limit,
            max_queued=self.most_waiting,
            in_flight=len(self._passing),
            queued=len(self._waiting),
            rejected=self.rejected,
        )

    def _enter(self, stmt: str, *, patient: bool) -> Ticket:
        """Admit a request, or queue it; the place of its ticket is completed when it is admitted."""
        ticket = Ticket(self._passing)
        with self._lock:
            if len(self._passing) >= self.limit:
                # Requests of a closed event loop end only when they are garbage-collected.
                self._passing.difference_update([one for one in self._passing if one.is_over])
            if len(self._passing) < self.limit and not self._waiting:
                self._passing.add(ticket)
                return ticket
            if len(self._waiting) < self.most_waiting or patient:
                ticket.place = Future()
                self._waiting.append(ticket)
                admitted = self._admit()
            else:
                self.rejected += 1
                admitted = None
        if admitted is not None:
            _complete(admitted)
            return ticket
        message = (
            f"The request wasn't sent: {self.limit} are in flight, and {self.most_waiting} more are queued."
        )
        hint = "Try again later, or increase max_in_flight= or max_queued= if the servers can do more."
        raise OverloadedError(message, hint=hint, statement=stmt, may_have_been_applied=False)

    def _leave(self, ticket: Ticket) -> None:
        """Forget a request, also one in the queue; admit the next one."""
        with self._lock:
            if ticket in self._passing:
                self._passing.remove(ticket)
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
            admitted = self._admit()
        _complete(admitted)

    def _admit(self) -> list[Ticket]:
        """Admit requests from the queue while the limit isn't reached; the lock is held."""
        admitted = []
        while self._waiting and len(self._passing) < self.limit:
            ticket = self._waiting.popleft()
            if ticket.is_over:
                continue
            self._passing.add(ticket)
            admitted.append(ticket)
        return admitted

    def close(self, error: CoodieError) -> None:
        """Fail the requests in the queue."""
        with self._lock:
            waiting, self._waiting = list(self._waiting), deque()
        for ticket in waiting:
            if ticket.place is not None:
                ticket.place.set_exception(error)


def _complete(admitted: list[Ticket]) -> None:
    for ticket in admitted:
        if ticket.place is not None:
            ticket.place.set_result(None)
