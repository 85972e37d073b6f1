"""CQL types with values of them, for property tests; and prepared statements as the cache has them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from cassandra.protocol import ColumnMetadata
from cassandra.query import PreparedStatement
from coodie_core.tests.cassandra.conftest import Types
from hypothesis import settings
from hypothesis import strategies as st

from coodie import Codec
from coodie.codec_registry import Codecs
from coodie.cql import inspect_statement
from coodie.drivers.cassandra._dependencies import Dependencies
from coodie.drivers.cassandra._prepared import SessionStatement
from coodie.drivers.cassandra.values.binding import binders
from coodie.drivers.cassandra.values.types import cql_name
from coodie.types import Duration

__all__ = [
    "Wrapped",
    "cql_types",
    "cql_values",
    "odd_parameters",
    "parameters",
    "prepared",
    "quickly",
    "scattered",
    "type_of",
    "wrapping",
]

#: For properties that many examples wouldn't say more about, on machines that may be busy.
quickly = settings(max_examples=40, deadline=None)


def _integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@st.composite
def _durations(draw: st.DrawFn) -> Duration:
    sign = draw(st.sampled_from([1, -1]))
    return Duration(*[sign * draw(st.integers(0, 2**bits - 1)) for bits in (31, 31, 63)])


#: The values of each scalar type; those that Python has in more than one way are compared elsewhere.
_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "ascii": st.text(st.characters(max_codepoint=127), max_size=20),
    "bigint": _integers(64),
    "blob": st.binary(max_size=20),
    "boolean": st.booleans(),
    "counter": _integers(64),
    "date": st.dates(),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False),
    "duration": _durations(),
    "float": st.floats(width=32, allow_nan=False),
    "inet": st.ip_addresses().map(str),
    "int": _integers(32),
    "smallint": _integers(16),
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    "time": st.times(),
    "timestamp": st.datetimes().map(lambda moment: moment.replace(microsecond=0)),
    "timeuuid": st.uuids(version=1),
    "tinyint": _integers(8),
    "uuid": st.uuids(),
    "varint": st.integers(),
}

#: Types made of others, each with its values.
_COMPOUND: dict[str, st.SearchStrategy[Any]] = {
    "list<int>": st.lists(_SCALARS["int"], max_size=4),
    "list<frozen<map<text, timestamp>>>": st.lists(
        st.dictionaries(_SCALARS["text"], _SCALARS["timestamp"], max_size=2), max_size=2
    ),
    "set<text>": st.sets(_SCALARS["text"], max_size=4),
    "map<int, decimal>": st.dictionaries(_SCALARS["int"], _SCALARS["decimal"], max_size=3),
    "tuple<int, text, uuid>": st.tuples(
        *[st.none() | _SCALARS[name] for name in ("int", "text", "uuid")],
    ),
    "vector<float, 3>": st.lists(_SCALARS["float"], min_size=3, max_size=3),
    "vector<bigint, 2>": st.lists(_SCALARS["bigint"], min_size=2, max_size=2),
    "vector<text, 2>": st.lists(_SCALARS["text"], min_size=2, max_size=2),
    "reversed<int>": _SCALARS["int"],
    "frozen<list<date>>": st.lists(_SCALARS["date"], max_size=3),
    "address": st.fixed_dictionaries({"street": st.none() | _SCALARS["text"], "zip": _SCALARS["int"]}),
    "list<frozen<address>>": st.lists(
        st.fixed_dictionaries({"street": _SCALARS["text"], "zip": _SCALARS["int"]}), max_size=2
    ),
}

_VALUES = {**_SCALARS, **_COMPOUND}

#: What is of no column's usual type, or out of its range.
_ODD: st.SearchStrategy[Any] = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.booleans(),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.datetimes(timezones=st.just(dt.timezone.utc)),
    st.builds(object),
    st.builds(bytearray, st.binary(max_size=5)),
)


@cache
def _types() -> Types:
    types = Types()
    types.udt("address", {"street": "text", "zip": "int"})
    return types


@cache
def type_of(cql: str) -> Any:
    """Return the driver's class for a CQL type."""
    return _types()(cql)


def cql_types() -> st.SearchStrategy[list[str]]:
    """Draw the types of a statement's columns."""
    return st.lists(st.sampled_from(sorted(_VALUES)), min_size=1, max_size=6)


def cql_values(cql: str) -> st.SearchStrategy[Any]:
    """Draw a value of a type."""
    return _VALUES[cql]


def parameters(types: list[str], *others: Any) -> st.SearchStrategy[list[Any]]:
    """Draw parameters that fit columns of these types; any of them may be one of the others instead."""
    return st.tuples(*[st.one_of(_VALUES[cql], *[st.just(other) for other in others]) for cql in types]).map(
        list
    )


def odd_parameters(types: list[str]) -> st.SearchStrategy[list[Any]]:
    """Draw parameters of which some don't fit."""
    return st.tuples(*[_VALUES[cql] | _ODD | st.none() for cql in types]).map(list)


def prepared(
    types: list[str],
    *,
    version: int = 5,
    keys: list[int] | None = None,
    metadata_id: bytes | None = b"meta",
    codecs: Codecs | None = None,
) -> SessionStatement:
    """Make a prepared statement of markers c0, c1 and so on, as the cache has it.

    Args:
        types: The CQL types of its bind markers.
        version: The protocol version.
        keys: Which of them are the partition key.
        metadata_id: The id of its result metadata.
        codecs: The driver's codecs.
    """
    columns = [ColumnMetadata("ks", "t", f"c{n}", type_of(cql)) for n, cql in enumerate(types)]
    stmt = f"INSERT INTO ks.t (…) VALUES ({', '.join('?' for _ in types)})"
    statement = PreparedStatement(columns, b"statement", keys, stmt, "ks", version, None, metadata_id)
    bind = binders(columns, codecs=codecs)
    return SessionStatement(stmt, statement, inspect_statement(stmt), columns, bind, Dependencies())


@dataclass(frozen=True)
class Wrapped:
    """A value of a program's own type."""

    value: Any


def wrapping(*types: str) -> Codecs:
    """Return codecs that wrap all values of these types, except counters."""
    names = dict.fromkeys([cql_name(type_of(cql)) for cql in types if cql != "counter"])
    return Codecs([Codec(name, Wrapped, attrgetter("value"), Wrapped) for name in names])


@st.composite
def scattered(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Draw a way in which a socket may hand out bytes: any pieces of them, in order."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]
