"""Send a request again only where it can't have been applied, or where that does no harm."""

from __future__ import annotations

from typing import Any

from cassandra.policies import RetryPolicy

from coodie.drivers.cassandra._server_errors import server_error
from coodie.protocol.error_codes import ErrorCode, Write, meaning

__all__ = ["SafeRetryPolicy", "delay_of"]


def delay_of(decision: Any) -> float:
    """Return the seconds that a policy's decision waits; those of older policies have no third value."""
    return float(decision[2] or 0) if len(decision) > 2 else 0.0  # noqa: PLR2004 - the third value


class SafeRetryPolicy(RetryPolicy):  # type: ignore[misc]  # the driver has no types
    """Ask another policy, but rethrow after a failure under which a write may have been applied.

    The drivers' own policies send a statement to the next host when a connection breaks or the
    coordinator fails, whether it was a write or not. After which failures one may have been applied, the
    table of error codes says. What is let go on is remembered, for the error that the request may end with.

    A policy that waits before the next host is asked wants another attempt, not another host: where all
    have been asked, they are asked once more.

    Args:
        inner: The policy to ask where sending again is safe.
        repeatable: The request is a read, or the caller said that it is idempotent.
        write: What kind of write it is.
        tried: How often the request was sent before, which counts for the other policy.
        pinned: It goes to one node alone. There is no next one then, and cassandra-driver 3.30 asks the
            same one again and again until the timeout.
    """

    def __init__(
        self,
        inner: RetryPolicy,
        *,
        repeatable: bool,
        write: Write,
        tried: int = 0,
        pinned: bool = False,
    ) -> None:
        self._inner = inner
        self._repeatable = repeatable
        #: What kind of write it is.
        self.write = write
        self._tried = tried
        self._pinned = pinned
        self._waits = False
        #: An attempt may have been applied, and another one has followed.
        self.in_doubt = False
        #: An attempt was lost with its connection, and another one has followed.
        self.has_lost = False
        #: How many attempts have failed here.
        self.failed_attempts = 0

    def starts_over(self) -> bool:
        """Tell, once for each wait, whether hosts that have been asked are to be asked again."""
        waits, self._waits = self._waits, False
        return waits

    def on_read_timeout(self, *args: Any, **kwargs: Any) -> Any:
        """A conditional write reads, too, and what else it did isn't known."""
        doubtful = self._is_doubtful(ErrorCode.READ_TIMEOUT)
        return self._decided("on_read_timeout", args, kwargs, doubtful=doubtful)

    def on_write_timeout(self, *args: Any, **kwargs: Any) -> Any:
        """The write may have been applied."""
        doubtful = self._is_doubtful(ErrorCode.WRITE_TIMEOUT)
        return self._decided("on_write_timeout", args, kwargs, doubtful=doubtful)

    def on_unavailable(self, *args: Any, **kwargs: Any) -> Any:
        """The coordinator looks before it writes, but for a condition, and for a second partition."""
        doubtful = self._is_doubtful(ErrorCode.UNAVAILABLE)
        return self._decided("on_unavailable", args, kwargs, doubtful=doubtful)

    def on_request_error(self, *args: Any, **kwargs: Any) -> Any:
        """A lost connection may have applied it; of a coordinator's failure that depends on the code."""
        said = server_error(kwargs["error"])
        if said is None:
            decision = self._decided("on_request_error", args, kwargs, doubtful=self.write is not Write.NONE)
            self.has_lost |= decision[0] != self.RETHROW
            return decision
        if said.code == ErrorCode.RATE_LIMIT_ERROR and type(self._inner) is RetryPolicy:
            # The drivers' default asks another node at once, and it is the partition that has had too much.
            self.failed_attempts += 1
            return self.RETHROW, None
        doubtful = meaning(said.code).may_have_been_applied(self.write, said.details)
        return self._decided("on_request_error", args, kwargs, doubtful=doubtful)

    def _is_doubtful(self, code: int) -> bool:
        return meaning(code).may_have_been_applied(self.write, {})

    def _decided(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, doubtful: bool) -> Any:
        """Ask the other policy, unless the attempt may have been applied and mustn't be twice."""
        self.failed_attempts += 1
        if doubtful and not self._repeatable:
            return self.RETHROW, None
        decision = self._possible(getattr(self._inner, method)(*args, **self._counted(kwargs)))
        self.in_doubt |= doubtful and decision[0] != self.RETHROW
        return decision

    def _possible(self, decision: Any) -> Any:
        """Rethrow where the next node is to be asked at once and there is none."""
        if decision[0] == self.RETRY_NEXT_HOST:
            self._waits = delay_of(decision) > 0
            if self._pinned and not self._waits:
                return self.RETHROW, None
        return decision

    def _counted(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Count what was sent before; both drivers give ``retry_num`` by name."""
        if self._tried and "retry_num" in arguments:
            return {**arguments, "retry_num": arguments["retry_num"] + self._tried}
        return arguments
