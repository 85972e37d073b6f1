"""``DriverLike``: what an object needs to be registered as a driver."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["DRIVER_METHODS", "DriverLike", "missing_methods"]

#: The methods of ``DriverLike``, which are the abstract ones of ``AbstractDriver``.
DRIVER_METHODS = ("execute", "execute_async", "sync_table", "sync_table_async", "close", "close_async")


class DriverLike(Protocol):
    """An object with the six abstract methods of ``AbstractDriver``, of which it needn't be a subclass."""

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Execute a statement and return its rows."""

    def execute_async(self, *args: Any, **kwargs: Any) -> Any:
        """Async version of :meth:`execute`."""

    def sync_table(self, *args: Any, **kwargs: Any) -> Any:
        """Create or alter a table and return the executed statements."""

    def sync_table_async(self, *args: Any, **kwargs: Any) -> Any:
        """Async version of :meth:`sync_table`."""

    def close(self) -> Any:
        """Close the driver."""

    def close_async(self) -> Any:
        """Async version of :meth:`close`."""


def missing_methods(driver: object) -> tuple[str, ...]:
    """Return the names of the missing methods of a driver."""
    return tuple(name for name in DRIVER_METHODS if not callable(getattr(driver, name, None)))
