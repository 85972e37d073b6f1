"""What the author of a driver writes: the calls of one database client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from coodie.effects import Effect

if TYPE_CHECKING:
    from uuid import UUID

    from coodie.exceptions import CoodieError
    from coodie.observers.events import Host
    from coodie.options.request_options import RequestOptions

__all__ = ["Client", "ClientRequest", "Page", "StaleStatementError", "Steps"]

T = TypeVar("T")

#: A generator that yields what it waits for, is sent the answers, and returns the result. The driver runs
#: it in a thread or on an event loop, so that it is written once.
Steps = Generator[Effect, Any, T]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientRequest:
    """One request, or one page of it; every argument has been checked.

    Args:
        cql: The text to send, with ``?`` for each value.
        prepared: What ``Client.prepare`` returned for it; None for schema statements, TRUNCATE and the
            like, which are sent as text and have no values.
        values: The values, in the markers' order.
        consistency: The level's name in upper case, or None for the client's default.
        timeout: Seconds to wait for this page.
        page_size: Rows to a page.
        paging_state: The server's opaque bytes, or None for the first page.
        repeatable: Sending it twice does no harm: a read, or what the caller said is idempotent. Anything
            else is never to be sent again by itself.
        options: What else the caller asked for, as far as the driver declares it.
    """

    cql: str
    prepared: Any
    values: tuple[Any, ...] = field(repr=False)
    consistency: str | None
    timeout: float
    page_size: int
    paging_state: bytes | None
    repeatable: bool
    options: RequestOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What came back for one request.

    Args:
        rows: Plain dicts, each the caller's own.
        paging_state: The server's opaque bytes, or None where there is nothing more.
        warnings: The server's warnings.
        trace_id: The trace session's id, where the request was traced.
        host: The node that coordinated it, for observers; None where the client doesn't tell.
    """

    rows: list[dict[str, Any]]
    paging_state: bytes | None = None
    warnings: tuple[str, ...] = ()
    trace_id: UUID | None = None
    host: Host | None = None


class StaleStatementError(Exception):
    """Raised by ``Client.send``: the server doesn't take this prepared statement any more.

    Nothing was done; the driver prepares the statement anew and sends it once more.
    """


class Client(ABC):
    """One connected database client, for a ``ClientDriver``.

    The methods are generators that yield *effects*, the things they wait for, and get the answers as
    the values of ``yield``: ``Blocking(call)`` for a client that blocks, ``coodie.waiting.Wait(future)``
    for a ``concurrent.futures.Future``, ``coodie.effects.Call(target, "name")`` for methods with a twin
    ``name_async``, ``DriverCall`` for another driver of coodie's, or any object with ``run()`` and
    ``run_async()``. Any number of threads and tasks
    call them at once.
    """

    @abstractmethod
    def prepare(self, cql: str, timeout: float) -> Steps[Any]:
        """Have the server prepare a statement.

        Args:
            cql: Its text, with ``?`` for each value.
            timeout: Seconds to wait.

        Returns:
            Whatever ``send`` needs for it.
        """

    @abstractmethod
    def send(self, request: ClientRequest) -> Steps[Page]:
        """Send a request and read its answer.

        Raises:
            StaleStatementError: The statement has to be prepared anew.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnect, end the requests under way, and the client's threads.

        May block; is called once, in a thread of its own.
        """

    @abstractmethod
    def error(self, raised: Exception, stmt: str, timeout: float) -> CoodieError:
        """Return the error of ``coodie.exceptions`` for what the client raised.

        Called for whatever ``prepare`` and ``send`` let through that isn't one already; *raised* becomes
        its cause.

        Args:
            raised: The client's exception.
            stmt: The caller's CQL text, for the error's ``statement``.
            timeout: The seconds that the request was given.
        """
