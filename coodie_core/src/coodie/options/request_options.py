"""What one request may be told beside its statement and parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.options.declarations import OPTIONS
from coodie.options.valuetypes import check_value

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RequestOptions"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestOptions:
    """How one request is to be carried out; the defaults change nothing.

    Args:
        idempotent: Applying the request twice is the same as applying it once. Only then is it
            sent again after a failure under which it may have been applied, and only then does
            speculative execution fire.
        serial_consistency: ``"SERIAL"`` or ``"LOCAL_SERIAL"``, for lightweight transactions.
        trace: Have the server trace the request; the id is ``Rows.trace_id``.
        custom_payload: Name → bytes, handed to the server's query handler.
        retry_policy: ``"default"``, ``"never"``, ``"backoff"``, or a retry policy of the backend's, for
            this request alone. It's asked only where sending again is safe.
        speculative_execution_policy: ``"0.1x2"`` (after 0.1 s without an answer ask another host, two
            at most), or a policy of the backend's, for this request alone; needs ``idempotent=True``.
        profile: The name of a request profile of the connection's, for what isn't given here.

    Raises:
        ConfigurationError: A value is of the wrong kind, or two contradict each other.
    """

    idempotent: bool = False
    serial_consistency: str | None = None
    trace: bool = False
    custom_payload: Mapping[str, bytes] | None = None
    retry_policy: Any = None
    speculative_execution_policy: Any = None
    profile: str | None = None

    def __post_init__(self) -> None:
        """Validate once, here, so that no driver has to."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is not None or entry.default is not None:
                checked = check_value(entry.name, OPTIONS[entry.name].type, value)
                object.__setattr__(self, entry.name, checked)
        # A profile may say that the request is idempotent: then this is looked at where it is known.
        if self.speculative_execution_policy is not None and not self.idempotent and self.profile is None:
            message = "speculative_execution_policy= for a request that isn't idempotent."
            hint = "Speculation may apply a request twice: add idempotent=True where that does no harm."
            raise ConfigurationError(message, hint=hint, option="speculative_execution_policy")
