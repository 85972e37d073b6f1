"""A subclass of the driver's ``ResponseFuture``: unprepared statements, and schema changes."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra._retries import delay_of
from coodie.exceptions import RequestError
from coodie.waiting import start_thread

if TYPE_CHECKING:
    from cassandra.pool import Host

__all__ = ["ForgottenStatementError", "telling_future"]

logger = logging.getLogger("coodie.schema")


class ForgottenStatementError(RequestError):
    """A node no longer has a prepared statement, and hasn't executed it; internal to the package.

    Args:
        query_id: The statement's id.
        host: The node.
    """

    def __init__(self, query_id: bytes, host: Host) -> None:
        super().__init__(f"{host} no longer has the prepared statement.")
        self.query_id = query_id
        self.host = host


class _DelayedRetries:
    """A mixin for cassandra-driver's ``ResponseFuture``: the third value of a decision is a delay in seconds.

    scylla-driver implements this, cassandra-driver's decisions have two values.
    """

    session: Any
    _delay = 0.0

    def _handle_retry_decision(self, decision: Any, response: Any, host: Any) -> None:
        self._delay = delay_of(decision)
        super()._handle_retry_decision(decision[:2], response, host)  # type: ignore[misc]  # the driver's

    def _retry_task(self, *args: Any) -> None:
        """Send the request, which the driver does in another thread; after the delay, if there is one."""
        delay, self._delay = self._delay, 0.0
        if delay:
            self.session.cluster.scheduler.schedule(delay, self._retry_task, *args)
        else:
            super()._retry_task(*args)  # type: ignore[misc]  # as above


class _CountedErrors:
    """A mixin for ``ResponseFuture``: count error responses and lost connections, also if it is retried."""

    #: Counts an error of a node.
    count_error: Any = None

    def _set_result(self, host: Any, connection: Any, pool: Any, response: Any) -> None:
        if isinstance(response, Exception) and not isinstance(response, ForgottenStatementError):
            self.count_error(host)
        super()._set_result(host, connection, pool, response)  # type: ignore[misc]  # the driver's


@cache
def telling_future() -> Any:
    """Return a subclass of ``ResponseFuture`` with these differences.

    The retry policy gets an ERROR by its meaning, see ``as_asked``.

    An unprepared statement is an error. The drivers prepare it again and send the same bytes, even if the
    types of its bind markers have changed.

    A schema change that is pinned to a node, as those of ``sync_table``, completes as soon as the driver has
    read the changed schema. The drivers delay the response until all nodes agree, in one of two threads that
    also do this after each event, and beyond the request's timeout; ``sync_table`` waits for this itself. For
    any other schema change, the error is what ended the wait: the drivers report a missing response, or
    nothing.

    Retry policies may delay a retry with cassandra-driver, too, see ``_DelayedRetries``.

    Errors are counted for their nodes, see ``_CountedErrors``.
    """
    from cassandra import OperationTimedOut, policies
    from cassandra.cluster import ResponseFuture
    from cassandra.protocol import (
        RESULT_KIND_SCHEMA_CHANGE,
        RESULT_KIND_VOID,
        ErrorMessage,
        PreparedQueryNotFound,
        ResultMessage,
    )

    from coodie.drivers.cassandra._server_errors import as_asked

    has_delays = hasattr(policies, "ExponentialBackoffRetryPolicy")  # scylla-driver's
    delays = () if has_delays else (_DelayedRetries,)

    class TellingResponseFuture(*delays, _CountedErrors, ResponseFuture):  # type: ignore[misc]  # the drivers have no types
        _has_changed_schema = False

        def _set_final_exception(self, response: Any, *args: Any, **kwargs: Any) -> None:
            if self._has_changed_schema and isinstance(response, OperationTimedOut):
                response.has_changed_schema = True
            super()._set_final_exception(response, *args, **kwargs)

        def _set_result(self, host: Any, connection: Any, pool: Any, response: Any) -> None:
            if isinstance(response, PreparedQueryNotFound):
                response = ForgottenStatementError(response.info, host)
            elif isinstance(response, ErrorMessage):
                response = as_asked(response)
            is_change = isinstance(response, ResultMessage) and response.kind == RESULT_KIND_SCHEMA_CHANGE
            if not is_change or self._host is None:
                self._has_changed_schema = is_change
                super()._set_result(host, connection, pool, response)
                return
            deliver = super()._set_result

            def refresh() -> None:
                control, change = self.session.cluster.control_connection, response.schema_change_event
                try:
                    control._refresh_schema(connection, schema_agreement_wait=0, **change)  # noqa: SLF001 - its public way reads from another node
                except Exception as exc:  # noqa: BLE001 - the event of the same change refreshes it, too
                    logger.debug("The driver couldn't refresh the schema: %s", exc)
                response.kind = RESULT_KIND_VOID
                deliver(host, connection, pool, response)

            start_thread(refresh, "coodie-schema")

        def _handle_retry_decision(self, decision: Any, response: Any, host: Any) -> None:
            # The drivers note it afterwards, when a thread may have said that no host is left, but not why.
            self._errors[host] = response.to_exception() if hasattr(response, "to_exception") else response
            super()._handle_retry_decision(decision, response, host)

    return TellingResponseFuture
