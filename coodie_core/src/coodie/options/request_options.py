"""The options of one request, besides its statement and parameters."""

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
    """Options of one request.

    Args:
        idempotent: Applying the request twice has the same effect as once. Required for retries after a
            failure if the request may have been applied, and for speculative execution.
        serial_consistency: ``"SERIAL"`` or ``"LOCAL_SERIAL"``, for lightweight transactions.
        trace: Let the server trace the request; ``Rows.trace_id`` is the id.
        custom_payload: Bytes by name, for the server's query handler.
        retry_policy: ``"default"``, ``"never"``, ``"backoff"``, or a policy object of the backend's driver.
            It is only used if a retry is safe.
        speculative_execution_policy: ``"0.1x2"`` (after 0.1 s without a response, send the request to another
            host, up to two), or a policy object of the backend's driver; needs ``idempotent=True``.
        routing_token: Send the request to a replica of this token first; for statements without a partition
            key, such as ``WHERE token(key) > ? AND token(key) <= ?``.
        profile: The name of a request profile of the connection, with defaults for these options.
        rows: The shape of the rows: ``dict``, ``tuple``, ``"scalar"``, a class or another callable that takes
            the columns by name. The argument ``rows`` of a method overrides it.
        node: The only node that may serve the request, as for virtual tables: its address, ``address:port``
            or host id.
        timestamp: The write timestamp in microseconds since 1970, instead of the session's. ``USING
            TIMESTAMP`` in the statement takes precedence. An error for reads, and for lightweight
            transactions and counters, also in a batch: the server ignores it for these.
        keyspace: The keyspace of unqualified table names in the statement.
        total_timeout: The timeout in seconds of the whole result, with all pages, retries and preparing; of a
            ``stream``, from its first row to its last.

    Raises:
        ConfigurationError: A value is invalid, or options are contradictory.
    """

    idempotent: bool = False
    serial_consistency: str | None = None
    trace: bool = False
    custom_payload: Mapping[str, bytes] | None = None
    retry_policy: Any = None
    speculative_execution_policy: Any = None
    routing_token: int | None = None
    profile: str | None = None
    rows: Any = None
    node: str | None = None
    timestamp: int | None = None
    keyspace: str | None = None
    total_timeout: float | None = None

    def __post_init__(self) -> None:
        """Validate the options, so that drivers needn't."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is not None or entry.default is not None:
                checked = check_value(entry.name, OPTIONS[entry.name].type, value)
                object.__setattr__(self, entry.name, checked)
        # A profile may set idempotent: then this is validated when the profile is applied.
        if self.speculative_execution_policy is not None and not self.idempotent and self.profile is None:
            message = "speculative_execution_policy= needs an idempotent request."
            hint = "It may be applied twice: add idempotent=True if that is safe."
            raise ConfigurationError(message, hint=hint, option="speculative_execution_policy")
