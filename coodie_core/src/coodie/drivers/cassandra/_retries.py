"""Safe retries: only requests that are idempotent, or can't have been applied."""

from __future__ import annotations

from typing import Any

from cassandra.connection import ConnectionException
from cassandra.policies import RetryPolicy

from coodie._points import point
from coodie.drivers.cassandra._server_errors import server_error
from coodie.observers.retryreason import RetryReason
from coodie.protocol.error_codes import ErrorCode, Write, meaning

__all__ = ["SafeRetryPolicy", "delay_of"]

#: Error codes with a specific reason; all others are SERVER_ERROR.
_REASONS: dict[int, RetryReason] = {
    ErrorCode.OVERLOADED: RetryReason.OVERLOADED,
    ErrorCode.IS_BOOTSTRAPPING: RetryReason.BOOTSTRAPPING,
}


def delay_of(decision: Any) -> float:
    """Return a decision's delay in seconds; decisions of older policies have no third value."""
    return float(decision[2] or 0) if len(decision) > 2 else 0.0  # noqa: PLR2004 - the third value


class SafeRetryPolicy(RetryPolicy):  # type: ignore[misc]  # the driver has no types
    """A retry policy that wraps another one, and rethrows if a write may have been applied.

    The drivers' policies retry on the next host if a connection is lost or the coordinator fails, for reads
    and writes alike. ``protocol.error_codes`` defines the failures after which a write may have been applied.
    The policy records the retries that it allows, for the request's final error.

    If the other policy returns a delay with a retry and no other host is left, ``_session`` tries all hosts
    again, and waits until the driver has connected to one.

    Args:
        inner: The policy that decides if a retry is safe.
        repeatable: The request is idempotent: a read, or the caller said so.
        write: The kind of write.
        attempts: The number of earlier attempts, which count for the other policy.
        pinned: The request is for one node only, so that there is no next host; cassandra-driver 3.30 would
            retry on the same node until the timeout.
    """

    def __init__(
        self,
        inner: RetryPolicy,
        *,
        repeatable: bool,
        write: Write,
        attempts: int = 0,
        pinned: bool = False,
    ) -> None:
        self._inner = inner
        self._repeatable = repeatable
        #: The kind of write.
        self.write = write
        self._attempts = attempts
        self._pinned = pinned
        #: Whether the last retry has a delay.
        self.is_delayed = False
        #: The consistency level's code of the last retry; None for the request's own.
        self.level: int | None = None
        #: Whether an attempt may have been applied, and was retried.
        self.in_doubt = False
        #: Whether the connection of an attempt was lost, and it was retried.
        self.has_lost = False
        #: The number of failed attempts.
        self.failed_attempts = 0
        #: The reasons of the retries, in order.
        self.retries: list[RetryReason] = []

    def waits_for_connection(self, statement: Any, level: Any) -> bool:
        """Return whether a request that wasn't sent waits for a connection: the other policy has delays."""
        if self.is_delayed:
            return True
        error = ConnectionException("No host has a connection.")
        decision = self._inner.on_request_error(statement, level, error=error, retry_num=self._attempts)
        return decision[0] in (self.RETRY, self.RETRY_NEXT_HOST) and delay_of(decision) > 0

    def on_read_timeout(self, *args: Any, **kwargs: Any) -> Any:
        """Decide on a read timeout; a conditional write reads, too, and may have been applied."""
        doubtful = self._is_doubtful(ErrorCode.READ_TIMEOUT)
        return self._noted(
            RetryReason.READ_TIMEOUT, self._decided("on_read_timeout", args, kwargs, doubtful=doubtful)
        )

    def on_write_timeout(self, *args: Any, **kwargs: Any) -> Any:
        """Decide on a write timeout; the write may have been applied."""
        doubtful = self._is_doubtful(ErrorCode.WRITE_TIMEOUT)
        return self._noted(
            RetryReason.WRITE_TIMEOUT, self._decided("on_write_timeout", args, kwargs, doubtful=doubtful)
        )

    def on_unavailable(self, *args: Any, **kwargs: Any) -> Any:
        """Decide on an unavailable error; a conditional or partial write may have been applied."""
        doubtful = self._is_doubtful(ErrorCode.UNAVAILABLE)
        return self._noted(
            RetryReason.UNAVAILABLE, self._decided("on_unavailable", args, kwargs, doubtful=doubtful)
        )

    def on_request_error(self, *args: Any, **kwargs: Any) -> Any:
        """Decide on a lost connection, after which a write may have been applied, or on an error code."""
        said = server_error(kwargs["error"])
        if said is None:
            decision = self._decided("on_request_error", args, kwargs, doubtful=self.write is not Write.NONE)
            self.has_lost |= decision[0] != self.RETHROW
            return self._noted(RetryReason.CONNECTION_LOST, decision)
        if said.code == ErrorCode.RATE_LIMIT_ERROR and type(self._inner) is RetryPolicy:
            # The drivers' default retries on another node at once, but the limit is the partition's.
            self.failed_attempts += 1
            return self.RETHROW, None
        doubtful = meaning(said.code).may_have_been_applied(self.write, said.details)
        return self._noted(
            _REASONS.get(said.code, RetryReason.SERVER_ERROR),
            self._decided("on_request_error", args, kwargs, doubtful=doubtful),
        )

    def _noted(self, reason: RetryReason, decision: Any) -> Any:
        """Record the reason if the decision is to retry."""
        if decision[0] in (self.RETRY, self.RETRY_NEXT_HOST):
            self.retries.append(reason)
        return decision

    def _is_doubtful(self, code: int) -> bool:
        return meaning(code).may_have_been_applied(self.write, {})

    def _decided(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, doubtful: bool) -> Any:
        """Rethrow if a retry isn't safe; otherwise call the other policy."""
        self.failed_attempts += 1
        if doubtful and not self._repeatable:
            point("retry refused: the write isn't idempotent")
            return self.RETHROW, None
        decision = self._possible(getattr(self._inner, method)(*args, **self._counted(kwargs)))
        if doubtful and decision[0] != self.RETHROW:
            point("retry of a write that may have been applied")
            self.in_doubt = True
        return decision

    def _possible(self, decision: Any) -> Any:
        """Rethrow if the decision is an immediate retry on the next host and there is none."""
        self.is_delayed = decision[0] != self.RETHROW and delay_of(decision) > 0
        if decision[0] == self.RETRY_NEXT_HOST and self._pinned and not self.is_delayed:
            return self.RETHROW, None
        self.level = decision[1]
        return decision

    def _counted(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Add the earlier attempts to ``retry_num``, which both drivers pass by name."""
        if self._attempts and "retry_num" in arguments:
            return {**arguments, "retry_num": arguments["retry_num"] + self._attempts}
        return arguments
