"""Each exception of the backend's driver becomes the error of ours that says the same."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Any

import cassandra
import pytest
from cassandra import ConsistencyLevel, WriteType, connection, protocol
from cassandra.cluster import NoHostAvailable
from cassandra.pool import NoConnectionsAvailable

from coodie import exceptions as ours
from coodie.drivers.cassandra._connection import with_connect_errors
from coodie.drivers.cassandra._errors import Fate, translate
from coodie.protocol.error_codes import Write

_STMT = "SELECT a FROM b"


def _message(kind: Any, text: str = "said", info: Any = None) -> Any:
    return kind(code=kind.error_code, message=text, info=info)


_CASES: list[tuple[BaseException, type[ours.CoodieError], type[BaseException]]] = [
    (cassandra.OperationTimedOut({"h": "x"}), ours.RequestTimeoutError, TimeoutError),
    (
        cassandra.ReadTimeout(
            "m",
            consistency=ConsistencyLevel.QUORUM,
            required_responses=2,
            received_responses=1,
            data_retrieved=False,
        ),
        ours.ReadTimeoutError,
        TimeoutError,
    ),
    (
        cassandra.WriteTimeout("m", write_type=WriteType.CAS, consistency=ConsistencyLevel.ONE),
        ours.WriteTimeoutError,
        TimeoutError,
    ),
    (
        cassandra.Unavailable("m", consistency=ConsistencyLevel.ALL, required_replicas=3, alive_replicas=1),
        ours.UnavailableError,
        ConnectionError,
    ),
    (cassandra.ReadFailure("m", data_retrieved=True), ours.ReadFailureError, ours.ServerError),
    (
        cassandra.WriteFailure("m", write_type=WriteType.SIMPLE),
        ours.WriteFailureError,
        ours.ServerError,
    ),
    (cassandra.FunctionFailure("m", "ks", "f", []), ours.FunctionFailureError, ours.ServerError),
    (cassandra.AlreadyExists("ks", "t"), ours.AlreadyExistsError, ours.InvalidQueryError),
    (cassandra.AlreadyExists("ks"), ours.AlreadyExistsError, ValueError),
    (cassandra.Unauthorized("no"), ours.UnauthorizedError, PermissionError),
    (cassandra.InvalidRequest("no"), ours.InvalidQueryError, ValueError),
    (cassandra.ConfigurationException("no"), ours.InvalidQueryError, ValueError),
    (_message(protocol.SyntaxException), ours.QuerySyntaxError, ValueError),
    (_message(protocol.OverloadedErrorMessage), ours.OverloadedError, ConnectionError),
    (_message(protocol.IsBootstrappingErrorMessage), ours.OverloadedError, ConnectionError),
    (_message(protocol.ServerError), ours.ServerError, ours.RequestError),
    (_message(protocol.TruncateError), ours.ServerError, ours.RequestError),
    (_message(protocol.ProtocolException), ours.ServerError, ours.RequestError),
    (cassandra.AuthenticationFailed("no"), ours.AuthenticationError, PermissionError),
    (_message(protocol.BadCredentials), ours.AuthenticationError, ConnectionError),
    (NoConnectionsAvailable("busy"), ours.OverloadedError, ConnectionError),
    (connection.ConnectionBusy("busy"), ours.OverloadedError, ConnectionError),
    (connection.ConnectionShutdown("gone"), ours.ConnectionFailedError, ConnectionError),
    (ConnectionResetError("reset"), ours.ConnectionFailedError, OSError),
    (ssl.SSLError("tls"), ours.ConnectionFailedError, ConnectionError),
    (cassandra.UnsupportedOperation("no"), ours.UnsupportedError, NotImplementedError),
    (RuntimeError("strange"), ours.RequestError, ours.CoodieError),
]


@pytest.mark.parametrize(("raised", "kind", "also"), _CASES, ids=lambda v: getattr(v, "__name__", None))
def test_translation(raised: BaseException, kind: type, also: type) -> None:
    """The class is exact, the builtin fits, the cause is the driver's exception."""
    error = translate(raised, _STMT, 2.5)
    assert type(error) is kind
    assert isinstance(error, also)
    assert error.__cause__ is raised
    if isinstance(error, ours.RequestError):
        assert error.statement == _STMT


