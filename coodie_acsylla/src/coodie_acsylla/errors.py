"""Translate the client's exceptions to coodie's errors.

The client has a class per error code of the C++ driver under it, and the server's message as text. It has
no details, such as the number of replicas that responded.
"""

from __future__ import annotations

from typing import Any

import acsylla.errors as theirs

from coodie import exceptions as ours
from coodie_acsylla.descriptions import DescriptionError

__all__ = ["could_not_connect", "is_stale", "no_host_is_left", "translated"]

_UNSURE = "It may have been applied."
_NOT_DONE = "Nothing was applied, unless the write has a condition: retry, or read the rows first."

#: The client's class, coodie's error, its message, its hint. The first class that matches counts.
_ERRORS: tuple[tuple[type[Exception], type[ours.CoodieError], str, str | None], ...] = (
    (theirs.CassErrorServerSyntaxError, ours.QuerySyntaxError, "CQL syntax error", None),
    (
        theirs.CassErrorServerAlreadyExists,
        ours.AlreadyExistsError,
        "It already exists",
        "Add IF NOT EXISTS.",
    ),
    (theirs.CassErrorServerInvalidQuery, ours.InvalidQueryError, "The server rejected the statement", None),
    (theirs.CassErrorServerConfigError, ours.InvalidQueryError, "The server rejected the statement", None),
    (theirs.CassErrorServerUnauthorized, ours.UnauthorizedError, "The role lacks a permission", None),
    (theirs.CassErrorServerUnavailable, ours.UnavailableError, "Too few replicas are alive", _NOT_DONE),
    (
        theirs.CassErrorServerReadTimeout,
        ours.ReadTimeoutError,
        "Too few replicas responded in time",
        "Retry.",
    ),
    (
        theirs.CassErrorServerWriteTimeout,
        ours.WriteTimeoutError,
        "Too few replicas acknowledged in time",
        _UNSURE,
    ),
    (theirs.CassErrorServerReadFailure, ours.ReadFailureError, "The read failed on a replica", None),
    (theirs.CassErrorServerWriteFailure, ours.WriteFailureError, "The write failed on a replica", _UNSURE),
    (theirs.CassErrorServerFunctionFailure, ours.FunctionFailureError, "A function raised", None),
    (theirs.CassErrorServerOverloaded, ours.OverloadedError, "The server is overloaded", "Retry later."),
    (
        theirs.CassErrorServerIsBootstrapping,
        ours.OverloadedError,
        "The server is still starting",
        "Retry later.",
    ),
    (theirs.CassErrorSourceServer, ours.ServerError, "The server failed", None),
    (theirs.CassErrorLibRequestQueueFull, ours.OverloadedError, "The client's queue is full", "Retry later."),
    (
        theirs.CassErrorLibNoHostsAvailable,
        ours.ConnectionFailedError,
        "No host can be reached",
        "Check that the server is running, and check hosts= and port=.",
    ),
)

#: The server's message for a column that was dropped.
_DROPPED = "ndefined column name"

#: The client's errors of a connection that broke after the request was sent.
_LOST = (
    theirs.CassErrorLibWriteError,
    theirs.CassErrorLibUnexpectedResponse,
    theirs.CassErrorLibInternalError,
)


def is_stale(raised: Exception, *, has_columns: bool = False) -> bool:
    """Return whether a prepared statement has to be prepared again; the request wasn't executed.

    Args:
        raised: The client's exception.
        has_columns: The statement's columns were read from the schema, which may have changed since.
    """
    if isinstance(raised, theirs.CassErrorServerUnprepared):
        return True
    if not has_columns:
        return False
    if isinstance(raised, theirs.CassErrorServerInvalidQuery):
        return _DROPPED in str(raised)
    # So it says if it failed to prepare a statement again that a node has forgotten.
    return no_host_is_left(raised)


def no_host_is_left(raised: Exception) -> bool:
    """Return whether no host could execute it; the client may have sent it before if it is idempotent."""
    return isinstance(raised, theirs.CassErrorLibNoHostsAvailable)


def translated(raised: Exception, stmt: str, timeout: float) -> ours.CoodieError:
    """Return coodie's error for an exception of the client.

    Args:
        raised: The client's exception.
        stmt: The caller's CQL text.
        timeout: The request's timeout in seconds.
    """
    if isinstance(raised, (TimeoutError, theirs.CassErrorLibRequestTimedOut)):
        message = f"No response within {timeout:g} s."
        hint = "A write may have been applied. Increase timeout=, or check the server's load."
        return ours.RequestTimeoutError(message, hint=hint, statement=stmt, timeout=timeout)
    text = _message(raised)
    for theirs_, kind, what, advice in _ERRORS:
        if isinstance(raised, theirs_):
            details: dict[str, Any] = {"statement": stmt} if issubclass(kind, ours.RequestError) else {}
            return kind(f"{what}: {text}".rstrip(": .") + ".", hint=advice, **details)
    if isinstance(raised, DescriptionError):
        message = f"The types of the statement's columns couldn't be read: {text}."
        return ours.ServerError(message, statement=stmt)
    if isinstance(raised, _LOST):
        return ours.ConnectionLostError(f"The connection was lost: {text}.", hint=_UNSURE)
    return ours.ServerError(f"The request failed: {type(raised).__name__}.", statement=stmt)


def could_not_connect(raised: Exception, hosts: tuple[str, ...]) -> ours.CoodieError:
    """Return the error for a failed connect."""
    text = _message(raised)
    reasons = dict.fromkeys(hosts, text)
    if isinstance(raised, theirs.CassErrorServerBadCredentials):
        message = "The server rejected the credentials, or got none."
        return ours.AuthenticationError(message, hint="Check username= and password=.", hosts=reasons)
    wait = " in time" if isinstance(raised, TimeoutError) or "timeout" in text else ""
    said = f" ({text})" if text else ""
    message = f"No host could be reached{wait}: {', '.join(hosts)}{said}."
    return ours.ConnectionFailedError(
        message, hint="Check that the server is running, and check hosts= and port=.", hosts=reasons
    )


def _message(raised: Exception) -> str:
    """Return the server's message, without the name of the error that the client puts before it."""
    text = str(raised)
    return text.partition(": ")[2] or text if isinstance(raised, theirs.CassException) else text
