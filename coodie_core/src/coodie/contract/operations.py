"""The driver contract's methods for operations: ping, probes, warming up, traces and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.contract.rows_argument import dicts_argument
from coodie.effects import run_async, run_sync
from coodie.exceptions import ConnectionFailedError, CoodieError, RequestTimeoutError, UnsupportedError
from coodie.observers.connections import DriverIdentity
from coodie.requests import check_timeout

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from coodie.contract.traces import Trace
    from coodie.observers.stats import DriverStats

__all__ = ["PROBE", "Operations"]

#: The statement of ``ping`` and ``is_ready``.
PROBE = "SELECT release_version FROM system.local WHERE key = 'local'"

#: The default timeout of ``is_ready`` in seconds; the default of Kubernetes' probes is one second.
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
            self._probe(timeout)
        except (ConnectionFailedError, RequestTimeoutError):
            return False
        return True

    async def ping_async(self, *, timeout: float | None = None) -> bool:
        """Async version of :meth:`ping`."""
        try:
            await self._probe_async(timeout)
        except (ConnectionFailedError, RequestTimeoutError):
            return False
        return True

    def _probe(self, timeout: float | None) -> None:
        """Send the request of ``ping``; a driver that limits its requests sends it beside them."""
        self.execute(PROBE, [], timeout=timeout, **dicts_argument(self))

    async def _probe_async(self, timeout: float | None) -> None:
        """Async version of ``_probe``."""
        await self.execute_async(PROBE, [], timeout=timeout, **dicts_argument(self))

    def is_live(self) -> bool:
        """Return whether the driver can serve requests now or later, for a liveness probe.

        Sends no request and never blocks. False means that a new driver is required: this one was closed, or
        was opened before a fork. The default for drivers that can't detect this is True.
        """
        return not getattr(self, "closed", False)

    def is_ready(self, *, timeout: float = _READY) -> bool:
        """Return whether the server responds now, for a readiness probe; False after any ``CoodieError``.

        Limits of the driver's requests, such as ``max_in_flight``, don't apply to this request.

        Args:
            timeout: The timeout in seconds.

        Raises:
            ConfigurationError: The timeout is invalid, so that the driver would never be ready.
        """
        check_timeout(timeout)
        try:
            return self.is_live() and self.ping(timeout=timeout)
        except CoodieError:
            return False

    async def is_ready_async(self, *, timeout: float = _READY) -> bool:
        """Async version of :meth:`is_ready`."""
        check_timeout(timeout)
        try:
            return self.is_live() and await self.ping_async(timeout=timeout)
        except CoodieError:
            return False

    def warm(
        self,
        statements: Iterable[str] = (),
        *,
        connections: int = 1,
        timeout: float | None = None,
        keyspace: str | None = None,
    ) -> None:
        """Open connections and prepare statements before the first request needs them.

        Args:
            statements: The CQL texts to prepare.
            connections: The number of threads that will send requests at the same time.
            timeout: The timeout in seconds, of all connections and statements.
            keyspace: The keyspace of unqualified table names in the statements.

        Raises:
            UnsupportedError: The driver doesn't support it.
        """
        del statements, connections, timeout, keyspace
        raise self._cannot_warm()

    async def warm_async(
        self, statements: Iterable[str] = (), *, timeout: float | None = None, keyspace: str | None = None
    ) -> None:
        """Async version of :meth:`warm`, for the running event loop."""
        del statements, timeout, keyspace
        raise self._cannot_warm()

    def _cannot_warm(self) -> UnsupportedError:
        message = f"{type(self).__name__} doesn't support warm()."
        hint = "Leave it out: the first requests connect and prepare."
        return UnsupportedError(message, hint=hint, feature="warm")

    def trace(self, trace_id: UUID, *, timeout: float | None = None) -> Trace:
        """Return the server's trace of a request; wait until the server has written it.

        Args:
            trace_id: ``Rows.trace_id`` of a request with ``RequestOptions(trace=True)``.
            timeout: The timeout in seconds; None for five.

        Raises:
            RequestTimeoutError: The server hasn't written the trace in time.
            CoodieError: As in ``execute``.
        """
        from coodie.contract.traces import fetch_trace  # used by few programs

        return run_sync(fetch_trace(self, trace_id, timeout))

    async def trace_async(self, trace_id: UUID, *, timeout: float | None = None) -> Trace:
        """Async version of :meth:`trace`."""
        from coodie.contract.traces import fetch_trace  # as above

        return await run_async(fetch_trace(self, trace_id, timeout))

    def stats(self) -> DriverStats:
        """Return the driver's statistics, without a request to the server; never blocks.

        Drivers that don't support statistics return only their name and type.
        """
        from coodie.observers.stats import DriverStats  # used by few programs

        return DriverStats(driver_name=self._identity.name, driver_type=self._identity.driver_type)
