"""The driver contract's methods for operations: ping and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.contract.rows_argument import dicts_argument
from coodie.exceptions import ConnectionFailedError, CoodieError, RequestTimeoutError, UnsupportedError
from coodie.observers.connections import DriverIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coodie.observers.stats import DriverStats

__all__ = ["Operations"]

_PING = "SELECT release_version FROM system.local WHERE key = 'local'"

#: Seconds that a readiness probe waits for the server; probes of Kubernetes wait one by default.
_READY = 0.8


class Operations:
    """The methods of ``AbstractDriver`` for operations, based on ``execute`` and ``execute_async``."""

    #: The driver's identity in events; set by coodie-core.
    _identity: DriverIdentity = DriverIdentity()

    execute: Any
    execute_async: Any

    def ping(self, *, timeout: float | None = None) -> bool:
        """Return whether the server responds.

        Args:
            timeout: The timeout in seconds; None for the connection's default.

        Returns:
            True after a round trip; False if no host can be reached, or none responds in time.

        Raises:
            CoodieError: Any other failure, such as a closed driver or missing permissions.
        """
        try:
            self.execute(_PING, [], timeout=timeout, **dicts_argument(self))
        except (ConnectionFailedError, RequestTimeoutError):
            return False
        return True

    async def ping_async(self, *, timeout: float | None = None) -> bool:
        """Async version of :meth:`ping`."""
        try:
            await self.execute_async(_PING, [], timeout=timeout, **dicts_argument(self))
        except (ConnectionFailedError, RequestTimeoutError):
            return False
        return True

    def is_live(self) -> bool:
        """Tell whether the driver may serve requests, now or later: for a liveness probe.

        It asks no server and never blocks. False means that only a new driver helps: this one has been
        closed, or is a fork's. A driver that can't tell says True.
        """
        return not getattr(self, "closed", False)

    def is_ready(self, *, timeout: float = _READY) -> bool:
        """Tell whether a request sent now would be answered: for a readiness probe. It raises nothing.

        Args:
            timeout: Seconds to wait for the server's answer.
        """
        try:
            return self.is_live() and self.ping(timeout=timeout)
        except CoodieError:
            return False

    async def is_ready_async(self, *, timeout: float = _READY) -> bool:
        """Async version of :meth:`is_ready`."""
        try:
            return self.is_live() and await self.ping_async(timeout=timeout)
        except CoodieError:
            return False

    def warm(
        self, statements: Iterable[str] = (), *, connections: int = 1, timeout: float | None = None
    ) -> None:
        """Open connections and prepare statements before the first request needs them.

        Args:
            statements: The CQL texts that will be executed.
            connections: The threads that will send requests at the same time.
            timeout: Seconds for all.

        Raises:
            UnsupportedError: This driver can't do it.
        """
        del statements, connections, timeout
        raise self._cannot_warm()

    async def warm_async(self, statements: Iterable[str] = (), *, timeout: float | None = None) -> None:
        """Async version of :meth:`warm`, for the running event loop."""
        del statements, timeout
        raise self._cannot_warm()

    def _cannot_warm(self) -> UnsupportedError:
        message = f"{type(self).__name__} can't be warmed up."
        return UnsupportedError(message, hint="Leave it out: its first request does it.", feature="warm")

    def stats(self) -> DriverStats:
        """Return the driver's statistics, without a request to the server; never blocks.

        Drivers that don't support statistics return only their name and type.
        """
        from coodie.observers.stats import DriverStats  # used by few programs

        return DriverStats(driver_name=self._identity.name, driver_type=self._identity.driver_type)
