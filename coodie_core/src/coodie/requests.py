"""What one request may ask for beside its statement and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from coodie.exceptions import ConfigurationError
from coodie.options import OPTIONS
from coodie.valuetypes import LONGEST, check_value

__all__ = ["BatchType", "Params", "RequestOptions", "check_options", "check_timeout", "parse_batch_type"]

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


def check_options(options: RequestOptions | None) -> None:
    """Refuse what isn't a RequestOptions, and one whose profile nobody has looked up.

    Raises:
        ConfigurationError: It is something else, or this driver knows no profiles.
    """
    if options is None:
        return
    if not isinstance(options, RequestOptions):
        message = f"options is of type {type(options).__name__}."
        raise ConfigurationError(message, hint="Give a coodie.RequestOptions.", option="options")
    if options.profile is not None:
        message = f"This driver was opened without request profiles, and {options.profile!r} was asked for."
        hint = "Give them where it is opened: init_coodie(profiles={…}), or [connections.NAME.profiles.…]."
        raise ConfigurationError(message, hint=hint, option="profile")


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
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not 0 < timeout <= LONGEST:
        message = f"{option}={timeout!r} is not a positive number of seconds, of a year at most."
        raise ConfigurationError(message, hint="Leave it out for the default.", option=option)
    return timeout
