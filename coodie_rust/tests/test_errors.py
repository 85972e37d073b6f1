"""The client's sentences as coodie's errors; those that one healthy node never says stand here as text."""

from __future__ import annotations

import pytest

from coodie import exceptions as ours
from coodie_rust.errors import could_not_connect, is_stale, translated

PREFIX = "Failed to execute statement: Database returned an error: "

OVERLOADED = ours.OverloadedError

TIMED_OUT = "Not enough nodes responded to the {} request in time to satisfy required consistency level ({})"


@pytest.mark.parametrize(
    ("sentence", "kind", "attributes"),
    [
        (
            "Not enough nodes are alive to satisfy (consistency: LocalQuorum, required: 2, alive: 1)",
            ours.UnavailableError,
            {"consistency": "LOCAL_QUORUM", "required": 2, "alive": 1},
        ),
        (
            TIMED_OUT.format("read", "consistency: Two, received: 1, required: 2, data_present: true"),
            ours.ReadTimeoutError,
            {"received": 1, "required": 2, "data_retrieved": True},
        ),
        (
            TIMED_OUT.format("write", "consistency: All, received: 1, required: 3, write_type: BATCH_LOG"),
            ours.WriteTimeoutError,
            {"consistency": "ALL", "write_type": "BATCH_LOG"},
        ),
        (
            "A non-timeout error during a read request (consistency: One, received: 0, numfailures: 1)",
            ours.ReadFailureError,
            {"failures": 1, "consistency": "ONE"},
        ),
        (
            "A non-timeout error during a write request (numfailures: 1, write_type: SIMPLE)",
            ours.WriteFailureError,
            {"failures": 1, "write_type": "SIMPLE"},
        ),
        (
            "User defined function failed during execution (keyspace: ks, function: f, arg_types: [])",
            ours.FunctionFailureError,
            {"keyspace": "ks", "function": "f"},
        ),
        ("The request cannot be processed because the coordinator node is overloaded", OVERLOADED, {}),
        ("The coordinator node is still bootstrapping", OVERLOADED, {}),
        ("The logged user doesn't have the right to perform the query", ours.UnauthorizedError, {}),
        ("Internal server error. This indicates a server-side bug", ours.ServerError, {}),
    ],
)
def test_what_servers_say(sentence: str, kind: type[Exception], attributes: dict[str, object]) -> None:
    """Each sentence has its error, with the numbers that it names and the server's own words."""
    error = translated(RuntimeError(f"{PREFIX}{sentence}, Error message: because"), "SELECT 1", 2.0)
    assert type(error) is kind
    assert "because" in str(error)
    assert {name: getattr(error, name) for name in attributes} == attributes
    assert getattr(error, "statement", None) == "SELECT 1"


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (RuntimeError("Request execution exceeded a client timeout of 2000ms"), ours.RequestTimeoutError),
        (TimeoutError(), ours.RequestTimeoutError),
        (RuntimeError("Connection broken, reason: reset"), ours.ConnectionLostError),
        (
            RuntimeError("The pool is broken; Last connection failed with: refused"),
            ours.ConnectionFailedError,
        ),
        (RuntimeError("what nobody has heard of"), ours.ServerError),
    ],
)
def test_what_the_client_says(raised: Exception, kind: type[Exception]) -> None:
    """Timeouts and lost connections differ from errors of servers; the rest has a class, too."""
    assert type(translated(raised, "SELECT 1", 2.0)) is kind


def test_stale_statements() -> None:
    """A statement whose id changed is to be prepared anew."""
    assert is_stale(RuntimeError("Prepared statement id changed after repreparation; md5 sum …"))
    assert is_stale(RuntimeError(f"{PREFIX}Tried to execute a prepared statement that is not prepared."))
    assert not is_stale(RuntimeError("Prepared"))


def test_refused_credentials() -> None:
    """They differ from unreachable hosts."""
    error = could_not_connect(RuntimeError("Authentication failed - bad credentials"), ("a",))
    assert type(error) is ours.AuthenticationError
    assert type(could_not_connect(RuntimeError("refused"), ("a",))) is ours.ConnectionFailedError
