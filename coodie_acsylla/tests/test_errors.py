"""The client's exceptions as coodie's errors; those that one healthy node never causes are raised here."""

from __future__ import annotations

import acsylla.errors as theirs
import pytest

from coodie import exceptions as ours
from coodie_acsylla.errors import could_not_connect, is_stale, translated


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (theirs.CassErrorServerSyntaxError("Syntax error: because"), ours.QuerySyntaxError),
        (theirs.CassErrorServerUnavailable("Unavailable: because"), ours.UnavailableError),
        (theirs.CassErrorServerReadTimeout("Read timeout: because"), ours.ReadTimeoutError),
        (theirs.CassErrorServerWriteTimeout("Write timeout: because"), ours.WriteTimeoutError),
        (theirs.CassErrorServerReadFailure("Read failure: because"), ours.ReadFailureError),
        (theirs.CassErrorServerWriteFailure("Write failure: because"), ours.WriteFailureError),
        (theirs.CassErrorServerOverloaded("Overloaded: because"), ours.OverloadedError),
        (theirs.CassErrorServerUnauthorized("Unauthorized: because"), ours.UnauthorizedError),
        (theirs.CassErrorServerTruncateError("Truncate: because"), ours.ServerError),
        (theirs.CassErrorLibNoHostsAvailable("No hosts: because"), ours.ConnectionFailedError),
        (theirs.CassErrorLibWriteError("Write error: because"), ours.ConnectionLostError),
    ],
)
def test_errors(raised: Exception, kind: type[Exception]) -> None:
    """Each class has its error, with the server's words and not the client's name for them."""
    error = translated(raised, "SELECT 1", 2.0)
    assert type(error) is kind
    assert "because" in str(error)
    assert str(raised).partition(":")[0] + ": because" not in str(error)


@pytest.mark.parametrize("raised", [TimeoutError(), theirs.CassErrorLibRequestTimedOut("x: y")])
def test_timeouts(raised: Exception) -> None:
    """A timeout has the seconds, and may have been applied."""
    error = translated(raised, "SELECT 1", 2.0)
    assert isinstance(error, ours.RequestTimeoutError)
    assert (error.timeout, error.may_have_been_applied) == (2.0, True)


def test_unknown_errors() -> None:
    """An exception without a class of its own is a ServerError, without its text, which may have values."""
    error = translated(ValueError("secret"), "SELECT 1", 2.0)
    assert type(error) is ours.ServerError
    assert "secret" not in str(error)


def test_stale_statements() -> None:
    """A statement is prepared again if the server has forgotten it, or a column that coodie named is gone."""
    gone = theirs.CassErrorServerInvalidQuery("Invalid query: Undefined column name v in table t")
    assert is_stale(theirs.CassErrorServerUnprepared("x"))
    assert is_stale(gone, has_columns=True)
    assert not is_stale(gone)
    assert not is_stale(theirs.CassErrorServerInvalidQuery("Invalid query: other"), has_columns=True)


def test_rejected_credentials() -> None:
    """They differ from unreachable hosts."""
    error = could_not_connect(theirs.CassErrorServerBadCredentials("Bad credentials: no"), ("a",))
    assert type(error) is ours.AuthenticationError
    assert type(could_not_connect(OSError("refused"), ("a",))) is ours.ConnectionFailedError
