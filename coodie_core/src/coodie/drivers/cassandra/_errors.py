"""Translate the exceptions of scylla-driver and cassandra-driver into coodie's tree."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import cassandra
from cassandra import connection, protocol
from cassandra.cluster import NoHostAvailable
from cassandra.pool import NoConnectionsAvailable

from coodie import exceptions as ours
from coodie.drivers._server_errors import Fate, error_of
from coodie.drivers.cassandra._connection import refused_login
from coodie.drivers.cassandra._server_errors import server_error
from coodie.drivers.cassandra.values.lenient_decoding import undecodable_answer
from coodie.options.tls import tls_hint

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Fate", "translate"]

_UNKNOWN = Fate()

#: The hint about a request without a response that may have been applied.
_APPLIED = "It may have been applied."


def translate(
    exc: BaseException, stmt: str | None = None, timeout: float | None = None, fate: Fate = _UNKNOWN
) -> ours.CoodieError:
    """Return coodie's error for a driver's exception, which becomes the cause.

    Args:
        exc: The driver's exception.
        stmt: The CQL text.
        timeout: The request's timeout in seconds.
        fate: The state of the request; by default, nothing can have been applied.
    """
    if isinstance(exc, ours.CoodieError):
        return exc
    error = _translate(exc, stmt, timeout, fate)
    error.__cause__ = exc
    return error


def _translate(exc: BaseException, stmt: str | None, timeout: float | None, fate: Fate) -> ours.CoodieError:
    if isinstance(exc, NoHostAvailable):
        return _no_host(exc, stmt, timeout, fate)
    if isinstance(exc, cassandra.OperationTimedOut):
        return _timed_out(exc, stmt, timeout, fate)
    for kinds, make in _TABLE:
        if isinstance(exc, kinds):
            return make(exc, stmt, fate)
    said = server_error(exc)
    if said is not None:
        return error_of(said, stmt, fate)
    if isinstance(exc, _LOST):
        return _lost(exc, fate)
    message = f"{type(exc).__name__}: {exc}"
    return ours.RequestError(message, statement=stmt, may_have_been_applied=fate.may_have_been_applied)


def _timed_out(exc: Any, stmt: str | None, timeout: float | None, fate: Fate) -> ours.CoodieError:
    waited = "" if timeout is None else f" within {timeout:g} s"
    applied = fate.may_have_been_applied
    asked = "" if exc.last_host is None else f" from {getattr(exc.last_host, 'endpoint', exc.last_host)}"
    hint = "Increase timeout=, or check the server's load."
    if getattr(exc, "has_changed_schema", False):
        message = f"The schema was changed, but the nodes didn't reach schema agreement{waited}."
        hint = "Increase timeout=, and check that all nodes are up."
    elif fate.sent or applied:
        message = f"No response{asked}{waited}."
        hint = f"{_APPLIED} {hint}" if applied else hint
    else:
        message = f"No connection was free{waited}; the request wasn't sent."
        hint = "Send fewer requests at once, or increase timeout=."
    return ours.RequestTimeoutError(
        message, hint=hint, statement=stmt, timeout=timeout, may_have_been_applied=applied
    )


#: Errors about a host, and not about a server's response.
_OF_HOSTS = (
    ours.ConnectionFailedError,
    ours.ConnectionLostError,
    ours.RequestError,
    ours.RequestTimeoutError,
)


def _no_host(exc: Any, stmt: str | None, timeout: float | None, fate: Fate) -> ours.CoodieError:
    """Return the error of a request that failed on all hosts: their common error, if there is one."""
    errors = exc.errors if isinstance(exc.errors, dict) else {}
    answers = {str(getattr(host, "endpoint", host)): error for host, error in errors.items()}
    translated = [  # a CoodieError is of a credentials provider
        error if isinstance(error, ours.CoodieError) else _translate(error, stmt, timeout, fate)
        for error in answers.values()
        if isinstance(error, Exception)
    ]
    kinds = {type(error) for error in translated}
    hosts = {host: f"{type(error).__name__}: {_words(error)}" for host, error in answers.items()}
    if len(kinds) == 1 and kinds.isdisjoint(_OF_HOSTS):
        (common, *_) = translated
        if isinstance(common, ours.ConnectionFailedError):
            common.hosts = hosts
        return common
    tried = "; ".join(f"{host} ({said})" for host, said in hosts.items()) or str(exc.args[0]).rstrip(".")
    hint = tls_hint(tried) or "Check that the server is running, and check hosts=, port= and the TLS options."
    if any(isinstance(error, cassandra.OperationTimedOut) for error in answers.values()):
        hint += " If it is slow, increase both connect_timeout= and control_connection_timeout=."
    message = f"No host is available: {tried}."
    applied = fate.may_have_been_applied
    if applied:
        hint = f"{_APPLIED} {hint}"
    kind = ours.ConnectionLostError if fate.sent else ours.ConnectionFailedError
    return kind(message, hint=hint, hosts=hosts, may_have_been_applied=applied)


def _words(error: Any) -> str:
    """Return the text of a host's error, without the prefix of a timeout."""
    if not isinstance(error, cassandra.OperationTimedOut):
        return str(error)
    return error.errors if isinstance(error.errors, str) else "no response in time"