def test_what_the_server_counts_is_on_the_error() -> None:
    """Consistency by name, replicas by number."""
    read: Any = translate(_CASES[1][0])
    assert (read.consistency, read.required, read.received, read.data_retrieved) == ("QUORUM", 2, 1, False)
    write: Any = translate(_CASES[2][0])
    assert (write.write_type, write.consistency, write.timeout) == ("CAS", "ONE", None)
    unavailable: Any = translate(_CASES[3][0])
    assert (unavailable.consistency, unavailable.required, unavailable.alive) == ("ALL", 3, 1)
    exists: Any = translate(_CASES[7][0])
    assert (exists.keyspace, exists.table) == ("ks", "t")
    function: Any = translate(_CASES[6][0])
    assert (function.keyspace, function.function) == ("ks", "f")
    timed_out: Any = translate(_CASES[0][0], _STMT, 2.5)
    assert timed_out.timeout == 2.5


def test_one_kind_of_answer_from_all_hosts_is_that_answer() -> None:
    """The driver wraps what the last host said into NoHostAvailable; the kind comes through."""
    same = NoHostAvailable("no", {"a": _CASES[3][0], "b": _CASES[3][0]})
    error = translate(same)
    assert type(error) is ours.UnavailableError
    assert error.__cause__ is same
    login = translate(NoHostAvailable("no", {"a": cassandra.AuthenticationFailed("x")}))
    assert type(login) is ours.AuthenticationError
    assert list(login.hosts) == ["a"]
    mixed = translate(NoHostAvailable("no", {"a": _CASES[3][0], "b": ConnectionRefusedError("x")}))
    assert type(mixed) is ours.ConnectionFailedError
    assert set(mixed.hosts) == {"a", "b"}
    nowhere = translate(NoHostAvailable("no pools", {}))
    assert "no pools" in str(nowhere)


@pytest.mark.parametrize("wrapped", [False, True])
def test_too_few_alive_for_a_conditional_write(wrapped: bool) -> None:
    """It may have been applied, and the error says so, in words and as an attribute."""
    unavailable = _CASES[3][0]
    raised = NoHostAvailable("no", {"a": unavailable}) if wrapped else unavailable
    plain: Any = translate(raised, _STMT, fate=Fate(Write.SINGLE, sent=True))
    assert (plain.may_have_been_applied, "nothing was done" in str(plain)) == (False, True)
    error: Any = translate(raised, _STMT, fate=Fate(Write.CONDITIONAL, sent=True))
    assert type(error) is ours.UnavailableError
    assert error.may_have_been_applied
    assert "may have been applied" in str(error)
    assert "nothing was done" not in str(error)
    assert (error.consistency, error.required, error.alive, error.statement) == ("ALL", 3, 1, _STMT)
    assert error.__cause__ is raised


@pytest.mark.parametrize("raised", [_CASES[3][0], _message(protocol.OverloadedErrorMessage)])
def test_an_error_tells_of_all_attempts(raised: BaseException) -> None:
    """Nothing was done by the last one; what an earlier one did isn't known, and so it isn't said."""
    error = translate(raised, _STMT, fate=Fate(Write.SINGLE, sent=True, doubt=True))
    assert error.may_have_been_applied
    assert "earlier attempt may have been applied" in str(error)
    assert "nothing was done" not in str(error)


def _cluster(connect_errors: dict[str, Any]) -> Any:
    """Make what a cluster of four nodes knows; the third one is up."""
    hosts = [SimpleNamespace(endpoint=name, is_up=name == "c") for name in "abcd"]
    return SimpleNamespace(
        connection_class=SimpleNamespace(connect_errors=connect_errors),
        metadata=SimpleNamespace(all_hosts=lambda: hosts),
    )


