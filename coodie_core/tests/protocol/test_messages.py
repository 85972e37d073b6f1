"""What clients send: the driver's bytes, one for one, and read out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cassandra.protocol import (
    AuthResponseMessage,
    BatchMessage,
    ExecuteMessage,
    PrepareMessage,
    QueryMessage,
    StartupMessage,
)
from cassandra.query import BatchType
from coodie_core.tests.cassandra.fastpath.arbitrary import quickly
from coodie_core.tests.protocol.drivers_codec import body_of
from hypothesis import given
from hypothesis import strategies as st

from coodie.protocol import messages
from coodie.protocol.codec import INT, encode_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSIONS = st.sampled_from([4, 5])
_LEVELS = st.integers(0, 10)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_IDS = st.binary(min_size=1, max_size=20)
_SERIAL = st.none() | st.sampled_from([8, 9])
_TIMESTAMPS = st.none() | st.integers(0, 2**63 - 1)  # the drivers write no other
_VALUES = st.lists(st.binary(max_size=5), max_size=3)


def _values(values: Sequence[bytes]) -> bytes:
    return b"".join(map(encode_bytes, values))


@quickly
@given(st.dictionaries(_TEXTS, _TEXTS, max_size=3))
def test_startup(options: dict[str, str]) -> None:
    """The version of CQL, and what else a client says; the order is nobody's concern."""
    options.pop("CQL_VERSION", None)
    ordered = {"CQL_VERSION": "3.0.0", **options}
    assert messages.startup_body(options) == body_of(_Ordered(ordered), 4)
    assert messages.startup_body() == body_of(StartupMessage("3.0.0", {}), 4)


class _Ordered(StartupMessage):  # type: ignore[misc]  # the drivers have no types
    """The driver's STARTUP, which otherwise writes the version of CQL last."""

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__(options["CQL_VERSION"], options)


@quickly
@given(_TEXTS, _TEXTS)
def test_a_login(username: str, password: str) -> None:
    """The token of SASL's PLAIN, as the driver's PlainTextAuthProvider makes it."""
    from cassandra.auth import PlainTextAuthenticator

    token = PlainTextAuthenticator(username, password).evaluate_challenge(b"PLAIN-START")
    assert messages.plain_token(username, password) == token
    assert messages.auth_response_body(token) == body_of(AuthResponseMessage(token), 4)


@quickly
@given(_TEXTS, _LEVELS, _VERSIONS)
def test_query(statement: str, level: int, version: int) -> None:
    """A statement without values; its text is read back."""
    body = messages.query_body(statement, level, version)
    assert body == body_of(QueryMessage(statement, level), version)
    assert messages.statement_text(body) == statement
    # Nothing of the driver's asks for this; its place among the flags is that of the driver's other requests.
    without = messages.query_body(statement, level, version, skips_metadata=True)
    assert without == body[:-1] + b"\2"


@quickly
@given(_TEXTS, _VERSIONS)
def test_prepare(statement: str, version: int) -> None:
    """The text of a PREPARE is read, whatever the version."""
    assert messages.statement_text(body_of(PrepareMessage(statement), version)) == statement


@quickly
@given(
    statement=_IDS,
    metadata=st.none() | _IDS,
    values=_VALUES,
    level=_LEVELS,
    serial=_SERIAL,
    timestamp=_TIMESTAMPS,
    version=_VERSIONS,
)
def test_execute(
    statement: bytes,
    metadata: bytes | None,
    values: list[bytes],
    level: int,
    serial: int | None,
    timestamp: int | None,
    version: int,
) -> None:
    """Head, values and what follows; the statement's id is read back."""
    flags = messages.PAGE_SIZE | messages.optional_flags(serial, timestamp)
    head = messages.execute_head(statement, metadata, len(values), level, flags, version)
    body = head + _values(values) + INT.pack(9) + messages.optional_parameters(serial, timestamp)
    theirs: Any = ExecuteMessage(
        statement,
        values or None,
        level,
        serial,
        fetch_size=9,
        timestamp=timestamp,
        result_metadata_id=metadata or b"",
    )
    assert body == body_of(theirs, version)
    assert messages.statement_id(body) == statement


@quickly
@given(
    several=st.lists(st.tuples(_IDS, _VALUES), max_size=3),
    level=_LEVELS,
    serial=_SERIAL,
    timestamp=_TIMESTAMPS,
    version=_VERSIONS,
)
def test_batch(
    several: list[tuple[bytes, list[bytes]]],
    level: int,
    serial: int | None,
    timestamp: int | None,
    version: int,
) -> None:
    """Prepared statements, each with its values."""
    parts = [messages.batch_part(statement, len(values)) + _values(values) for statement, values in several]
    body = messages.batch_body(1, parts, level, serial, timestamp, version)
    queries = [(True, statement, values) for statement, values in several]
    theirs = BatchMessage(BatchType.UNLOGGED, queries, level, serial, timestamp)
    assert body == body_of(theirs, version)
