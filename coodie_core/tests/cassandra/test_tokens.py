"""Keys for tokens, and statements that are routed by them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from cassandra.metadata import Murmur3Token
from coodie_core.tests.cassandra.fastpath.arbitrary import prepared
from hypothesis import given, settings
from hypothesis import strategies as st

from coodie import RequestOptions
from coodie.cql import Kind
from coodie.drivers.cassandra._bound import bound_statement
from coodie.drivers.cassandra._session import ExecutionSettings
from coodie.drivers.cassandra._tokens import key_of_token
from coodie.drivers.cassandra.fastpath.request import FastRequest
from coodie.drivers.cassandra.fastpath.routing import Route


@settings(deadline=None)
@given(token=st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_key_of_a_token(token: int) -> None:
    """The driver's hash of the key is the token."""
    assert Murmur3Token.from_key(key_of_token(token)).value == token


def test_a_bound_statement_takes_a_key() -> None:
    """A key that is set takes the place of the values' one, or of none."""
    for keys in ([0], None):
        bound = bound_statement(prepared(["int"], keys=keys), "SELECT", [7])
        assert bound.routing_key == (b"\0\0\0\x07" if keys else None)
        bound.routing_key = b"key"
        assert bound.routing_key == b"key"


def test_a_fast_request_takes_a_token() -> None:
    """A request with a routing token is routed by a key of it."""
    route: Any = lambda _, level: Route("ks", "t", None, level, conditional=False)  # noqa: E731
    statement: Any = SimpleNamespace(route=route, results=None)
    for options, key in ((None, None), (RequestOptions(routing_token=5), key_of_token(5))):
        settings = ExecutionSettings("SELECT", Kind.READ, 1.0, repeatable=True, options=options)
        path: Any = None
        request = FastRequest(path, 10, b"", settings, None, statement, b"", 1)
        assert request.route().routing_key == key
