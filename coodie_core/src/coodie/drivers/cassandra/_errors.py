"""Translate the exceptions of scylla-driver and cassandra-driver into coodie's tree."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any

import cassandra
from cassandra import connection, protocol
from cassandra.cluster import NoHostAvailable
from cassandra.pool import NoConnectionsAvailable

from coodie import exceptions as ours
from coodie.consistency import LEVEL_NAMES
from coodie.drivers.cassandra._connection import refused_login
from coodie.drivers.cassandra.values.lenient_decoding import undecodable_answer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["translate"]

#: ``Error from server: code=2200 [Invalid query] message="…"``, as the driver puts it.
_FRAME = re.compile(r'message="(.*)"', re.DOTALL)


def translate(
    exc: BaseException, stmt: str | None = None, timeout: float | None = None, *, conditional: bool = False
) -> ours.CoodieError:
    """Return the error of ours that says what the driver's exception says, with that as its cause.

    Args:
        exc: What the driver raised or handed to an errback.
        stmt: The CQL text.
        timeout: The seconds that the request was given.
        conditional: It is a write with a condition.
    """
    if isinstance(exc, ours.CoodieError):
        return exc
    error = _translate(exc, stmt, timeout)
    if conditional and isinstance(error, ours.UnavailableError):
        error = _in_doubt(error)
    error.__cause__ = exc
    return error


def _translate(exc: BaseException, stmt: str | None, timeout: float | None) -> ours.CoodieError:
    if isinstance(exc, NoHostAvailable):
        return _no_host(exc, stmt, timeout)
    if isinstance(exc, cassandra.OperationTimedOut):
        return _timed_out(exc, stmt, timeout)
    for kinds, make in _TABLE:
        if isinstance(exc, kinds):
            return make(exc, stmt)
    return ours.RequestError(f"{type(exc).__name__}: {exc}", statement=stmt)


def _said(exc: BaseException) -> str:
    """Return the server's own words, without the driver's frame around them."""
    text = str(getattr(exc, "message", None) or exc)
    framed = _FRAME.search(text)
    return (framed.group(1) if framed else text).rstrip(".")


def _timed_out(exc: Any, stmt: str | None, timeout: float | None) -> ours.CoodieError:
    agreement = "schema agreement" in str(exc)
    waited = "" if timeout is None else f" within {timeout:g} s"
    what = "The schema change was made, but the nodes didn't agree on it" if agreement else "No answer came"
    hint = "Give a longer timeout=, or look at what the server is busy with."
    return ours.RequestTimeoutError(f"{what}{waited}.", hint=hint, statement=stmt, timeout=timeout)


def _no_host(exc: Any, stmt: str | None, timeout: float | None) -> ours.CoodieError:
    """Tell what all hosts have in common: one kind of answer from everywhere is that answer."""
    errors = exc.errors if isinstance(exc.errors, dict) else {}
    answers = {str(getattr(host, "endpoint", host)): error for host, error in errors.items()}
    translated = [
        _translate(error, stmt, timeout) for error in answers.values() if isinstance(error, Exception)
    ]
    kinds = {type(error) for error in translated}
    if len(kinds) == 1 and kinds.isdisjoint((ours.ConnectionFailedError, ours.RequestError)):
        return translated[0]
    hosts = {host: f"{type(error).__name__}: {error}" for host, error in answers.items()}
    tried = "; ".join(f"{host} ({said})" for host, said in hosts.items()) or str(exc.args[0]).rstrip(".")
    hint = "See that the server runs, and that hosts=, port= and TLS are right."
    return ours.ConnectionFailedError(f"No host could serve the request: {tried}.", hint=hint, hosts=hosts)


def _level(code: Any) -> str | None:
    return LEVEL_NAMES.get(code, str(code))


def _unavailable(exc: Any, stmt: str | None) -> ours.CoodieError:
    level, required, alive = _level(exc.consistency), exc.required_replicas, exc.alive_replicas
    return ours.UnavailableError(
        f"{level} needs {required} replicas, {alive} are alive; nothing was done.",
        hint="Bring nodes back, or ask for a lower consistency.",
        statement=stmt,
        consistency=level,
        required=required,
        alive=alive,
    )


def _in_doubt(error: ours.UnavailableError) -> ours.UnavailableError:
    """Return the error for a conditional write: its replicas may have agreed on it before the commit failed.

    Cassandra looks at the commit's consistency after Paxos (StorageProxy.cas, commitPaxos).
    """
    return ours.UnavailableError(
        f"{error.consistency} needs {error.required} replicas, {error.alive} are alive.",
        hint="The write has a condition, and may have been applied: read the row with consistency SERIAL.",
        statement=error.statement,
        consistency=error.consistency,
        required=error.required,
        alive=error.alive,
        maybe_applied=True,
    )


def _read_timeout(exc: Any, stmt: str | None) -> ours.CoodieError:
    message = f"The replicas didn't answer the read in time{_replicas(exc)}."
    return ours.ReadTimeoutError(message, statement=stmt, data_retrieved=exc.data_retrieved, **_counted(exc))


def _write_timeout(exc: Any, stmt: str | None) -> ours.CoodieError:
    kind = _write_type(exc)
    message = f"The replicas didn't acknowledge the {kind} write in time{_replicas(exc)}."
    hint = "It may have been applied."
    return ours.WriteTimeoutError(message, hint=hint, statement=stmt, write_type=kind, **_counted(exc))


def _read_failure(exc: Any, stmt: str | None) -> ours.CoodieError:
    message = f"A replica failed while it read{_replicas(exc)}: {_said(exc)}."
    return ours.ReadFailureError(message, statement=stmt, failures=exc.failures, **_counted(exc))


def _write_failure(exc: Any, stmt: str | None) -> ours.CoodieError:
    message = f"A replica failed while it wrote{_replicas(exc)}: {_said(exc)}."
    return ours.WriteFailureError(
        message, statement=stmt, failures=exc.failures, write_type=_write_type(exc), **_counted(exc)
    )


def _write_type(exc: Any) -> str:
    return str(cassandra.WriteType.value_to_name.get(exc.write_type, exc.write_type))


def _replicas(exc: Any) -> str:
    level = _level(exc.consistency)
    return f" ({level} needs {exc.required_responses} replicas, {exc.received_responses} answered)"


def _counted(exc: Any) -> dict[str, Any]:
    return {
        "consistency": _level(exc.consistency),
        "required": exc.required_responses,
        "received": exc.received_responses,
    }


def _function_failure(exc: Any, stmt: str | None) -> ours.CoodieError:
    message = f"The function {exc.keyspace}.{exc.function} raised: {_said(exc)}."
    return ours.FunctionFailureError(message, statement=stmt, keyspace=exc.keyspace, function=exc.function)


def _already_exists(exc: Any, stmt: str | None) -> ours.CoodieError:
    what = f"The table {exc.keyspace}.{exc.table}" if exc.table else f"The keyspace {exc.keyspace}"
    hint = "Add IF NOT EXISTS where that is fine."
    return ours.AlreadyExistsError(
        f"{what} exists already.", hint=hint, statement=stmt, keyspace=exc.keyspace, table=exc.table or None
    )


def _plain(
    cls: type[ours.RequestError], text: str, hint: str | None = None
) -> Callable[[Any, str | None], ours.CoodieError]:
    return lambda exc, stmt: cls(f"{text}: {_said(exc)}.", hint=hint, statement=stmt)


def _authentication(exc: Any, _: str | None) -> ours.CoodieError:
    return ours.AuthenticationError(
        f"The server refused the credentials, or got none: {_said(exc)}.",
        hint="Give username= and password=.",
    )


def _lost(exc: Any, _: str | None) -> ours.CoodieError:
    return ours.ConnectionFailedError(f"The connection failed: {type(exc).__name__}: {exc}.")


def _unsupported(exc: Any, _: str | None) -> ours.CoodieError:
    return ours.UnsupportedError(f"The backend refuses: {exc}.")


def _undecodable(exc: Any, stmt: str | None) -> ours.CoodieError:
    message = f"The server's answer can't be decoded: {type(exc.__cause__).__name__}."
    hint = "The connection stays open; a write may have been applied."
    return ours.RequestError(message, hint=hint, statement=stmt)


#: From the special to the general: the first that fits is taken.
_TABLE: tuple[
    tuple[
        type[BaseException] | tuple[type[BaseException], ...], Callable[[Any, str | None], ours.CoodieError]
    ],
    ...,
] = (
    (undecodable_answer(), _undecodable),
    (cassandra.Unavailable, _unavailable),
    (cassandra.ReadTimeout, _read_timeout),
    (cassandra.WriteTimeout, _write_timeout),
    (cassandra.ReadFailure, _read_failure),
    (cassandra.WriteFailure, _write_failure),
    (cassandra.FunctionFailure, _function_failure),
    (cassandra.AlreadyExists, _already_exists),
    (cassandra.Unauthorized, _plain(ours.UnauthorizedError, "The role may not do that")),
    (protocol.SyntaxException, _plain(ours.QuerySyntaxError, "The statement isn't CQL")),
    ((cassandra.AuthenticationFailed, protocol.BadCredentials, refused_login()), _authentication),
    (
        (cassandra.RequestValidationException, protocol.RequestValidationException),
        _plain(ours.InvalidQueryError, "The server refuses the statement"),
    ),
    (
        (protocol.OverloadedErrorMessage, protocol.IsBootstrappingErrorMessage),
        _plain(ours.OverloadedError, "The server sheds requests", "Try again later, or send fewer at once."),
    ),
    (
        (NoConnectionsAvailable, connection.ConnectionBusy),
        _plain(ours.OverloadedError, "All streams are in use", "Send fewer requests at once."),
    ),
    (protocol.ErrorMessage, _plain(ours.ServerError, "The server failed")),
    (cassandra.UnsupportedOperation, _unsupported),
    ((connection.ConnectionException, ssl.SSLError, OSError, EOFError), _lost),
    (
        (cassandra.RequestExecutionException, cassandra.CDCWriteFailure),
        _plain(ours.ServerError, "The server failed"),
    ),
)
