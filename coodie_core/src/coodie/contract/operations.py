"""The driver contract's methods for operations: ping and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.contract.rows_argument import dicts_argument
from coodie.exceptions import ConnectionFailedError, RequestTimeoutError
from coodie.observers.connections import DriverIdentity

if TYPE_CHECKING:
    from coodie.observers.stats import DriverStats

__all__ = ["Operations"]

_PING = "SELECT release_version FROM system.local WHERE key = 'local'"


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

    def stats(self) -> DriverStats:
        """Return the driver's statistics, without a request to the server; never blocks.

        Drivers that don't support statistics return only their name and type.
        """
        from coodie.observers.stats import DriverStats  # used by few programs

        return DriverStats(driver_name=self._identity.name, driver_type=self._identity.driver_type)
