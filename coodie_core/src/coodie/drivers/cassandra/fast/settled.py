"""Requests of one turn of an event loop: what was settled for the first to a statement holds for the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.protocol.codec import LONG
from coodie.protocol.frames import EXECUTE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable

    from cassandra.pool import Host

    from coodie.drivers.cassandra.fast.answers import Answer
    from coodie.drivers.cassandra.fast.asked import Asked, AskedStatement
    from coodie.drivers.cassandra.fast.async_connection import AsyncConnection
    from coodie.rows import Rows

    #: Returns the node for a request's encoded values, and the connection to it; None where there is none.
    Way = Callable[[bytes], tuple[Host | None, AsyncConnection] | None]

    #: A request that has been sent, and its answer.
    Begun = tuple[Asked, Answer]

    #: How it was sent, its encoded values, the node, and the future of its answer.
    Sent = tuple["Settled", bytes, Host | None, asyncio.Future[Answer]]

__all__ = ["Begun", "Sent", "Settled", "Way", "alike"]

#: What a timeout is, exactly.
_TIMEOUTS = (int, float, type(None))


class Settled:
    """A statement whose requests differ in nothing but their values, while a turn of the loop lasts.

    The driver is open, the statement is current, its settings are known, its node is up and connected
    to: all this was looked at for the request that it is made of. It holds until the turn's requests
    are sent, and ends before where this driver changes something. What changes by itself, in the
    drivers' threads, may as well have done so one turn later.

    Args:
        asked: A request that has been sent in this turn: for all rows, on the session's terms.
        connection: Where it was sent.
        way: What finds the connection for a request's encoded values; None where all go to that one.
        timestamps: What gives a write its time; None where the server does, and for reads.
    """

    __slots__ = (
        "_after",
        "_asked",
        "_before",
        "_connection",
        "_encode",
        "_host",
        "_read",
        "_timeout",
        "_timestamps",
        "_way",
    )

    def __init__(
        self,
        asked: AskedStatement,
        connection: AsyncConnection,
        way: Way | None,
        timestamps: Callable[[], int] | None,
    ) -> None:
        self._asked = asked
        self._host = asked.host
        self._connection = connection
        self._way = way
        self._timestamps = timestamps
        self._timeout = asked.timeout
        self._encode = asked.statement.encode
        self._read = asked.statement.results.read_whole
        self._before, self._after = asked.around_values()

    def send(self, params: Any) -> Sent | None:
        """Send the statement with these parameters; None where there is more to it, and nothing was sent."""
        try:
            values = self._encode(params)
        except Exception:  # noqa: BLE001 - the long way says what is wrong with them
            return None
        host, connection = self._host, self._connection
        if self._way is not None:
            found = self._way(values)
            if found is None:
                return None
            host, connection = found
        body = self._before + values + self._after
        if self._timestamps is not None:
            body += LONG.pack(self._timestamps())
        future = connection.send(EXECUTE, body, self._timeout)
        return None if future is None else (self, values, host, future)

    def outcome(self, sent: Sent, answer: Answer) -> tuple[Rows | None, Begun | None]:
        """Return what came of a request: all its rows, or what to go on with.

        Args:
            sent: What ``send`` returned for it.
            answer: The answer.
        """
        try:
            rows = self._read(answer) if isinstance(answer, bytes) else None
        except Exception:  # noqa: BLE001 - the driver's decoder knows more, or says what is wrong
            rows = None
        if rows is not None:
            return rows, None
        _, values, host, _ = sent
        return None, (self._asked.again(values, host), answer)


def alike(stmt: str, consistency: str | None, timeout: float | None) -> Hashable | None:
    """Return what requests have in common that differ in their parameters alone; None for odd arguments."""
    if stmt.__class__ is not str:
        return None
    if consistency is None and timeout is None:
        return stmt
    # True is equal to 1, and is no timeout.
    if (consistency is None or consistency.__class__ is str) and timeout.__class__ in _TIMEOUTS:
        return stmt, consistency, timeout
    return None
