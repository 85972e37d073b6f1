"""What follows from an answer that is no result: the retry policy is asked as the driver asks it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cassandra.connection import ConnectionShutdown
from cassandra.policies import RetryPolicy
from cassandra.protocol import (
    IsBootstrappingErrorMessage,
    OverloadedErrorMessage,
    PreparedQueryNotFound,
    ReadTimeoutErrorMessage,
    ServerError,
    SyntaxException,
    TruncateError,
    UnavailableErrorMessage,
    WriteTimeoutErrorMessage,
)

from coodie.cql import Kind
from coodie.drivers.cassandra._retries import SafeRetryPolicy
from coodie.drivers.cassandra._session import ExecutionSettings
from coodie.drivers.cassandra.fastpath.retry import (
    DriverRetry,
    on_connection_lost,
    on_error,
    raise_translated,
    timeout_error,
)
from coodie.exceptions import ConnectionLostError, RequestError, RequestTimeoutError
from coodie.observers.retryreason import RetryReason
from coodie.protocol.error_codes import Write

_STMT = "SELECT v FROM t"
_TERMS = ExecutionSettings(_STMT, Kind.READ, 5.0, repeatable=True, options=None)
_LEVEL = 6
_HOST: Any = SimpleNamespace(endpoint="192.0.2.1:9042")


class _Asked(RetryPolicy):  # type: ignore[misc]  # the driver has no types
    """Decides what it was made to, and notes what it was asked."""

    def __init__(self, *decision: Any) -> None:
        self._decision = decision
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def _note(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.asked.append((name, args, kwargs))
        return self._decision

    def on_read_timeout(self, *args: Any, **kwargs: Any) -> Any:
        return self._note("on_read_timeout", args, kwargs)

    def on_write_timeout(self, *args: Any, **kwargs: Any) -> Any:
        return self._note("on_write_timeout", args, kwargs)

    def on_unavailable(self, *args: Any, **kwargs: Any) -> Any:
        return self._note("on_unavailable", args, kwargs)

    def on_request_error(self, *args: Any, **kwargs: Any) -> Any:
        return self._note("on_request_error", args, kwargs)


_READ = {"consistency": 6, "received_responses": 1, "required_responses": 2, "data_retrieved": False}
_WRITE = {"consistency": 6, "received_responses": 1, "required_responses": 2, "write_type": 0}
_UNAVAILABLE = {"consistency": 6, "required_replicas": 2, "alive_replicas": 1}

#: Errors with numbers in them, and the method that is asked.
_COUNTED: list[tuple[Any, dict[str, Any], str]] = [
    (ReadTimeoutErrorMessage(0x1200, "m", _READ), _READ, "on_read_timeout"),
    (WriteTimeoutErrorMessage(0x1100, "m", _WRITE), _WRITE, "on_write_timeout"),
    (UnavailableErrorMessage(0x1000, "m", _UNAVAILABLE), _UNAVAILABLE, "on_unavailable"),
]
_OTHERS: list[Any] = [
    OverloadedErrorMessage(0x1001, "m", None),
    IsBootstrappingErrorMessage(0x1002, "m", None),
    TruncateError(0x1003, "m", None),
    ServerError(0x0000, "m", None),
]
_ERRORS = [message for message, *_ in _COUNTED] + _OTHERS

#: Why each of them is retried.
_REASONS = [
    RetryReason.READ_TIMEOUT,
    RetryReason.WRITE_TIMEOUT,
    RetryReason.UNAVAILABLE,
    RetryReason.OVERLOADED,
    RetryReason.BOOTSTRAPPING,
    RetryReason.SERVER_ERROR,
    RetryReason.SERVER_ERROR,
]


def _named(value: Any) -> str | None:
    return type(value).__name__ if hasattr(value, "code") else None


def _decide(message: Any, policy: Any) -> DriverRetry:
    statement: Any = "the statement"
    return on_error(message, _safe(policy), statement, _LEVEL, _HOST, _TERMS)


def _safe(policy: Any) -> SafeRetryPolicy:
    if isinstance(policy, SafeRetryPolicy):
        return policy
    return SafeRetryPolicy(policy, repeatable=True, write=Write.NONE)


@pytest.mark.parametrize(("message", "info", "method"), _COUNTED, ids=_named)
def test_policies_are_told_what_the_server_said(message: Any, info: dict[str, Any], method: str) -> None:
    """Each kind of failure has a method of its own, which gets the numbers by name, and no try before."""
    policy = _Asked(RetryPolicy.RETRY, 4)
    _decide(message, policy)
    assert policy.asked == [(method, ("the statement",), {"retry_num": 0, **info})]


@pytest.mark.parametrize("message", _OTHERS, ids=_named)
def test_policies_are_told_of_coordinators_that_failed(message: Any) -> None:
    """Overloaded, starting, failing to truncate or failing: one method, with level and error."""
    policy = _Asked(RetryPolicy.RETRY, None)
    _decide(message, policy)
    assert policy.asked == [
        ("on_request_error", ("the statement", _LEVEL), {"error": message, "retry_num": 0})
    ]


@pytest.mark.parametrize(("message", "reason"), [*zip(_ERRORS, _REASONS, strict=True)], ids=_named)
def test_what_a_policy_decides_is_done(message: Any, reason: RetryReason) -> None:
    """The same node, another one, nothing at all, or the error: tried once, at the level it names."""
    assert _decide(message, _Asked(RetryPolicy.RETRY, 4)) == DriverRetry(
        attempts=1, level=4, host=_HOST, reason=reason, failed_host=_HOST
    )
    assert _decide(message, _Asked(RetryPolicy.RETRY_NEXT_HOST, None)) == DriverRetry(
        attempts=1, excluded_host=_HOST, reason=reason, failed_host=_HOST
    )
    assert _decide(message, _Asked(RetryPolicy.IGNORE, None)) == DriverRetry(ignored=True)
    with pytest.raises(RequestError) as caught:
        _decide(message, _Asked(RetryPolicy.RETHROW, None))
    assert caught.value.statement == _STMT
    assert caught.value.__cause__ is not None


def test_a_policy_that_names_a_delay() -> None:
    """Newer policies return three values: the third is how long to wait."""
    again = _decide(_OTHERS[0], _Asked(RetryPolicy.RETRY, None, 0.1))
    assert again == DriverRetry(attempts=1, host=_HOST, delay=0.1, reason=_REASONS[3], failed_host=_HOST)
    again = _decide(_OTHERS[0], _Asked(RetryPolicy.RETRY_NEXT_HOST, None, 0.1))
    assert again == DriverRetry(
        attempts=1, excluded_host=_HOST, delay=0.1, reason=_REASONS[3], failed_host=_HOST
    )
    assert _decide(_OTHERS[0], _Asked(RetryPolicy.RETRY, None, None)).delay == 0


def test_an_unknown_statement_is_looked_at_again() -> None:
    """The node that doesn't know it is asked again after that, at no policy's cost: nothing was executed."""
    policy = _Asked(RetryPolicy.RETHROW, None)
    assert _decide(PreparedQueryNotFound(0x2500, "m", b"id"), policy) == DriverRetry(
        host=_HOST, forgotten=b"id"
    )
    assert policy.asked == []


def test_other_errors_are_final() -> None:
    """A mistake in the statement is never sent again."""
    policy = _Asked(RetryPolicy.RETRY, None)
    with pytest.raises(RequestError, match="wrong here") as caught:
        _decide(SyntaxException(0x2000, "wrong here", None), policy)
    assert policy.asked == []
    assert caught.value.statement == _STMT


def test_a_lost_connection() -> None:
    """The policy is asked as for a failed coordinator; what it rethrows is an error of connections."""
    error = ConnectionShutdown("gone")
    statement: Any = "the statement"
    policy = _Asked(RetryPolicy.RETRY_NEXT_HOST, None)
    assert on_connection_lost(error, _safe(policy), statement, _LEVEL, _HOST, _TERMS) == DriverRetry(
        attempts=1, excluded_host=_HOST, reason=RetryReason.CONNECTION_LOST, failed_host=_HOST
    )
    assert policy.asked == [("on_request_error", ("the statement", _LEVEL), {"error": error, "retry_num": 0})]
    with pytest.raises(ConnectionLostError) as caught:
        on_connection_lost(error, _safe(_Asked(RetryPolicy.RETHROW, None)), statement, _LEVEL, _HOST, _TERMS)
    assert caught.value.__cause__ is error
    assert caught.value.hosts == {"192.0.2.1:9042": "ConnectionShutdown: gone"}


@pytest.mark.parametrize("message", [ServerError(0, "m", None), _COUNTED[1][0]], ids=_named)
def test_writes_that_may_have_been_applied(message: Any) -> None:
    """The policy that knows of it lets them go again only where that does no harm."""
    wants = _Asked(RetryPolicy.RETRY, None)
    again = _decide(message, SafeRetryPolicy(wants, repeatable=True, write=Write.SINGLE))
    assert (again.attempts, again.doubt) == (1, True)
    with pytest.raises(RequestError) as caught:
        _decide(message, SafeRetryPolicy(wants, repeatable=False, write=Write.SINGLE))
    assert caught.value.may_have_been_applied
    assert len(wants.asked) == 1


@pytest.mark.parametrize("attempts", [0, 1])
def test_tries_are_counted_on(attempts: int) -> None:
    """The driver's retries after ours count from where we stopped."""
    inner = _Asked(RetryPolicy.RETRY, None)
    policy = SafeRetryPolicy(inner, repeatable=True, write=Write.NONE, attempts=attempts)
    policy.on_request_error(None, 1, error=None, retry_num=0)
    policy.on_unavailable(None, retry_num=2, **_UNAVAILABLE)
    assert [kwargs["retry_num"] for _, _, kwargs in inner.asked] == [attempts, 2 + attempts]


def test_no_answer_in_time() -> None:
    """It is the driver's timeout as we translate it, with the node and the seconds that there were."""
    error = timeout_error(_TERMS, _HOST)
    assert isinstance(error, RequestTimeoutError)
    assert (error.timeout, error.statement) == (5.0, _STMT)
    assert str(error).startswith("No response from 192.0.2.1:9042 within 5 s.")


@pytest.mark.parametrize("sent", [True, False])
def test_no_answer_to_a_write(sent: bool) -> None:
    """What was sent may have been applied; what waited for a stream was not, and both are said."""
    error: Any = timeout_error(_TERMS._replace(write=Write.SINGLE), _HOST if sent else None)
    assert error.may_have_been_applied is sent
    assert ("may have been applied" in str(error), "wasn't sent" in str(error)) == (sent, not sent)


def test_whatever_else_is_raised_is_ours() -> None:
    """An exception of Python's own becomes an error of ours, with itself as the cause."""
    broken = ValueError("not a body")
    with pytest.raises(RequestError) as caught:
        raise_translated(broken, _TERMS)
    assert caught.value.__cause__ is broken
