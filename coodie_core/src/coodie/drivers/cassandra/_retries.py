"""Send a request again only where it can't have been applied, or where that does no harm."""

from __future__ import annotations

from typing import Any

from cassandra.policies import RetryPolicy
from cassandra.protocol import IsBootstrappingErrorMessage

__all__ = ["SafeRetryPolicy", "delay_of"]


def delay_of(decision: Any) -> float:
    """Return the seconds that a policy's decision waits; those of older policies have no third value."""
    return float(decision[2] or 0) if len(decision) > 2 else 0.0  # noqa: PLR2004 - the third value


class SafeRetryPolicy(RetryPolicy):  # type: ignore[misc]  # the driver has no types
    """Ask another policy, but rethrow after a failure under which a write may have been applied.

    The drivers' own policies send a statement to the next host when a connection breaks or the
    coordinator fails, whether it was a write or not.

    A policy that waits before the next host is asked wants another attempt, not another host: where all
    have been asked, they are asked once more.

    Args:
        inner: The policy to ask where sending again is safe.
        repeatable: The request is a read, or the caller said that it is idempotent.
        conditional: It is a write with a condition.
        tried: How often the request was sent before, which counts for the other policy.
        pinned: It goes to one node alone. There is no next one then, and cassandra-driver 3.30 asks the
            same one again and again until the timeout.
    """

    def __init__(
        self,
        inner: RetryPolicy,
        *,
        repeatable: bool,
        conditional: bool = False,
        tried: int = 0,
        pinned: bool = False,
    ) -> None:
        self._inner = inner
        self._repeatable = repeatable
        self._conditional = conditional
        self._tried = tried
        self._pinned = pinned
        self._waits = False

    def starts_over(self) -> bool:
        """Tell, once for each wait, whether hosts that have been asked are to be asked again."""
        waits, self._waits = self._waits, False
        return waits

    def on_read_timeout(self, *args: Any, **kwargs: Any) -> Any:
        """A conditional write reads first, and times out as a read does."""
        if not self._repeatable:
            return self.RETHROW, None
        return self._possible(self._inner.on_read_timeout(*args, **self._counted(kwargs)))

    def on_write_timeout(self, *args: Any, **kwargs: Any) -> Any:
        """The write may have been applied."""
        if not self._repeatable:
            return self.RETHROW, None
        return self._possible(self._inner.on_write_timeout(*args, **self._counted(kwargs)))

    def on_unavailable(self, *args: Any, **kwargs: Any) -> Any:
        """The coordinator looks before it writes, but for a condition: that has been agreed on by then."""
        if self._conditional and not self._repeatable:
            return self.RETHROW, None
        return self._possible(self._inner.on_unavailable(*args, **self._counted(kwargs)))

    def on_request_error(self, *args: Any, **kwargs: Any) -> Any:
        """A lost connection or a failed coordinator may have applied it; one that still starts has not."""
        if self._repeatable or isinstance(kwargs.get("error"), IsBootstrappingErrorMessage):
            return self._possible(self._inner.on_request_error(*args, **self._counted(kwargs)))
        return self.RETHROW, None

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
