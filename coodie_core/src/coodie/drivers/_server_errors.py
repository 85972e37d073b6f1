"""Translate a server's ERROR message into coodie's error: class, text and attributes.

The class, and whether the request may have been applied, come from ``protocol.error_codes``. This module is
independent of the drivers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from coodie import exceptions
from coodie.consistency import LEVEL_NAMES
from coodie.cql import foreign_marker
from coodie.protocol.error_codes import ErrorCode, Write, meaning
from coodie.protocol.server_errors import LIMITED_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coodie.protocol.server_errors import ServerError

    #: Takes the attributes and the server's text; returns our text and a hint.
    _Words = Callable[[Mapping[str, Any], str], tuple[str, str | None]]

__all__ = ["Fate", "error_of"]

#: Attributes of our errors by the field of an ERROR, if the names differ.
_ATTRIBUTES = {
    "data_present": "data_retrieved",
    "arg_types": "argument_types",
    "op_type": "operation",
    "rejected_by_coordinator": "rejected_by",
}

#: Conversions of fields into attributes.
_CONVERTED: dict[str, Callable[[Any], Any]] = {
    "consistency": lambda code: LEVEL_NAMES.get(code, str(code)),
    "op_type": dict(enumerate(LIMITED_OPERATIONS)).get,
    "rejected_by_coordinator": lambda by_coordinator: "coordinator" if by_coordinator else "replicas",
    "arg_types": tuple,
    "table": lambda name: name or None,
}


class Fate(NamedTuple):
    """The state of a failed request.

    Attributes:
        write: The kind of write.
        sent: This attempt was sent.
        doubt: Another attempt may have been applied.
        host: The node of the last attempt, as address and port; None if unknown.
    """

    write: Write = Write.NONE
    sent: bool = False
    doubt: bool = False
    host: str | None = None

    @property
    def may_have_been_applied(self) -> bool:
        """Whether the request may have been applied if no response arrived."""
        return self.doubt or (self.sent and self.write is not Write.NONE)


def error_of(said: ServerError, stmt: str | None, fate: Fate) -> exceptions.CoodieError:
    """Return coodie's error for a server's ERROR.

    Args:
        said: The ERROR.
        stmt: The CQL text.
        fate: The state of the request.
    """
    meant = meaning(said.code)
    cls: type[exceptions.CoodieError] = getattr(exceptions, meant.error)
    attributes = _attributes(said.details)
    applied = meant.may_have_been_applied(fate.write, said.details)
    make = _WORDS.get(said.code)
    words, hint = make(attributes, _quoted(said)) if make else (f"The server failed: {_quoted(said)}", None)
    if said.code == ErrorCode.SYNTAX_ERROR and (marker := foreign_marker(stmt or "")) is not None:
        hint = f"{marker} isn't a CQL bind marker: write ? or :name."
    if cls is exceptions.CasWriteUnknownError:
        attributes["write_type"] = "CAS"
    if issubclass(cls, exceptions.RequestError):
        attributes["statement"] = stmt
    else:
        attributes = {}
    if applied:
        hint = _joined(_left_of(fate.write, said.code), hint)
    elif fate.doubt:
        hint = _joined("An earlier attempt may have been applied.", hint)
    elif cls in _REFUSALS:
        words = f"{words}; nothing was done"
    return cls(f"{words}.", hint=hint, may_have_been_applied=applied or fate.doubt, **attributes)


#: Errors whose text says that nothing was done.
_REFUSALS = (exceptions.UnavailableError, exceptions.OverloadedError, exceptions.RateLimitedError)

#: Codes of errors that a replica may have caused after others have applied a part.
_REFUSED = (ErrorCode.UNAVAILABLE, ErrorCode.OVERLOADED, ErrorCode.RATE_LIMIT_ERROR)


def _left_of(write: Write, code: int) -> str:
    """Return the hint about a write that may have been applied."""
    if write & Write.CONDITIONAL:
        return "The conditional write may have been applied: read the row with consistency SERIAL."
    if write & (Write.PARTS | Write.LOGGED) and code in _REFUSED:
        return "Parts of it may have been applied."
    return "It may have been applied."


def _joined(first: str, then: str | None) -> str:
    return first if then is None else f"{first} {then}"


def _quoted(said: ServerError) -> str:
    return said.message.rstrip(".")


def _attributes(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an ERROR as attributes."""
    attributes = {
        _ATTRIBUTES.get(name, name): _CONVERTED[name](value) if name in _CONVERTED else value
        for name, value in details.items()
        if name != "statement"
    }
    failures = attributes.get("failures")
    if failures is not None and not isinstance(failures, int):
        attributes["failures"] = len(failures)
        attributes["reasons"] = {str(node): reason for node, reason in failures.items()}
    return attributes


