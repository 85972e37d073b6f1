"""What follows from an answer that isn't a result: an error of ours, or the driver's way once more."""

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
    from coodie.protocol.error_codes import Write

__all__ = ["DriverRetry", "on_connection_lost", "on_error", "raise_translated", "timeout_error"]


#: Errors that a retry policy has a method of its own for.
_ASKED = (
    (ReadTimeoutErrorMessage, "on_read_timeout"),
    (WriteTimeoutErrorMessage, "on_write_timeout"),
    (UnavailableErrorMessage, "on_unavailable"),
)

#: Errors for which it has one in common.
_SHED = (OverloadedErrorMessage, IsBootstrappingErrorMessage, TruncateError, ServerError)


class DriverRetry(NamedTuple):
    """Have the driver send the request.

    Attributes:
        tried: How often it was sent so far, as a retry policy counts.
        level: The consistency level's code that the retry policy wants; None for the request's own.
        host: The node that has to be asked; None for the load-balancing policy's choice.
        avoid: The node that isn't to be asked again.
        forgotten: The id of the statement that the node has forgotten: it is to be looked at again before.
        ignored: The retry policy ignores the failure: an empty result, and nothing is sent.
        delay: Seconds to wait before.
        doubt: What was sent so far may have been applied.
    """

    tried: int = 0
    level: int | None = None
    host: Host | None = None
    avoid: Host | None = None
    forgotten: bytes | None = None
    ignored: bool = False
    delay: float = 0.0
    doubt: bool = False


def on_error(
    message: Any,
    policy: SafeRetryPolicy,
    statement: Statement,
    level: int,
    host: Host,
    terms: ExecutionSettings,
) -> DriverRetry:
    """Decide on an ERROR of the server's, as the driver does.

    Args:
        message: The driver's object of it.
        policy: Tells whether to send again; it has to know where that is safe.
        statement: The driver's, for the policy.
        level: The consistency level's code.
        host: The node that sent it.
        terms: The terms on which the request was sent, for the error.

    Raises:
        CoodieError: Nothing is sent again.
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
        raise_translated(message, terms, policy.write, host)
    return _decided(decision, message, policy, host, terms)


def on_connection_lost(
    error: Exception,
    policy: SafeRetryPolicy,
    statement: Statement,
    level: int,
    host: Host,
    terms: ExecutionSettings,
) -> DriverRetry:
    """Decide on a connection that ended before the answer came, as the driver does.

    Raises:
        CoodieError: Nothing is sent again.
    """
    decision = policy.on_request_error(statement, level, error=error, retry_num=0)
    return _decided(decision, error, policy, host, terms)


def timeout_error(terms: ExecutionSettings, host: Host | None) -> Exception:
    """Return the error of a request that got no answer in time.

    Args:
        terms: The terms on which it was sent.
        host: The node that it was sent to; None where it wasn't sent.
    """
    late = OperationTimedOut(last_host=host)
    return translate(late, terms.stmt, terms.timeout, Fate(terms.write, sent=host is not None))


def _decided(
    decision: Any, error: Any, policy: SafeRetryPolicy, host: Host, terms: ExecutionSettings
) -> DriverRetry:
    what, level = decision[:2]
    if what == RetryPolicy.RETHROW:
        raise_translated(error, terms, policy.write, host)
    if what == RetryPolicy.IGNORE:
        return DriverRetry(ignored=True)
    if what == RetryPolicy.RETRY:
        return DriverRetry(tried=1, level=level, host=host, delay=delay_of(decision), doubt=policy.in_doubt)
    return DriverRetry(tried=1, level=level, avoid=host, delay=delay_of(decision), doubt=policy.in_doubt)


def raise_translated(
    error: Any, terms: ExecutionSettings, write: Write | None = None, host: Host | None = None
) -> NoReturn:
    """Raise the error of ours for a failure of a request that was sent.

    Args:
        error: The driver's.
        terms: The terms on which it was sent.
        write: What kind of write it counts as; None for that of the terms.
        host: The node that it was sent to.
    """
    raised = error.to_exception() if hasattr(error, "to_exception") else error
    where = None if host is None else str(host.endpoint)
    fate = Fate(terms.write if write is None else write, sent=True, host=where)
    raise translate(raised, terms.stmt, fate=fate) from raised
