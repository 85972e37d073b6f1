"""The driver's types by their CQL names, and its own parsers to decode with; no server."""

from __future__ import annotations

import io
import re
import struct
from typing import TYPE_CHECKING, Any

import pytest
from cassandra import cqltypes, protocol
from cassandra.protocol import ColumnMetadata

from coodie.drivers.cassandra.values.binding import bind_values, binders
from coodie.drivers.cassandra.values.lenient_decoding import exact_protocol_handler
from coodie.drivers.cassandra.values.rows import build_rows, row_converters
from coodie.drivers.cassandra.values.vectors import vector_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SCALARS: dict[str, Any] = {
    "ascii": cqltypes.AsciiType,
    "bigint": cqltypes.LongType,
    "blob": cqltypes.BytesType,
    "boolean": cqltypes.BooleanType,
    "counter": cqltypes.CounterColumnType,
    "date": cqltypes.SimpleDateType,
    "decimal": cqltypes.DecimalType,
    "double": cqltypes.DoubleType,
    "duration": cqltypes.DurationType,
    "float": cqltypes.FloatType,
    "inet": cqltypes.InetAddressType,
    "int": cqltypes.Int32Type,
    "smallint": cqltypes.ShortType,
    "text": cqltypes.VarcharType,
    "time": cqltypes.TimeType,
    "timestamp": cqltypes.DateType,
    "timeuuid": cqltypes.TimeUUIDType,
    "tinyint": cqltypes.ByteType,
    "uuid": cqltypes.UUIDType,
    "varint": cqltypes.IntegerType,
}
_PARAMETERISED: dict[str, Any] = {
    "frozen": cqltypes.FrozenType,
    "list": cqltypes.ListType,
    "map": cqltypes.MapType,
    "reversed": cqltypes.ReversedType,
    "set": cqltypes.SetType,
    "tuple": cqltypes.TupleType,
}

#: The flag of result metadata that leaves the columns out.
_NO_METADATA = 4


def _parse(tokens: list[str], udts: dict[str, Any]) -> Any:
    name = tokens.pop(0)
    if name in _SCALARS:
        return _SCALARS[name]
    if name in udts:
        return udts[name]
    tokens.pop(0)
    parts: list[Any] = []
    while tokens[0] != ">":
        parts.append(int(tokens.pop(0)) if tokens[0].isdigit() else _parse(tokens, udts))
    tokens.pop(0)
    if name == "vector":
        return vector_type(*parts)
    return _PARAMETERISED[name].apply_parameters(tuple(parts))


class Types:
    """Make the driver's type classes as its protocol does."""

    def __init__(self) -> None:
        self.udts: dict[str, Any] = {}

    def __call__(self, cql: str) -> Any:
        """Return the type class for a CQL type, such as "map<text, list<int>>"."""
        return _parse(re.findall(r"[\w]+|[<>]", cql), self.udts)

    def udt(self, name: str, fields: dict[str, str], mapped_class: Any = None) -> Any:
        """Make a user type; it can be named in other types from then on."""
        made = cqltypes.UserType.make_udt_class("ks", name, tuple(fields), tuple(map(self, fields.values())))
        made.mapped_class = mapped_class
        self.udts[name] = made
        return made


@pytest.fixture
def types() -> Types:
    """Give the driver's type classes by their CQL names."""
    return Types()


@pytest.fixture
def columns(types: Types) -> Callable[..., list[ColumnMetadata]]:
    """Make the bind markers of a prepared statement: name=cql."""

    def make(**named: str) -> list[ColumnMetadata]:
        return [ColumnMetadata("ks", "t", name, types(cql)) for name, cql in named.items()]

    return make


@pytest.fixture
def bind(types: Types) -> Callable[[str, Any], Any]:
    """Bind one value to a CQL type; what the driver's serialiser will be given."""

    def bind_one(cql: str, value: Any) -> Any:
        column = [ColumnMetadata("ks", "t", "c", types(cql))]
        (bound,) = bind_values(column, binders(column), [value], "INSERT …")
        return bound

    return bind_one


@pytest.fixture
def encode(types: Types, bind: Callable[[str, Any], Any]) -> Callable[[str, Any], bytes]:
    """Bind one value and have the driver serialise it."""

    def encode_one(cql: str, value: Any) -> bytes:
        return bytes(types(cql).serialize(bind(cql, value), 5))

    return encode_one


#: Each handler with and without our own decoding: compiled, and pure Python as on PyPy.
HANDLERS: dict[str, Any] = {
    "compiled": protocol.ProtocolHandler,
    "python": protocol._ProtocolHandler,
    "exact-compiled": exact_protocol_handler(),
    "exact-python": exact_protocol_handler(protocol._ProtocolHandler),
}


def parse_rows(
    handler: Any, types: Sequence[Any], rows: Sequence[Sequence[bytes | None]], policy: Any = None
) -> Any:
    """Decode rows with a handler's own result message; the metadata came with PREPARE."""
    cells = [
        struct.pack(">i", -1) if cell is None else struct.pack(">i", len(cell)) + cell
        for row in rows
        for cell in row
    ]
    frame = struct.pack(">iii", _NO_METADATA, len(types), len(rows)) + b"".join(cells)
    metadata = [("ks", "t", f"c{n}", typ) for n, typ in enumerate(types)]
    message = handler.message_types_by_opcode[protocol.ResultMessage.opcode](protocol.RESULT_KIND_ROWS)
    message.recv_results_rows(io.BytesIO(frame), 5, {}, metadata, policy)
    return message


@pytest.fixture
def parse() -> Callable[..., Any]:
    """Decode the cells of rows with a handler, into its result message."""
    return parse_rows


@pytest.fixture(params=list(HANDLERS))
def handler(request: pytest.FixtureRequest) -> Any:
    """Give each way to decode in turn."""
    return HANDLERS[request.param]


@pytest.fixture(params=["exact-compiled", "exact-python"])
def exact_handler(request: pytest.FixtureRequest) -> Any:
    """Give each of our own handlers in turn."""
    return HANDLERS[request.param]


@pytest.fixture
def read(types: Types) -> Callable[..., Any]:
    """Decode one cell with a handler and convert it as a row's column is."""

    def read_one(handler: Any, cql: str, cell: bytes | None, *, aware: bool = False) -> Any:
        message = parse_rows(handler, [types(cql)], [[cell]])
        converters = row_converters(message.column_types, aware_timestamps=aware)
        (row,) = build_rows(message.column_names, message.parsed_rows, converters)
        return row["c0"]

    return read_one
