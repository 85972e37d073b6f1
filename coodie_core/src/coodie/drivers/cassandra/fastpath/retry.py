"""Retries of the fast path: decide on an error response, a lost connection or a timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from cassandra import OperationTimedOut
from cassandra.policies import RetryPolicy
from cassandra.protocol import (
    IsBootstrappingErrorMessage,
    OverloadedErrorMessage,
    PreparedQueryNotFound,
    ReadTimeoutErrorMessage,
    ServerError,
    TruncateError,
    UnavailableErrorMessage,
    WriteTimeoutErrorMessage,
)

from coodie.drivers.cassandra._errors import Fate, translate
from coodie.drivers.cassandra._retries import delay_of
from coodie.drivers.cassandra._server_errors import as_asked

if TYPE_CHECKING:
    from cassandra.pool import Host
    from cassandra.query import Statement

    from coodie.drivers.cassandra._retries import SafeRetryPolicy
    from coodie.drivers.cassandra._session import ExecutionSettings
    from coodie.observers.retryreason import RetryReason
    from coodie.protocol.error_codes import Write

__all__ = ["DriverRetry", "on_connection_lost", "on_error", "raise_translated", "timeout_error"]


#: Errors with a method of their own in retry policies.
_ASKED = (
    (ReadTimeoutErrorMessage, "on_read_timeout"),
    (WriteTimeoutErrorMessage, "on_write_timeout"),
    (UnavailableErrorMessage, "on_unavailable"),
)

#: Errors that retry policies handle in ``on_request_error``.
_SHED = (OverloadedErrorMessage, IsBootstrappingErrorMessage, TruncateError, ServerError)


class DriverRetry(NamedTuple):
    """Hand the request to the driver: on the same host, on another one, or not at all.

    Attributes:
        attempts: The number of attempts so far, as a retry policy counts them.
        level: The code of the retry policy's consistency level; None for the request's own.
        host: The only node to use; None for the load-balancing policy's choice.
        excluded_host: A node not to use again.
        forgotten: The id of a prepared statement that the node no longer has; prepare it again first.
        ignored: The retry policy ignores the failure: return an empty result, and send nothing.
        delay: Seconds to wait before the retry.
        doubt: An earlier attempt may have been applied.
        reason: Why the request is retried; None if it wasn't sent.
        failed_host: The node of the failed attempt.
    """

    attempts: int = 0
    level: int | None = None
    host: Host | None = None
    excluded_host: Host | None = None
    forgotten: bytes | None = None
    ignored: bool = False
    delay: float = 0.0
    doubt: bool = False
    reason: RetryReason | None = None
    failed_host: Host | None = None


def on_error(
    message: Any,
    policy: SafeRetryPolicy,
    statement: Statement,
    level: int,
    host: Host,
    settings: ExecutionSettings,
) -> DriverRetry:
    """Decide on an error response, as the driver does.

    Args:
        message: The driver's message object.
        policy: The retry policy, which knows whether a retry is safe.
        statement: The driver's statement, for the policy.
        level: The consistency level's code.
        host: The node that sent the response.
        settings: The request's execution settings.

    Raises:
        CoodieError: There is no retry.
    """
    if isinstance(message, PreparedQueryNotFound):
        return DriverRetry(host=host, forgotten=message.info)
    message = as_asked(message)
    method = next((method for kind, method in _ASKED if isinstance(message, kind)), None)
    if method is not None:
        decision = getattr(policy, method)(statement, retry_num=0, **message.info)
    elif isinstance(message, _SHED):
        decision = policy.on_request_error(statement, level, error=message, retry_num=0)
    else:
        raise_translated(message, settings, policy.write, host)
    return _decided(decision, message, policy, host, settings)


def on_connection_lost(
    error: Exception,
    policy: SafeRetryPolicy,
    statement: Statement,
    level: int,
    host: Host,
    settings: ExecutionSettings,
) -> DriverRetry:
    """Decide on a connection that was lost before the response arrived, as the driver does.

    Raises:
        CoodieError: There is no retry.
    """
    decision = policy.on_request_error(statement, level, error=error, retry_num=0)
    return _decided(decision, error, policy, host, settings)


def timeout_error(settings: ExecutionSettings, host: Host | None) -> Exception:
    """Return the error of a request that timed out.

    Args:
        settings: The request's execution settings.
        host: The node that the request was sent to; None if it wasn't sent.
    """
    late = OperationTimedOut(last_host=host)
    return translate(late, settings.stmt, settings.timeout, Fate(settings.write, sent=host is not None))


def _decided(
    decision: Any, error: Any, policy: SafeRetryPolicy, host: Host, settings: ExecutionSettings
) -> DriverRetry:
    what, level = decision[:2]
    if what == RetryPolicy.RETHROW:
        raise_translated(error, settings, policy.write, host)
    if what == RetryPolicy.IGNORE:
        return DriverRetry(ignored=True)
    retry = DriverRetry(
        attempts=1,
        level=level,
        delay=delay_of(decision),
        doubt=policy.in_doubt,
        reason=policy.retries[-1] if policy.retries else None,
        failed_host=host,
    )
    if what == RetryPolicy.RETRY:
        return retry._replace(host=host)
    return retry._replace(excluded_host=host)


def raise_translated(
    error: Any, settings: ExecutionSettings, write: Write | None = None, host: Host | None = None
) -> NoReturn:
    """Raise coodie's error for the failure of a request that was sent.

    Args:
        error: The driver's exception or message object.
        settings: The request's execution settings.
        write: The kind of write; None for the one in the settings.
        host: The node that the request was sent to.
    """
    raised = error.to_exception() if hasattr(error, "to_exception") else error
    where = None if host is None else str(host.endpoint)
    fate = Fate(settings.write if write is None else write, sent=True, host=where)
    raise translate(raised, settings.stmt, fate=fate) from raised