# --- words ------------------------------------------------------------------------------


def _replicas(known: Mapping[str, Any]) -> str:
    if known.get("consistency") is None:
        return ""
    level, required, received = known["consistency"], known["required"], known["received"]
    return f" ({level} needs {required} replicas, {received} responded)"


def _unavailable(known: Mapping[str, Any], said: str) -> tuple[str, str | None]:
    hint = "Restart nodes, or use a lower consistency level."
    if "alive" not in known:
        return f"Too few replicas are alive: {said}", hint
    level, required, alive = known["consistency"], known["required"], known["alive"]
    return f"{level} needs {required} replicas, {alive} are alive", hint


def _already_exists(known: Mapping[str, Any], said: str) -> tuple[str, str | None]:
    hint = "Add IF NOT EXISTS to keep the existing one."
    if "keyspace" not in known:
        return f"Already exists: {said}", hint
    keyspace, table = known["keyspace"], known["table"]
    what = f"The table {keyspace}.{table}" if table else f"The keyspace {keyspace}"
    return f"{what} already exists", hint


def _rate_limited(_: Mapping[str, Any], said: str) -> tuple[str, str | None]:
    hint = "Send fewer requests to this partition, or raise the table's per_partition_rate_limit."
    return f"The partition's rate limit is exceeded: {said}", hint


def _counted(text: str) -> _Words:
    """Return a function that appends the replica counts."""
    return lambda known, _: (f"{text}{_replicas(known)}", None)


def _failed(text: str) -> _Words:
    """Return a function that appends the replica counts and the server's text."""
    return lambda known, said: (f"{text}{_replicas(known)}: {said}", None)


def _plain(text: str, hint: str | None = None) -> _Words:
    """Return a function that appends the server's text."""
    return lambda _, said: (f"{text}: {said}", hint)


def _invalid(_: Mapping[str, Any], said: str) -> tuple[str, str | None]:
    text = f"The server rejected the statement: {said}"
    if "no keyspace has been specified" not in said.lower():
        return text, None
    return text, "Set init_coodie(keyspace=…), or write keyspace.table."


#: Functions that return the text, without the full stop, and the hint, by code.
_WORDS: dict[int, _Words] = {
    ErrorCode.BAD_CREDENTIALS: _plain(
        "The server rejected the credentials, or got none", "Give username= and password=."
    ),
    ErrorCode.UNAVAILABLE: _unavailable,
    ErrorCode.OVERLOADED: _plain("The server is overloaded", "Retry later, or send fewer requests at once."),
    ErrorCode.IS_BOOTSTRAPPING: _plain("The server is still starting", "Retry later."),
    ErrorCode.WRITE_TIMEOUT: lambda known, _: (
        f"The replicas didn't acknowledge the {known.get('write_type', '')} write in time{_replicas(known)}",
        None,
    ),
    ErrorCode.READ_TIMEOUT: _counted("The replicas didn't respond to the read in time"),
    ErrorCode.READ_FAILURE: _failed("The read failed on a replica"),
    ErrorCode.WRITE_FAILURE: _failed("The write failed on a replica"),
    ErrorCode.FUNCTION_FAILURE: lambda known, said: (
        f"The function {known.get('keyspace')}.{known.get('function')} raised: {said}",
        None,
    ),
    ErrorCode.CDC_WRITE_FAILURE: _plain(
        "A replica has no space for the change log", "Let the consumer of the log (CDC) catch up."
    ),
    ErrorCode.CAS_WRITE_UNKNOWN: _counted(
        "The conditional write contended with others, and its outcome is unknown"
    ),
    ErrorCode.SYNTAX_ERROR: _plain("CQL syntax error"),
    ErrorCode.UNAUTHORIZED: _plain("The role lacks a permission"),
    ErrorCode.INVALID: _invalid,
    ErrorCode.CONFIG_ERROR: _plain("The server rejected the statement"),
    ErrorCode.ALREADY_EXISTS: _already_exists,
    ErrorCode.RATE_LIMIT_ERROR: _rate_limited,
    ErrorCode.CLIENT_WRITE_FAILURE: _plain("The server couldn't send its response"),
}
