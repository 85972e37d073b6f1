"""A request and its answer, as effects: sent from the thread or the event loop that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

    from cassandra.pool import Host

    from coodie.drivers.cassandra._retries import SafeRetryPolicy
    from coodie.drivers.cassandra._sending import Terms
    from coodie.drivers.cassandra.fast.answers import Answer
    from coodie.drivers.cassandra.fast.lanes import ThreadLane
    from coodie.drivers.cassandra.fast.routing import Route
    from coodie.drivers.cassandra.fast.sync_connection import SyncConnection
    from coodie.protocol.frames import Frame

__all__ = ["Exchange", "Path", "Posted", "Posting"]


class Path(Protocol):
    """What sends an exchange, and knows what its answers mean: the driver's fast path."""

    def post(self, exchange: Exchange) -> Posted | None:
        """Send from the calling thread; None where no connection is free yet."""

    def post_async(self, exchange: Exchange) -> Awaitable[Answer] | None:
        """Send from the running loop; None where it has no connection yet."""

    def decoded(self, answer: bytes | Frame, exchange: Exchange) -> Any:
        """Return the driver's object of an answer."""

    def check_open(self, terms: Terms) -> None:
        """Refuse to go on with a request whose connection was lost because the driver was closed."""

    def retry_policy(self, terms: Terms) -> SafeRetryPolicy:
        """Return what decides whether a request that has failed is sent again."""

    def has_others(self, exchange: Exchange, tried: Host) -> bool:
        """Tell whether a node other than the one could be asked."""


class Exchange:
    """Send a request and wait for its answer; the answer is None where it couldn't be sent.

    Args:
        path: The driver's fast path.
        opcode: What kind of request it is.
        body: Its body.
        timeout: Seconds.
        policy: The load-balancing policy to ask.
    """

    __slots__ = ("body", "host", "opcode", "path", "policy", "timeout")

    def __init__(self, path: Path, opcode: int, body: bytes, timeout: float, policy: Any) -> None:
        self.path = path
        self.opcode = opcode
        self.body = body
        self.timeout = timeout
        self.policy = policy
        #: The node that was asked.
        self.host: Host | None = None

    def route(self) -> Route:
        """Return what decides where it goes; asked only where there is a choice."""
        raise NotImplementedError

    def run(self) -> Answer | None:
        """Send and wait in the calling thread."""
        posted = self.path.post(self)
        return None if posted is None else posted.run()

    def run_async(self) -> Awaitable[Answer | None]:
        """Send from the running loop."""
        return self.path.post_async(self) or NOTHING


class Posting:
    """An effect: send a request, and don't wait. Its answer is the ``Posted``, or None.

    Args:
        exchange: The request.
    """

    __slots__ = ("_exchange",)

    is_immediate = True

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def run(self) -> Posted | None:
        """Send from the calling thread."""
        return self._exchange.path.post(self._exchange)

    def run_async(self) -> Awaitable[Posted | None]:
        """Send from the running loop."""
        future = self._exchange.path.post_async(self._exchange)
        return NOTHING if future is None else _Immediately(_OnLoop(future))


class Posted:
    """An effect: the answer to a request that a thread has sent.

    Args:
        connection: What it was sent on.
        lane: Where that goes back to.
        failed: What became of sending it, where that failed.
    """

    __slots__ = ("_connection", "_failed", "_lane")

    def __init__(self, connection: SyncConnection, lane: ThreadLane, failed: Answer | None) -> None:
        self._connection = connection
        self._lane = lane
        self._failed = failed

    def run(self) -> Answer:
        """Wait in the calling thread."""
        connection, lane = self._connection, self._lane
        try:
            return connection.receive() if self._failed is None else self._failed
        finally:
            lane.give(connection)

    def run_async(self) -> Awaitable[Answer]:
        """Never called: it was sent from a thread."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Wait for it no more."""
        self._lane.drop(self._connection)


class _OnLoop(Posted):
    """The same, of a request that was sent from an event loop."""

    __slots__ = ("_future",)

    def __init__(self, future: Awaitable[Answer]) -> None:
        self._future = future

    def run(self) -> Answer:
        """Never called: it was sent from a loop."""
        raise NotImplementedError

    def run_async(self) -> Awaitable[Answer]:
        """Wait on the loop."""
        return self._future

    def abandon(self) -> None:
        """Leave its answer to the connection."""


class _Immediately:
    """An awaitable of what is there already."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        return self._value
        yield


#: The answer to a request that couldn't be sent.
NOTHING = _Immediately(None)
