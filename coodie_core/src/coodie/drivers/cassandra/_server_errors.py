"""Server errors, from the drivers' message objects and exceptions of an ERROR.

The drivers drop fields of some error codes, and some of their classes don't match the code's meaning:
ScyllaDB's rate limit is a configuration error. So our protocol handler attaches the decoded ERROR to each
object; for an object of another handler, the class is used.
"""

from __future__ import annotations

import re
from typing import Any

import cassandra
from cassandra import protocol

from coodie.protocol.error_codes import ErrorCode, Write
from coodie.protocol.server_errors import ServerError, named_rate_limit

__all__ = ["as_asked", "keep", "on_servers", "server_error"]

#: The first version of Cassandra that checks all replicas of a partition before it sends to one.
_LOOKS_FIRST = (3, 11)

_ANSWERS = {
    "consistency": "consistency",
    "received": "received_responses",
    "required": "required_responses",
}

#: The drivers' exceptions, with their error codes and their names of the fields.
_EXCEPTIONS: list[tuple[type[Exception], int, dict[str, str]]] = [
    (
        cassandra.Unavailable,
        ErrorCode.UNAVAILABLE,
        {"consistency": "consistency", "required": "required_replicas", "alive": "alive_replicas"},
    ),
    (cassandra.ReadTimeout, ErrorCode.READ_TIMEOUT, {**_ANSWERS, "data_present": "data_retrieved"}),
    (cassandra.WriteTimeout, ErrorCode.WRITE_TIMEOUT, {**_ANSWERS, "write_type": "write_type"}),
    (
        cassandra.ReadFailure,
        ErrorCode.READ_FAILURE,
        {**_ANSWERS, "failures": "failures", "data_present": "data_retrieved"},
    ),
    (
        cassandra.WriteFailure,
        ErrorCode.WRITE_FAILURE,
        {**_ANSWERS, "failures": "failures", "write_type": "write_type"},
    ),
    (
        cassandra.FunctionFailure,
        ErrorCode.FUNCTION_FAILURE,
        {"keyspace": "keyspace", "function": "function", "arg_types": "arg_types"},
    ),
    (cassandra.CDCWriteFailure, ErrorCode.CDC_WRITE_FAILURE, {}),
    (cassandra.AlreadyExists, ErrorCode.ALREADY_EXISTS, {"keyspace": "keyspace", "table": "table"}),
    (cassandra.Unauthorized, ErrorCode.UNAUTHORIZED, {}),
    (cassandra.InvalidRequest, ErrorCode.INVALID, {}),
]
if hasattr(cassandra, "RateLimitReached"):  # scylla-driver
    _RATE_LIMIT = {"op_type": "op_type", "rejected_by_coordinator": "rejected_by_coordinator"}
    _EXCEPTIONS.append((cassandra.RateLimitReached, ErrorCode.RATE_LIMIT_ERROR, _RATE_LIMIT))
# Base classes, which the drivers raise, too, come after their subclasses.
_EXCEPTIONS += [
    (cassandra.RequestValidationException, ErrorCode.CONFIG_ERROR, {}),
    (cassandra.RequestExecutionException, ErrorCode.SERVER_ERROR, {}),
]


def keep(message: Any, said: ServerError) -> None:
    """Attach a decoded ERROR to the driver's message object, and to its exception."""
    make = message.to_exception

    def to_exception() -> Any:
        exc = make()
        exc.said = said
        return exc

    message.said = said
    message.to_exception = to_exception


def server_error(exc: Any) -> ServerError | None:
    """Return the ERROR of a driver's exception or message object; None if it isn't one."""
    said: ServerError | None = getattr(exc, "said", None)
    if said is None:
        if isinstance(exc, protocol.ErrorMessage):
            raised = exc.to_exception()
            said = ServerError(exc.code, str(exc.message), {}) if raised is exc else server_error(raised)
        else:
            said = _by_class(exc)
    return None if said is None else named_rate_limit(said)


def as_asked(message: Any) -> Any:
    """Return an ERROR as an object for which the drivers call the retry policy, if its meaning requires it.

    A rate limit becomes an overloaded error; the drivers treat it as an error in the statement.
    """
    said = server_error(message)
    if said is None or said.code != ErrorCode.RATE_LIMIT_ERROR:
        return message
    asked = protocol.OverloadedErrorMessage(message.code, message.message, message.info)
    asked.to_exception = message.to_exception  # which is the cause of our error
    asked.summary = message.summary
    asked.said = said
    return asked


def on_servers(cluster: Any, write: Write) -> Write:
    """Return the kind of write for the server versions of a cluster.

    ScyllaDB reports Cassandra 3.0, and is recognised by its shards; it also checks all replicas first.
    """
    if not write & Write.SINGLE or all(map(_looks_first, cluster.metadata.all_hosts())):
        return write
    return write.on_older_servers()


def _looks_first(host: Any) -> bool:
    if getattr(host, "sharding_info", None) is not None:
        return True
    numbers = re.findall(r"\d+", str(host.release_version))[:2]
    return tuple(map(int, numbers)) >= _LOOKS_FIRST


def _by_class(exc: Any) -> ServerError | None:
    for kind, code, names in _EXCEPTIONS:
        if isinstance(exc, kind):
            details = {ours: getattr(exc, theirs, None) for ours, theirs in names.items()}
            return ServerError(code, _without_frame(exc), {**details, **_converted(details)})
    return None


def _converted(details: dict[str, Any]) -> dict[str, Any]:
    """Convert the fields that the drivers represent differently from the protocol."""
    converted: dict[str, Any] = {}
    if "write_type" in details:
        kind = details["write_type"]
        converted["write_type"] = str(cassandra.WriteType.value_to_name.get(kind, kind))
    if "op_type" in details:
        converted["op_type"] = getattr(details["op_type"], "value", None)
    return converted


def _without_frame(exc: Any) -> str:
    """Return the server's text from ``Error from server: code=2200 [Invalid query] message="…"``."""
    text = str(getattr(exc, "message", None) or exc)
    _, found, framed = text.partition('message="')
    return framed.rpartition('"')[0] if found else text
