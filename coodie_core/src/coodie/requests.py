"""What one request may ask for beside its statement and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from coodie.consistency import parse_consistency
from coodie.exceptions import ConfigurationError

__all__ = ["BatchType", "Params", "RequestOptions", "check_options", "check_timeout", "parse_batch_type"]

#: Seconds beyond which clocks and locks overflow: nobody waits a year.
_LONGEST = 365 * 86_400

#: Values for ``?`` in order, or for ``:name`` by name.
Params = Sequence[Any] | Mapping[str, Any]


class BatchType(str, Enum):
    """The kinds of batch that CQL knows (CQL reference, "BATCH")."""

    #: All or nothing across partitions, at the price of a batch log.
    LOGGED = "LOGGED"
    #: Several writes in one message; atomic within one partition alone.
    UNLOGGED = "UNLOGGED"
    #: Counter updates; never safe to repeat.
    COUNTER = "COUNTER"


def parse_batch_type(batch_type: BatchType | str) -> BatchType:
    """Return the BatchType of that name, in any case.

    Raises:
        ConfigurationError: It isn't the name of one.
    """
    try:
        return BatchType(batch_type.upper())
    except (ValueError, AttributeError):
        names = ", ".join(kind.value for kind in BatchType)
        message = f"batch_type={batch_type!r} is not a kind of batch."
        raise ConfigurationError(message, hint=f"Give one of {names}.", option="batch_type") from None


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
        retry_policy: A retry policy of the backend, for this request alone. It's asked only where
            sending again is safe.
        speculative_execution_policy: A speculative execution policy of the backend, for this
            request alone; needs ``idempotent=True``.

    Raises:
        ConfigurationError: A value is of the wrong kind, or two contradict each other.
    """

    idempotent: bool = False
    serial_consistency: str | None = None
    trace: bool = False
    custom_payload: Mapping[str, bytes] | None = None
    retry_policy: Any = None
    speculative_execution_policy: Any = None

    def __post_init__(self) -> None:
        """Validate once, here, so that no driver has to."""
        for name in ("idempotent", "trace"):
            if not isinstance(getattr(self, name), bool):
                message = f"RequestOptions.{name} is {getattr(self, name)!r}."
                raise ConfigurationError(message, hint="Give True or False.", option=name)
        if self.serial_consistency is not None:
            level = parse_consistency(self.serial_consistency, option="serial_consistency", serial=True)
            object.__setattr__(self, "serial_consistency", level)
        payload = self.custom_payload
        if payload is not None and not (
            isinstance(payload, Mapping)
            and all(isinstance(key, str) and isinstance(value, bytes) for key, value in payload.items())
        ):
            message = "RequestOptions.custom_payload is not a mapping of str to bytes."
            raise ConfigurationError(message, hint="Give {'name': b'value'}.", option="custom_payload")
        if self.speculative_execution_policy is not None and not self.idempotent:
            message = "RequestOptions has a speculative_execution_policy, but isn't idempotent."
            hint = "Speculation may apply a request twice: add idempotent=True where that does no harm."
            raise ConfigurationError(message, hint=hint, option="speculative_execution_policy")


def check_options(options: RequestOptions | None) -> None:
    """Refuse what isn't a RequestOptions.

    Raises:
        ConfigurationError: It is something else.
    """
    if options is not None and not isinstance(options, RequestOptions):
        message = f"options is of type {type(options).__name__}."
        raise ConfigurationError(message, hint="Give a coodie.RequestOptions.", option="options")


def check_timeout(timeout: float | None, option: str = "timeout") -> float | None:
    """Return the seconds, or refuse what isn't a time to wait.

    Args:
        timeout: Seconds, or None for the default.
        option: The argument's name, for the error.

    Raises:
        ConfigurationError: It isn't a positive number, of a year at most.
    """
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not 0 < timeout <= _LONGEST:
        message = f"{option}={timeout!r} is not a positive number of seconds, of a year at most."
        raise ConfigurationError(message, hint="Leave it out for the default.", option=option)
    return timeout
