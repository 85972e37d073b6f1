"""The interface between drivers and observed requests; without observers, an object that does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from coodie.observers.events import Host
    from coodie.observers.requestkind import RequestKind
    from coodie.observers.retryreason import RetryReason

__all__ = ["UNOBSERVED", "ObservedRequest", "Part"]


class Part(NamedTuple):
    """The call that the next request is a part of.

    Attributes:
        kind: The kind of the call.
        statements: A batch's statements, each with its parameters.
    """

    kind: RequestKind
    statements: Sequence[tuple[str, Any]] = ()


class ObservedRequest:
    """A request in progress; returned by ``with observe_request(…) as request``.

    Without observers, it is a shared object that does nothing.
    """

    __slots__ = ()

    def __enter__(self) -> Self:
        """Notify observers that the request starts."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Notify observers that it has ended; an error is raised further."""

    def add_page(self, rows: int, host: Host | None = None, warnings: Iterable[str] = ()) -> None:
        """Add a received page; a response without rows is a page, too.

        Args:
            rows: The number of its rows.
            host: The node that sent it, if the driver knows it.
            warnings: The server's.
        """

    def tried(self, host: Host | None) -> None:
        """Store the node of an attempt that returned no page."""

    def retried(self, reason: RetryReason, host: Host | None = None) -> None:
        """Notify observers that the request is retried.

        Args:
            reason: How the previous attempt failed.
            host: The node of the previous attempt; None if unknown.
        """


#: The request of drivers without observers.
UNOBSERVED = ObservedRequest()
