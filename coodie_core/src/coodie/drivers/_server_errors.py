"""A server's ERROR as an error of ours: its class, words and attributes, and what is left of the request.

The class, and whether something may have been applied, come from ``protocol.error_codes``; the words are
here. Nothing here knows a driver.
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

    #: Takes the attributes and the server's words; returns our words and a hint.
    _Words = Callable[[Mapping[str, Any], str], tuple[str, str | None]]

__all__ = ["Fate", "error_of"]

#: Field of an ERROR → the attribute of our error, where that has another name.
_ATTRIBUTES = {
    "data_present": "data_retrieved",
    "arg_types": "argument_types",
    "op_type": "operation",
    "rejected_by_coordinator": "rejected_by",
}

#: Fields that an attribute of our error has in another form.
_CONVERTED: dict[str, Callable[[Any], Any]] = {
    "consistency": lambda code: LEVEL_NAMES.get(code, str(code)),
    "op_type": dict(enumerate(LIMITED_OPERATIONS)).get,
    "rejected_by_coordinator": lambda by_coordinator: "coordinator" if by_coordinator else "replicas",
    "arg_types": tuple,
    "table": lambda name: name or None,
}


class Fate(NamedTuple):
    """What is known of a request that failed, beside the failure.

    Attributes:
        write: What kind of write it is.
        sent: This attempt of it has been sent.
        doubt: Another attempt of it may have been applied.
        host: The node that it was sent to last, as address and port; None where that isn't known.
    """

    write: Write = Write.NONE
    sent: bool = False
    doubt: bool = False
    host: str | None = None

    @property
    def may_have_been_applied(self) -> bool:
        """Whether something may have been applied where only the answer is missing."""
        return self.doubt or (self.sent and self.write is not Write.NONE)


def error_of(said: ServerError, stmt: str | None, fate: Fate) -> exceptions.CoodieError:
    """Return the error of ours for what a server said.

    Args:
        said: The ERROR.
        stmt: The CQL text.
        fate: What else is known of the request.
    """
    meant = meaning(said.code)
    cls: type[exceptions.CoodieError] = getattr(exceptions, meant.error)
    attributes = _attributes(said.details)
    applied = meant.may_have_been_applied(fate.write, said.details)
    make = _WORDS.get(said.code)
    words, hint = make(attributes, _quoted(said)) if make else (f"The server failed: {_quoted(said)}", None)
    if said.code == ErrorCode.SYNTAX_ERROR and (marker := foreign_marker(stmt or "")) is not None:
        hint = f"{marker} is no marker of CQL: write ? for a value, or :name."
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


#: Errors of which it has to be said that nothing was done.
_REFUSALS = (exceptions.UnavailableError, exceptions.OverloadedError, exceptions.RateLimitedError)

#: Codes after which the replicas, and not the coordinator, may have refused a part.
_REFUSED = (ErrorCode.UNAVAILABLE, ErrorCode.OVERLOADED, ErrorCode.RATE_LIMIT_ERROR)


def _left_of(write: Write, code: int) -> str:
    """Say what may be left of a write."""
    if write & Write.CONDITIONAL:
        return "The write has a condition, and may have been applied: read the row with consistency SERIAL."
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
    return f" ({level} needs {required} replicas, {received} answered)"


def _unavailable(known: Mapping[str, Any], said: str) -> tuple[str, str | None]:
    hint = "Bring nodes back, or ask for a lower consistency."
    if "alive" not in known:
        return f"Too few replicas are alive: {said}", hint
    level, required, alive = known["consistency"], known["required"], known["alive"]
    return f"{level} needs {required} replicas, {alive} are alive", hint


def _already_exists(known: Mapping[str, Any], said: str) -> tuple[str, str | None]:
    hint = "Add IF NOT EXISTS where that is fine."
    if "keyspace" not in known:
        return f"It exists already: {said}", hint
    keyspace, table = known["keyspace"], known["table"]
    what = f"The table {keyspace}.{table}" if table else f"The keyspace {keyspace}"
    return f"{what} exists already", hint


def _rate_limited(_: Mapping[str, Any], said: str) -> tuple[str, str | None]:
    hint = "Send fewer requests to this partition, or raise the table's per_partition_rate_limit."
    return f"The partition has had too many requests: {said}", hint


def _counted(text: str) -> _Words:
    """Return what adds how many replicas have answered."""
    return lambda known, _: (f"{text}{_replicas(known)}", None)


def _failed(text: str) -> _Words:
    """Return what adds that, and the server's words."""
    return lambda known, said: (f"{text}{_replicas(known)}: {said}", None)


def _plain(text: str, hint: str | None = None) -> _Words:
    """Return what adds the server's words."""
    return lambda _, said: (f"{text}: {said}", hint)


#: Code → what makes the words, without the full stop, and the hint.
_WORDS: dict[int, _Words] = {
    ErrorCode.BAD_CREDENTIALS: _plain(
        "The server refused the credentials, or got none", "Give username= and password=."
    ),
    ErrorCode.UNAVAILABLE: _unavailable,
    ErrorCode.OVERLOADED: _plain("The server sheds requests", "Try again later, or send fewer at once."),
    ErrorCode.IS_BOOTSTRAPPING: _plain("The server is still starting", "Try again later."),
    ErrorCode.WRITE_TIMEOUT: lambda known, _: (
        f"The replicas didn't acknowledge the {known.get('write_type', '')} write in time{_replicas(known)}",
        None,
    ),
    ErrorCode.READ_TIMEOUT: _counted("The replicas didn't answer the read in time"),
    ErrorCode.READ_FAILURE: _failed("A replica failed while it read"),
    ErrorCode.WRITE_FAILURE: _failed("A replica failed while it wrote"),
    ErrorCode.FUNCTION_FAILURE: lambda known, said: (
        f"The function {known.get('keyspace')}.{known.get('function')} raised: {said}",
        None,
    ),
    ErrorCode.CDC_WRITE_FAILURE: _plain(
        "A replica has no room for the change log", "Have what reads the log (CDC) catch up."
    ),
    ErrorCode.CAS_WRITE_UNKNOWN: _counted(
        "The conditional write met others, and wasn't agreed on to the end"
    ),
    ErrorCode.SYNTAX_ERROR: _plain("The statement isn't CQL"),
    ErrorCode.UNAUTHORIZED: _plain("The role may not do that"),
    ErrorCode.INVALID: _plain("The server refuses the statement"),
    ErrorCode.CONFIG_ERROR: _plain("The server refuses the statement"),
    ErrorCode.ALREADY_EXISTS: _already_exists,
    ErrorCode.RATE_LIMIT_ERROR: _rate_limited,
    ErrorCode.CLIENT_WRITE_FAILURE: _plain("The server couldn't send its answer"),
}
