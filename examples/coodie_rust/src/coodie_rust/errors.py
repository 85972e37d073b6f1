"""The client's exceptions as coodie's.

The client tells what the server said as text alone. Its sentences, which are those of the Rust driver under
it, stand in the table below; the numbers in them are read by name.
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

__all__ = ["could_not_connect", "is_stale", "translated"]

#: "… (consistency: Quorum, required: 2, alive: 1)"
_DETAILS = re.compile(r"(\w+): ([^,()]*)")

#: What comes before the server's own words.
_SERVER_SAID = "Error message: "

#: What it says of a statement that the server has dropped, again right after it was prepared anew, or that
#: isn't the same any more.
_STALE = ("prepared statement that is not prepared", "Prepared statement id changed after repreparation")

#: What the client calls the numbers → the attributes of coodie's errors.
_ATTRIBUTES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "consistency": ("consistency", lambda text: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).upper()),
    "required": ("required", int),
    "received": ("received", int),
    "alive": ("alive", int),
    "numfailures": ("failures", int),
    "data_present": ("data_retrieved", lambda text: text == "true"),
    "write_type": ("write_type", str),
    "keyspace": ("keyspace", str),
    "table": ("table", lambda text: text or None),
    "function": ("function", str),
}

_UNSURE = "It may have been applied."
_NOT_DONE = "Nothing was done, unless the write has a condition: try again, or read what is there."

#: The client's sentence → the error, what happened in coodie's words, what to do.
_SENTENCES: tuple[tuple[str, type[ours.CoodieError], str, str | None], ...] = (
    ("has a syntax error", ours.QuerySyntaxError, "CQL syntax error", None),
    ("already existing", ours.AlreadyExistsError, "It already exists", "Add IF NOT EXISTS."),
    ("syntactically correct but invalid", ours.InvalidQueryError, "The server rejected the statement", None),
    ("some configuration issue", ours.InvalidQueryError, "The server rejected the statement", None),
    ("have the right to perform", ours.UnauthorizedError, "The role lacks a permission", None),
    ("nodes are alive", ours.UnavailableError, "Too few replicas are alive", _NOT_DONE),
    ("read request in time", ours.ReadTimeoutError, "Too few replicas answered in time", "Try again."),
    ("write request in time", ours.WriteTimeoutError, "Too few replicas acknowledged in time", _UNSURE),
    ("error during a read", ours.ReadFailureError, "The read failed on a replica", None),
    ("error during a write", ours.WriteFailureError, "The write failed on a replica", _UNSURE),
    ("User defined function", ours.FunctionFailureError, "A function raised", None),
    ("node is overloaded", ours.OverloadedError, "The server is overloaded", "Retry later."),
    ("still bootstrapping", ours.OverloadedError, "The server is still starting", "Retry later."),
    ("Database returned an error", ours.ServerError, "The server failed", None),
    ("onnection broken", ours.ConnectionLostError, "The connection was lost", _UNSURE),
    ("onnection", ours.ConnectionFailedError, "No host can be reached", "Check that the server runs."),
)


def is_stale(raised: Exception) -> bool:
    """Tell whether a prepared statement has to be prepared anew; nothing was done with it."""
    text = str(raised)
    return any(sentence in text for sentence in _STALE)


def translated(raised: Exception, stmt: str, timeout: float) -> ours.CoodieError:
    """Return the error of coodie's for one of the client's.

    Args:
        raised: What the client raised.
        stmt: The CQL text.
        timeout: The seconds that the request was given.
    """
    text = str(raised)
    if isinstance(raised, TimeoutError) or "exceeded a client timeout" in text:
        message = f"No response within {timeout:g} s."
        hint = "Give a longer timeout=; a write may have been applied."
        return ours.RequestTimeoutError(message, hint=hint, statement=stmt, timeout=timeout)
    # The client wraps what it raises in a row factory.
    undecoded = raised.__cause__ if isinstance(raised, RowIterationError) else raised
    if isinstance(undecoded, DeserializationError):
        message = f"The client can't decode a value of {undecoded.column_name!r}."
        return ours.RequestError(message, hint="Leave the column out, or read it as a blob.", statement=stmt)
    if isinstance(raised, FutureCancelledError):
        message = "The driver was closed with this request under way, which may have been applied."
        return ours.DriverClosedError(message, hint="Open a new one with init_coodie(…).")
    for sentence, kind, what, advice in _SENTENCES:
        if sentence in text:
            return _made(kind, what, advice, text, stmt)
    if "serialize" in text:
        message = "The client can't encode the parameters."
        return ours.ParameterError(message, hint="Give values of the columns' types.", statement=stmt)
    return ours.ServerError(f"The request failed: {type(raised).__name__}.", statement=stmt)


def could_not_connect(raised: Exception, hosts: tuple[str, ...]) -> ours.CoodieError:
    """Return the error for a session that couldn't be made."""
    text = str(raised)
    reasons = dict.fromkeys(hosts, text)
    for sentence in ("uthentication", "credentials"):
        if sentence in text:
            message = "The server refused the credentials, or wants some."
            return ours.AuthenticationError(message, hint="Check username= and password=.", hosts=reasons)
    wait = " in time" if isinstance(raised, TimeoutError) else ""
    said = f" ({text})" if isinstance(raised, SessionConnectionError) else ""
    message = f"No host could be reached{wait}: {', '.join(hosts)}{said}."
    hint = "Check hosts= and port=, and that the server runs."
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