def _lost(exc: Any, fate: Fate) -> ours.CoodieError:
    said = f"{type(exc).__name__}: {exc}"
    applied = fate.may_have_been_applied
    hint = _APPLIED if applied else None
    hosts = {} if fate.host is None else {fate.host: said}
    where = "" if fate.host is None else f" to {fate.host}"
    kind = ours.ConnectionLostError if fate.sent else ours.ConnectionFailedError
    what = "was lost before the response" if fate.sent else "failed"
    message = f"The connection{where} {what}: {said}."
    return kind(message, hint=hint, hosts=hosts, may_have_been_applied=applied)


def _busy(exc: Any, stmt: str | None, fate: Fate) -> ours.CoodieError:
    words = f"All connections are busy: {exc}"
    message = f"{words}." if fate.doubt else f"{words}; nothing was sent."
    hint = "Send fewer requests at once."
    if fate.doubt:
        hint = f"An earlier attempt may have been applied. {hint}"
    return ours.OverloadedError(message, hint=hint, statement=stmt, may_have_been_applied=fate.doubt)


def _authentication(exc: Any, _: str | None, fate: Fate) -> ours.CoodieError:
    said = getattr(exc, "message", None) or exc
    return ours.AuthenticationError(
        f"The server rejected the credentials, or got none: {str(said).rstrip('.')}.",
        hint="Give username= and password=.",
        may_have_been_applied=fate.doubt,
    )


def _unsupported(exc: Any, _: str | None, fate: Fate) -> ours.CoodieError:
    return ours.UnsupportedError(f"The driver doesn't support this: {exc}.", may_have_been_applied=fate.doubt)


def _undecodable(exc: Any, stmt: str | None, fate: Fate) -> ours.CoodieError:
    message = f"Can't decode the server's response: {type(exc.__cause__).__name__}."
    applied = fate.may_have_been_applied
    hint = "The connection stays open" + ("; the write may have been applied." if applied else ".")
    return ours.RequestError(message, hint=hint, statement=stmt, may_have_been_applied=applied)


#: Exceptions other than server errors and lost connections.
_TABLE: tuple[
    tuple[tuple[type[BaseException], ...], Callable[[Any, str | None, Fate], ours.CoodieError]], ...
] = (
    ((undecodable_answer(),), _undecodable),
    ((cassandra.AuthenticationFailed, protocol.BadCredentials, refused_login()), _authentication),
    ((NoConnectionsAvailable, connection.ConnectionBusy), _busy),
    ((cassandra.UnsupportedOperation,), _unsupported),
)

#: Exceptions of lost connections.
_LOST = (connection.ConnectionException, ssl.SSLError, OSError, EOFError)
