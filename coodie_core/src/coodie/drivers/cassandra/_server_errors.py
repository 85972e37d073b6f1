"""What a server said, from the objects that the drivers make of an ERROR.

The drivers drop fields of some codes, and put codes into a tree of classes that isn't their meaning: the
rate limit of ScyllaDB is a configuration error there. So our protocol handler keeps what was said with each
object, and an object that comes from another handler is read by its class.
"""

from __future__ import annotations

import re
from typing import Any

import cassandra
from cassandra import protocol

from coodie.protocol.error_codes import ErrorCode, Write
from coodie.protocol.server_errors import ServerError, named_rate_limit

__all__ = ["as_asked", "keep", "on_servers", "server_error"]

#: The first version of Cassandra that looks at all replicas of a partition before it sends to one.
_LOOKS_FIRST = (3, 11)

_ANSWERS = {
    "consistency": "consistency",
    "received": "received_responses",
    "required": "required_responses",
}

#: The drivers' exception → its code, and what it calls the fields of that.
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
# The parents, raised by the drivers themselves, come after their children.
_EXCEPTIONS += [
    (cassandra.RequestValidationException, ErrorCode.CONFIG_ERROR, {}),
    (cassandra.RequestExecutionException, ErrorCode.SERVER_ERROR, {}),
]


def keep(message: Any, said: ServerError) -> None:
    """Keep what a server said with the driver's object of it, and with the exception that comes of that."""
    make = message.to_exception

    def to_exception() -> Any:
        exc = make()
        exc.said = said
        return exc

    message.said = said
    message.to_exception = to_exception


def server_error(exc: Any) -> ServerError | None:
    """Return what a server said, of the driver's exception or message; None for one that is no ERROR."""
    said: ServerError | None = getattr(exc, "said", None)
    if said is None:
        if isinstance(exc, protocol.ErrorMessage):
            raised = exc.to_exception()
            said = ServerError(exc.code, str(exc.message), {}) if raised is exc else server_error(raised)
        else:
            said = _by_class(exc)
    return None if said is None else named_rate_limit(said)


def as_asked(message: Any) -> Any:
    """Return an ERROR as an object for which the drivers ask the retry policy, where its meaning is such.

    That of a rate limit is one of an overloaded server; they take it for a mistake in the statement.
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
    """Return what a write counts as on the servers of a cluster, whose versions the driver knows.

    ScyllaDB says that it is Cassandra 3.0, and that it has shards; it, too, looks first.
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
    """Return the fields that the drivers tell in another way than the protocol."""
    converted: dict[str, Any] = {}
    if "write_type" in details:
        kind = details["write_type"]
        converted["write_type"] = str(cassandra.WriteType.value_to_name.get(kind, kind))
    if "op_type" in details:
        converted["op_type"] = getattr(details["op_type"], "value", None)
    return converted


def _without_frame(exc: Any) -> str:
    """Return the server's own words: ``Error from server: code=2200 [Invalid query] message="…"``."""
    text = str(getattr(exc, "message", None) or exc)
    _, found, framed = text.partition('message="')
    return framed.rpartition('"')[0] if found else text
