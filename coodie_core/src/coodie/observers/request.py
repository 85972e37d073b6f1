"""What a driver hands to observers about a request; without observers it is one object that does nothing."""

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
    """What the next request is a part of, or stands for.

    Attributes:
        kind: The call that it belongs to.
        statements: A batch's statements, each with its parameters.
    """

    kind: RequestKind
    statements: Sequence[tuple[str, Any]] = ()


class ObservedRequest:
    """One request while it runs; what ``with observe_request(…) as request`` gives.

    Without observers it's one shared object that does nothing.
    """

    __slots__ = ()

    def __enter__(self) -> Self:
        """Tell that the request starts."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell that it has ended; an error goes on its way."""

    def add_page(self, rows: int, host: Host | None = None, warnings: Iterable[str] = ()) -> None:
        """Note that a page has come, the only one perhaps; an answer without rows is a page, too.

        Args:
            rows: How many rows are in it.
            host: The node that it came from, where the driver knows.
            warnings: The server's.
        """

    def tried(self, host: Host | None) -> None:
        """Note a node that was asked and gave no page."""

    def retried(self, reason: RetryReason, host: Host | None = None) -> None:
        """Notify observers that the request is retried.

        Args:
            reason: How the previous attempt failed.
            host: The node of the previous attempt; None if unknown.
        """


#: What a request is given that nobody observes.
UNOBSERVED = ObservedRequest()
