"""What a backend may be able to do beyond reading and writing rows, by name."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError, UnsupportedError

if TYPE_CHECKING:
    from coodie.requests import RequestOptions
    from coodie.schema.syncoptions import SyncOptions

__all__ = ["Capability", "check_request", "refuse_option", "require"]


class Capability(str, Enum):
    """One ability that a backend has or lacks; declared by its driver class and its plug-in.

    What every backend must do (executing, binding, all rows without a fetch_size, errors of the
    tree) is no capability.
    """

    #: One page at a time: ``fetch_size``, ``paging_state``, ``stream`` in constant memory.
    PAGING = "paging"
    #: ``execute_batch`` as one atomic request.
    BATCHES = "batches"
    #: Lightweight transactions: ``[applied]`` and ``serial_consistency``.
    LIGHTWEIGHT_TRANSACTIONS = "lightweight transactions"
    #: A consistency level for each request.
    CONSISTENCY = "consistency"
    #: ``coodie.UNSET`` as a parameter.
    UNSET_VALUES = "unset values"
    #: ``RequestOptions.trace``.
    TRACING = "tracing"
    #: ``RequestOptions.custom_payload``.
    CUSTOM_PAYLOAD = "custom payload"
    #: ``RequestOptions.retry_policy``.
    RETRY_POLICY = "retry policy"
    #: ``speculative_execution_policy``, for a connection or a request.
    SPECULATIVE_EXECUTION = "speculative execution"
    #: ``compression`` of frames.
    COMPRESSION = "compression"
    #: ``protocol_version`` can be chosen.
    PROTOCOL_VERSION = "protocol version"
    #: ``ssl_context`` and the ``ssl_…`` options.
    TLS = "TLS"
    #: ``username`` and ``password``.
    AUTHENTICATION = "authentication"
    #: A connected ``session`` of the caller's.
    SESSION = "session"
    #: ``sync_table``.
    SCHEMA_SYNC = "schema sync"
    #: Tables that are materialized views can be read.
    MATERIALIZED_VIEWS = "materialized views"
    #: Columns of type ``vector``.
    VECTORS = "vectors"
    #: Columns of user-defined types.
    USER_DEFINED_TYPES = "user-defined types"
    #: Async methods use no thread.
    NATIVE_ASYNC = "native async"

    def __str__(self) -> str:
        return self.value


#: What an option of one request takes.
_OF_REQUESTS = {
    "serial_consistency": Capability.LIGHTWEIGHT_TRANSACTIONS,
    "trace": Capability.TRACING,
    "custom_payload": Capability.CUSTOM_PAYLOAD,
    "retry_policy": Capability.RETRY_POLICY,
    "speculative_execution_policy": Capability.SPECULATIVE_EXECUTION,
}


def check_request(
    have: frozenset[Capability],
    who: str,
    *,
    consistency: str | None = None,
    fetch_size: int | None = None,
    paging_state: bytes | None = None,
    options: RequestOptions | SyncOptions | None = None,
) -> None:
    """Refuse what a request asks of a driver that can't do it.

    Args:
        have: What the driver declares.
        who: How to call it: ``"driver_type='acme'"``, or its class.
        consistency: As given to ``execute``, like the others.
        fetch_size: As above.
        paging_state: As above.
        options: As above.

    Raises:
        UnsupportedError: It names the option, the driver, and the backends that can.
    """
    if consistency is not None:
        require(have, Capability.CONSISTENCY, "consistency", who)
    if fetch_size is not None:
        require(have, Capability.PAGING, "fetch_size", who)
    if paging_state is not None:
        require(have, Capability.PAGING, "paging_state", who)
    if options is None:
        return
    for name, need in _OF_REQUESTS.items():
        if getattr(options, name, None):
            require(have, need, f"RequestOptions.{name}", who)


def require(have: frozenset[Capability], need: Capability, asked: str, who: str) -> None:
    """Refuse one thing unless a driver can do it.

    Args:
        have: What the driver declares.
        need: What is needed.
        asked: What was asked for, as the caller wrote it.
        who: As in ``check_request``.

    Raises:
        UnsupportedError: It isn't declared.
    """
    if need not in have:
        raise UnsupportedError(**_refusal(need, asked, who), feature=need.value)


def refuse_option(need: Capability, option: str, asked: str, who: str) -> ConfigurationError:
    """Return the error for an option of connecting that takes what the backend can't do."""
    return ConfigurationError(**_refusal(need, asked, who), option=option)


def _refusal(need: Capability, asked: str, who: str) -> dict[str, Any]:
    from coodie.registry import backends_with  # which knows of what is installed

    able = backends_with(need)
    hint = f"Leave it out, or use one that can: {', '.join(able)}." if able else "Leave it out."
    return {
        "message": f"{who} has no {need.value}, so that {asked} can't be honoured.",
        "hint": hint,
        "alternatives": able,
    }
