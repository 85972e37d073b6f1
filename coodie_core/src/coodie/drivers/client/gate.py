"""Which requests of a driver are under way, so that it can wait for them when it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from coodie.effects import Steps

__all__ = ["Gate"]

T = TypeVar("T")


class Gate:
    """Count the requests under way; safe from many threads."""

    def __init__(self) -> None:
        # A token of each; adding and discarding are atomic.
        self._requests: set[object] = set()

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return bool(self._requests)

    def pass_through(self, steps: Steps[T]) -> Steps[T]:
        """Drive the steps of a request, and count it until they end."""
        token = object()
        self._requests.add(token)
        try:
            return (yield from steps)
        finally:
            self._requests.discard(token)
