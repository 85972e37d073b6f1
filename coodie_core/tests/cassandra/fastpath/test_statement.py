"""Bodies of EXECUTE and BATCH: the driver's, byte for byte."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from cassandra.protocol import BatchMessage, ExecuteMessage
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType
from coodie_core.tests.cassandra.fastpath.arbitrary import cql_types, parameters, prepared, quickly
from hypothesis import given
from hypothesis import strategies as st

from coodie.drivers.cassandra.fastpath.driver_internals import adopt_metadata
from coodie.drivers.cassandra.fastpath.statement import ExecuteOptions, FastStatement, routing_statement
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.protocol.messages import batch_body
from coodie.types import UNSET

if TYPE_CHECKING:
    from coodie.drivers.cassandra._prepared import SessionStatement

_VERSIONS = st.sampled_from([4, 5])
_LEVELS = st.integers(0, 10)
_SERIAL = st.none() | st.sampled_from([8, 9])
_TIMESTAMPS = st.none() | st.integers(0, 2**63 - 1)  # the drivers write no other
_STATES = st.none() | st.binary(min_size=1, max_size=20)


def _fast(entry: SessionStatement, version: int) -> FastStatement:
    return FastStatement(entry, version, {}, ValueOptions())


def _bound(entry: SessionStatement, params: Any) -> list[Any]:
    statement = _fast(entry, 5)
    assert statement.encode(params) is not None
    binds = zip(entry.binders, params, strict=True)
    values = [
        UNSET_VALUE if value is UNSET else None if value is None else bind(value) for bind, value in binds
    ]
    bound: list[Any] = entry.prepared.bind(values).values
    return bound


def _sent(message: Any, version: int) -> bytes:
    out = BytesIO()
    message.send_body(out, version)
    return out.getvalue()


@quickly
@given(
    types=st.just([]) | cql_types(),
    version=_VERSIONS,
    level=_LEVELS,
    serial=_SERIAL,
    timestamp=_TIMESTAMPS,
    fetch_size=st.integers(1, 2**31 - 1),
    state=_STATES,
    metadata_id=st.binary(min_size=1, max_size=16),
    data=st.data(),
)
def test_execute(
    types: list[str],
    version: int,
    level: int,
    serial: int | None,
    timestamp: int | None,
    fetch_size: int,
    state: bytes | None,
    metadata_id: bytes,
    data: st.DataObject,
) -> None:
    """With and without values, serial level, timestamp and paging state; twice, from what was kept."""
    entry = prepared(types, version=version, metadata_id=metadata_id)
    statement = _fast(entry, version)
    for _ in range(2):
        params = data.draw(parameters(types, None, UNSET))
        settings = ExecuteOptions(level, serial, timestamp, fetch_size)
        body = statement.body(statement.encode(params), settings, state)
        message = ExecuteMessage(
            b"statement",
            _bound(entry, params) or None,
            level,
            serial,
            fetch_size,
            state,
            timestamp,
            result_metadata_id=metadata_id,
        )
        assert body == _sent(message, version)


@quickly
@given(
    several=st.lists(cql_types(), min_size=1, max_size=4),
    version=_VERSIONS,
    kind=st.sampled_from([BatchType.LOGGED, BatchType.UNLOGGED, BatchType.COUNTER]),
    level=_LEVELS,
    serial=_SERIAL,
    timestamp=_TIMESTAMPS,
    data=st.data(),
)
def test_batch(
    several: list[list[str]],
    version: int,
    kind: Any,
    level: int,
    serial: int | None,
    timestamp: int | None,
    data: st.DataObject,
) -> None:
    """Several statements of each kind of batch, with and without serial level and timestamp."""
    parts, queries = [], []
    for types in several:
        entry = prepared(types, version=version)
        params = data.draw(parameters(types, None, UNSET))
        statement = _fast(entry, version)
        parts.append(statement.batch_part_of(statement.encode(params)))
        queries.append((True, b"statement", _bound(entry, params)))
    body = batch_body(kind.value, parts, level, serial, timestamp, version)
    assert body == _sent(BatchMessage(kind, queries, level, serial, timestamp), version)


def test_a_statement_without_markers_in_a_batch() -> None:
    """It says that it has no values, which a batch's part always has to."""
    entry = prepared([])
    statement = _fast(entry, 5)
    body = batch_body(0, [statement.batch_part_of(statement.encode([]))], 1, None, None, 5)
    assert body == _sent(BatchMessage(BatchType.LOGGED, [(True, b"statement", [])], 1), 5)


def test_a_new_metadata_id_is_sent_from_then_on() -> None:
    """What the server says of a changed result goes into the next request, not into those of version 4."""
    entry = prepared(["int"])
    statement = _fast(entry, 5)

    class Message:
        result_metadata_id = b"other"
        column_metadata = entry.columns

    def body() -> bytes:
        return statement.body(statement.encode([1]), ExecuteOptions(1, None, None, 100), None)

    assert b"\0\x04meta" in body()
    adopt_metadata(entry.prepared, Message())
    assert b"\0\x05other" in body()
    assert b"meta" not in body()
    assert entry.prepared.result_metadata == entry.columns
    assert b"other" not in _fast(entry, 4).body(b"", ExecuteOptions(1, None, None, 100), None)


@pytest.mark.parametrize("metadata", [None, []])
def test_no_new_metadata_changes_nothing(metadata: Any) -> None:
    """A message without an id or without columns leaves the statement as it was."""
    entry = prepared(["int"])

    class Message:
        result_metadata_id = None if metadata is None else b"other"
        column_metadata = metadata

    adopt_metadata(entry.prepared, Message())
    assert entry.prepared.result_metadata_id == b"meta"


def test_what_decides_where_it_goes() -> None:
    """Keyspace, table and key are the statement's; without a key there is none."""
    statement = _fast(prepared(["text", "int"], keys=[1]), 5)
    route = statement.route(statement.encode(["a", 1]), 6)
    assert (route.keyspace, route.table, route.routing_key) == ("ks", "t", b"\0\0\0\1")
    assert (route.consistency_level, route.is_lwt()) == (6, False)
    assert _fast(prepared(["int"]), 5).route(b"", 1).routing_key is None
    nothing = _fast(prepared([]), 5).route(b"", 1)
    assert (nothing.keyspace, nothing.table) == ("ks", "t")


@quickly
@given(
    parts=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=5), value=st.integers(0, 9)
)
def test_a_batch_goes_where_the_drivers_does(parts: list[tuple[bool, bool]], value: int) -> None:
    """By the first statement that has a partition key; and it is a transaction if any with a key is one."""
    batch = BatchStatement()
    statements, values = [], []
    for n, (has_key, conditional) in enumerate(parts):
        entry = prepared(["int"], keys=[0] if has_key else None)
        entry.prepared.is_lwt = lambda marked=conditional and has_key: marked
        statements.append(_fast(entry, 5))
        # The parts of a conditional batch are of one partition.
        one = value if any(key and marked for key, marked in parts) else value + n
        values.append(statements[-1].encode([one]))
        batch.add(entry.prepared.bind([one]))
    leader = routing_statement(statements)
    route = statements[leader].route(values[leader], 1)
    assert route.routing_key == batch.routing_key
    if hasattr(batch, "is_lwt"):
        assert route.is_lwt() == batch.is_lwt()
