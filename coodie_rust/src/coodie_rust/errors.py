"""Translate the client's exceptions to coodie's errors.

The client has no error codes: a server's error is text, in the sentences of the Rust driver. The table below
finds them, and the numbers in them are read by name. A sentence that changes becomes a plain ServerError.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from scylla.errors import (
    DeserializationError,
    FutureCancelledError,
    RowIterationError,
    SessionConnectionError,
)

from coodie import exceptions as ours

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["could_not_connect", "is_made", "is_stale", "translated"]

#: "… (consistency: Quorum, required: 2, alive: 1)"
_DETAILS = re.compile(r"(\w+): ([^,()]*)")

#: Precedes the server's message.
_SERVER_SAID = "Error message: "

#: The server no longer has the statement, also after the client prepared it again, or it has another one.
_STALE = ("prepared statement that is not prepared", "Prepared statement id changed after repreparation")

#: A schema change was made, and the nodes agree on it, but the client couldn't read the schema afterwards.
_MADE = "metadata fetch error occurred during automatic schema agreement"


def _upper(name: str) -> str:
    """Return a name of the client as the protocol's: ``LocalQuorum`` is ``LOCAL_QUORUM``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


#: The client's names of the details → the attributes of coodie's errors.
_ATTRIBUTES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "consistency": ("consistency", _upper),
    "required": ("required", int),
    "received": ("received", int),
    "alive": ("alive", int),
    "numfailures": ("failures", int),
    "data_present": ("data_retrieved", lambda text: text == "true"),
    "write_type": ("write_type", _upper),
    "keyspace": ("keyspace", str),
    "table": ("table", lambda text: text or None),
    "function": ("function", str),
}

_UNSURE = "It may have been applied."
_NOT_DONE = "Nothing was applied, unless the write has a condition: retry, or read the rows first."

#: Part of the client's sentence, the error, its message, its hint.
_SENTENCES: tuple[tuple[str, type[ours.CoodieError], str, str | None], ...] = (
    ("has a syntax error", ours.QuerySyntaxError, "CQL syntax error", None),
    ("already existing", ours.AlreadyExistsError, "It already exists", "Add IF NOT EXISTS."),
    ("syntactically correct but invalid", ours.InvalidQueryError, "The server rejected the statement", None),
    ("some configuration issue", ours.InvalidQueryError, "The server rejected the statement", None),
    ("have the right to perform", ours.UnauthorizedError, "The role lacks a permission", None),
    ("nodes are alive", ours.UnavailableError, "Too few replicas are alive", _NOT_DONE),
    ("read request in time", ours.ReadTimeoutError, "Too few replicas responded in time", "Retry."),
    ("write request in time", ours.WriteTimeoutError, "Too few replicas acknowledged in time", _UNSURE),
    ("error during a read", ours.ReadFailureError, "The read failed on a replica", None),
    ("error during a write", ours.WriteFailureError, "The write failed on a replica", _UNSURE),
    ("User defined function", ours.FunctionFailureError, "A function raised", None),
    ("node is overloaded", ours.OverloadedError, "The server is overloaded", "Retry later."),
    ("still bootstrapping", ours.OverloadedError, "The server is still starting", "Retry later."),
    ("Database returned an error", ours.ServerError, "The server failed", None),
    ("onnection broken", ours.ConnectionLostError, "The connection was lost", _UNSURE),
    (
        "onnection",
        ours.ConnectionFailedError,
        "No host can be reached",
        "Check that the server is running, and check hosts= and port=.",
    ),
)


def is_stale(raised: Exception) -> bool:
    """Return whether a prepared statement has to be prepared again; the request wasn't executed."""
    text = str(raised)
    return any(sentence in text for sentence in _STALE)


def is_made(raised: Exception) -> bool:
    """Return whether a schema change was made although the client raised this exception."""
    return _MADE in str(raised)


def translated(raised: Exception, stmt: str, timeout: float) -> ours.CoodieError:
    """Return coodie's error for an exception of the client.

    Args:
        raised: The client's exception.
        stmt: The caller's CQL text.
        timeout: The request's timeout in seconds.
    """
    text = str(raised)
    if isinstance(raised, TimeoutError) or "exceeded a client timeout" in text:
        message = f"No response within {timeout:g} s."
        hint = "A write may have been applied. Increase timeout=, or check the server's load."
        return ours.RequestTimeoutError(message, hint=hint, statement=stmt, timeout=timeout)
    # The client wraps exceptions of a row factory.
    undecoded = raised.__cause__ if isinstance(raised, RowIterationError) else raised
    if isinstance(undecoded, DeserializationError):
        message = f"The client can't decode a value of {undecoded.column_name!r}."
        return ours.RequestError(message, hint="Leave the column out, or read it as a blob.", statement=stmt)
    if isinstance(raised, FutureCancelledError):
        message = "The driver was closed while the request was in flight; a write may have been applied."
        return ours.DriverClosedError(message, hint="Open a new one with init_coodie(…).")
    for sentence, kind, what, advice in _SENTENCES:
        if sentence in text:
            return _made(kind, what, advice, text, stmt)
    if "serialize" in text:
        message = "The client can't encode the parameters."
        return ours.ParameterError(message, hint="Give values of the columns' types.", statement=stmt)
    return ours.ServerError(f"The request failed: {type(raised).__name__}.", statement=stmt)


def could_not_connect(raised: Exception, hosts: tuple[str, ...]) -> ours.CoodieError:
    """Return the error for a failed connect."""
    text = str(raised)
    reasons = dict.fromkeys(hosts, text)
    for sentence in ("uthentication", "credentials"):
        if sentence in text:
            message = "The server rejected the credentials, or got none."
            return ours.AuthenticationError(message, hint="Check username= and password=.", hosts=reasons)
    wait = " in time" if isinstance(raised, TimeoutError) else ""
    said = f" ({text})" if isinstance(raised, SessionConnectionError) else ""
    message = f"No host could be reached{wait}: {', '.join(hosts)}{said}."
    hint = "Check that the server is running, and check hosts= and port=."
    return ours.ConnectionFailedError(message, hint=hint, hosts=reasons)


def _made(
    kind: type[ours.CoodieError], message: str, hint: str | None, text: str, stmt: str
) -> ours.CoodieError:
    known, _, said = text.partition(_SERVER_SAID)
    details: dict[str, Any] = {}
    for name, value in _DETAILS.findall(known):
        attribute, convert = _ATTRIBUTES.get(name, ("", str))
        if attribute and hasattr(kind, attribute):
            details[attribute] = convert(value)
    if hasattr(kind, "statement"):
        details["statement"] = stmt
    return kind(f"{message}: {said or known}".rstrip(": ") + ".", hint=hint, **details)
