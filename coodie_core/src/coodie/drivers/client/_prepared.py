"""Prepared statements of any client: a bounded cache, one prepare for many who ask at once."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from coodie.exceptions import RequestTimeoutError
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.drivers.client.client import Steps

__all__ = ["PreparedStatements"]


class _AbandonedError(Exception):
    """Who was preparing has been cancelled; somebody else has to."""


class _Entry:
    """A statement that is prepared, or about to be.

    Args:
        until: When it is to be prepared anew, on the monotonic clock.
    """

    __slots__ = ("prepared", "until")

    def __init__(self, until: float) -> None:
        self.prepared: Future[Any] = Future()
        self.until = until

    def is_over(self) -> bool:
        """Tell whether its time is over; one that is under way is as new as can be."""
        return time.monotonic() > self.until and self.prepared.done()


class PreparedStatements:
    """The prepared statements of one client, by their text.

    Args:
        size: How many to keep, the last used ones.
        lifetime: Seconds after which one is prepared anew; None for a client that is told when the schema
            changes.
    """

    def __init__(self, size: int, lifetime: float | None) -> None:
        self._size = size
        self._lifetime = math.inf if lifetime is None else lifetime
        self._lock = threading.Lock()
        #: Those under way, too: each is a future that whoever came first completes.
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(
        self, cql: str, timeout: float, prepare: Callable[[], Steps[Any]], *, keep: bool = True
    ) -> Steps[Any]:
        """Return the statement, from here or from the server.

        Args:
            cql: The text.
            timeout: Seconds to wait for another who prepares it.
            prepare: Has the server prepare it; called by the first who asks.
            keep: Whether it is worth keeping.
        """

        def late() -> RequestTimeoutError:
            message = f"The server didn't prepare the statement within {timeout:g} s."
            return RequestTimeoutError(message, statement=cql, timeout=timeout, may_have_been_applied=False)

        while True:
            with self._lock:
                entry = self._entries.get(cql)
                if entry is None or entry.is_over():
                    ours = _Entry(time.monotonic() + self._lifetime)
                    if keep:
                        self._entries[cql] = ours
                    break
                self._entries.move_to_end(cql)
            try:
                done = entry.prepared.done()
                return entry.prepared.result() if done else (yield Wait(entry.prepared, timeout, late))
            except _AbandonedError:
                continue
        try:
            prepared = yield from prepare()
        except BaseException as exc:
            self.forget(cql, ours)
            # A cancellation is the canceller's own: those who wait didn't ask for it.
            ours.prepared.set_exception(exc if isinstance(exc, Exception) else _AbandonedError())
            raise
        ours.prepared.set_result(prepared)
        with self._lock:
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
        return prepared

    def forget(self, cql: str, entry: _Entry | None = None) -> None:
        """Drop a statement; with *entry*, only if that is still what is here."""
        with self._lock:
            if entry is None or self._entries.get(cql) is entry:
                self._entries.pop(cql, None)

    def clear(self) -> None:
        """Drop all: the schema that they were made for has changed. Those under way are not kept."""
        with self._lock:
            self._entries.clear()