@pytest.mark.parametrize("errors", [["10.0.0.1"], {}])
def test_why_no_node_could_be_asked(errors: Any) -> None:
    """Each node that can't be reached is named with the reason; others than the cluster's aren't."""
    failures: dict[str, Any] = {"a": ssl.SSLError("bad certificate"), "z": OSError("gone")}
    error = translate(with_connect_errors(NoHostAvailable("none", errors), _cluster(failures)))
    assert type(error) is ours.ConnectionFailedError
    assert list(error.hosts) == ["a", "b", "d"]
    assert "bad certificate" in error.hosts["a"]
    assert "marked the host down" in error.hosts["b"]


def test_a_reason_takes_no_answers_place() -> None:
    """It stands where the driver says that a host is down, and not where a server has answered."""
    refused: Any = cassandra.AuthenticationFailed("who?")
    found = {"a": connection.ConnectionException("marked down"), "b": _CASES[3][0], "d": OSError("x")}
    raised = NoHostAvailable("none", found)
    named = with_connect_errors(raised, _cluster({"a": refused, "b": refused, "c": refused}))
    assert named.errors == found | {"a": refused, "c": refused}
    assert named.__cause__ is raised
    only = NoHostAvailable("none", {})
    everywhere = _cluster(dict.fromkeys("abcd", refused))
    assert type(translate(with_connect_errors(only, everywhere))) is ours.AuthenticationError
    other = OSError("x")
    assert with_connect_errors(other, everywhere) is other


@pytest.mark.parametrize(
    ("stmt", "hint"),
    [
        ("SELECT * FROM t WHERE k = %s", "%s isn't a CQL bind marker: write ? or :name."),
        ("SELECT * FROM t WHERE k = %(key)s", "%(key)s isn't a CQL bind marker"),
        ("SELECT * FROM t WHERE k = %('a')s", "%s isn't a CQL bind marker"),
        ("SELEC '%s'", None),
        ("SELEC a % s", "%s isn't a CQL"),
        ("SELEC a % b", None),
    ],
)
def test_markers_of_other_drivers(stmt: str, hint: str | None) -> None:
    """The server says where the text isn't CQL, and we what to write."""
    error = translate(_message(protocol.SyntaxException), stmt)
    assert type(error) is ours.QuerySyntaxError
    assert error.hint is None if hint is None else hint in str(error)


def test_a_timeout_of_connecting() -> None:
    """It is none of a request, for which another option stands."""
    slow = cassandra.OperationTimedOut("Timed out creating connection (1 seconds)")
    error = translate(NoHostAvailable("none", {"a": slow, "b": cassandra.OperationTimedOut()}))
    assert type(error) is ours.ConnectionFailedError
    assert error.hosts == {
        "a": "OperationTimedOut: Timed out creating connection (1 seconds)",
        "b": "OperationTimedOut: no response in time",
    }
    assert "both connect_timeout= and control_connection_timeout=" in str(error)


def test_lost_or_never_sent() -> None:
    """A connection that ends under a request has a class of its own."""
    reset = ConnectionResetError("reset")
    lost = translate(reset, _STMT, fate=Fate(Write.SINGLE, sent=True))
    assert (type(lost), lost.may_have_been_applied) == (ours.ConnectionLostError, True)
    never = translate(reset, _STMT, fate=Fate(Write.SINGLE))
    assert (type(never), never.may_have_been_applied) == (ours.ConnectionFailedError, False)
    read = translate(reset, _STMT, fate=Fate(Write.NONE, sent=True))
    assert (type(read), read.may_have_been_applied) == (ours.ConnectionLostError, False)


def test_ours_stay_ours() -> None:
    """An error that is translated already is left alone."""
    error = ours.PagingStateError("x")
    assert translate(error) is error
