"""The protocol handler that decodes what the drivers can't, on each of their parsers."""

from __future__ import annotations

import datetime as dt
import io
import struct
from typing import TYPE_CHECKING, Any

import pytest
from cassandra import DriverException, cqltypes, protocol, util
from cassandra.protocol import ColumnMetadata
from cassandra.query import PreparedStatement

from coodie.drivers.cassandra._customtypes import custom_type
from coodie.drivers.cassandra.values import lenient_decoding
from coodie.drivers.cassandra.values.binding import bind_values, binders
from coodie.drivers.cassandra.values.lenient_decoding import Undecodable, exact_protocol_handler
from coodie.drivers.cassandra.values.rows import build_rows, row_converters
from coodie.exceptions import RequestError
from coodie.types import Timestamp

if TYPE_CHECKING:
    from decimal import Decimal

#: Out of datetime's range: its ends, the ends of CQL's, and what 32-bit days mistake for a near year.
_FAR = [
    253_402_300_800_000,
    -62_135_596_800_001,
    2**63 - 1,
    -(2**63),
    2**32 * 86_400_000,
    -(2**32) * 86_400_000 + 5,
    1_484_300_000_000_000_000,
]

#: The drivers' own handlers, and ours on top of them.
_PAIRS = [
    pytest.param(protocol.ProtocolHandler, id="compiled"),
    pytest.param(protocol._ProtocolHandler, id="python"),
]


def _cell(milliseconds: int) -> bytes:
    return struct.pack(">q", milliseconds)


@pytest.mark.parametrize("base", _PAIRS)
@pytest.mark.parametrize("milliseconds", _FAR)
def test_far_timestamps_are_raw_values(base: Any, parse: Any, types: Any, milliseconds: int) -> None:
    """A timestamp that datetime can't hold is a Timestamp, where the driver raises, or is wrong."""
    typ = types("timestamp")
    try:
        ((wrong,),) = parse(base, [typ], [[_cell(milliseconds)]]).parsed_rows
    except DriverException:
        wrong = None
    assert wrong is None or isinstance(wrong, dt.datetime)
    message = parse(exact_protocol_handler(base), [typ, types("int")], [[_cell(milliseconds), b"\0\0\0\1"]])
    assert message.parsed_rows == [(Timestamp(milliseconds), 1)]


@pytest.mark.parametrize("base", _PAIRS)
@pytest.mark.parametrize(
    ("cql", "value"),
    [
        ("list<timestamp>", [Timestamp(2**62), dt.datetime(2024, 1, 1)]),
        ("set<timestamp>", {Timestamp(2**62), dt.datetime(2024, 1, 1)}),
        ("map<timestamp, timestamp>", {Timestamp(2**62): Timestamp(-(2**62))}),
        ("tuple<int, timestamp>", (None, Timestamp(2**62))),
        ("vector<timestamp, 2>", [Timestamp(2**62), dt.datetime(2024, 1, 1)]),
        ("map<int, frozen<list<frozen<tuple<timestamp, text>>>>>", {1: [(Timestamp(2**62), "a")]}),
        ("udt", {"t": Timestamp(2**62), "n": 1}),
        ("list<udt>", [{"t": Timestamp(2**62), "n": None}]),
        ("set<udt>", {(Timestamp(2**62), 1)}),
        ("reversed<timestamp>", Timestamp(2**62)),
    ],
)
def test_far_timestamps_inside_other_values(
    base: Any, types: Any, encode: Any, read: Any, cql: str, value: Any
) -> None:
    """They are found wherever they stand."""
    types.udt("udt", {"t": "timestamp", "n": "int"})
    assert read(exact_protocol_handler(base), cql, encode(cql, value)) == value


@pytest.mark.parametrize("base", _PAIRS)
def test_ordinary_results_are_decoded_by_the_driver_itself(base: Any, parse: Any, types: Any) -> None:
    """Columns without timestamps keep the driver's own types, so that its fast decoders are used."""
    own = [
        types(cql) for cql in ("int", "text", "decimal", "list<int>", "map<text, date>", "vector<float, 1>")
    ]
    cells = [b"\0\0\0\1", b"a", b"\0\0\0\0\1", struct.pack(">i", 0), struct.pack(">i", 0), b"\0\0\0\0"]
    message = parse(exact_protocol_handler(base), own, [cells])
    assert message.column_types == own
    assert message.parsed_rows == parse(base, own, [cells]).parsed_rows


@pytest.mark.parametrize("base", _PAIRS)
def test_huge_decimals_are_read_exactly(base: Any, parse: Any, types: Any, read: Any) -> None:
    """A decimal with more digits than Python puts in one string is read all the same."""
    unscaled = 10**5000 + 1
    cell = struct.pack(">i", 3) + unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big", signed=True)
    with pytest.raises(DriverException):
        parse(base, [types("decimal")], [[cell]])
    found: Decimal = read(exact_protocol_handler(base), "decimal", cell)
    assert found.as_tuple() == (0, (1, *[0] * 4999, 1), -3)
    for scale, digits in ((5, 3), (0, 0), (-3, -1)):
        small = struct.pack(">i", scale) + digits.to_bytes(1, "big", signed=True)
        exact = lenient_decoding._exact_decimal().deserialize(small, 5)
        assert exact.as_tuple() == cqltypes.DecimalType.deserialize(small, 5).as_tuple()


@pytest.mark.parametrize("base", _PAIRS)
@pytest.mark.parametrize(
    ("cql", "cell", "error"),
    [
        ("text", b"\xed\xa0\x80", UnicodeDecodeError),
        ("time", struct.pack(">q", 2**62), ValueError),
        ("list<text>", struct.pack(">ii", 1, 3) + b"\xed\xa0\x80", UnicodeDecodeError),
    ],
)
def test_what_nobody_can_decode_fails_its_request_only(
    base: Any, parse: Any, types: Any, cql: str, cell: bytes, error: type[Exception]
) -> None:
    """The message is decoded, so the connection lives; reading the column raises, the others are there."""
    columns = [types(cql), types("int")]
    with pytest.raises(DriverException):
        parse(base, columns, [[cell, b"\0\0\0\1"]])
    message = parse(exact_protocol_handler(base), columns, [[None, b"\0\0\0\1"], [cell, b"\0\0\0\2"]])
    (first, bad) = message.parsed_rows
    assert first == (None, 1)
    assert isinstance(bad[0], Undecodable)
    assert bad[0].data == cell
    assert isinstance(bad[0].error, error)
    assert repr(bad[0]) == f"<Undecodable: {type(bad[0].error).__name__}>"
    assert bad[1] == 2
    converters = row_converters(message.column_types, aware_timestamps=False)
    with pytest.raises(
        RequestError, match=r"can't decode a value of 'c0' \((text|time|list<text>)\)"
    ) as raised:
        build_rows(message.column_names, message.parsed_rows, converters)
    assert raised.value.__cause__ is bad[0].error
    assert build_rows(message.column_names[1:], [row[1:] for row in message.parsed_rows], converters[1:])


@pytest.mark.parametrize(
    ("cql", "cell"),
    [
        ("list<text>", struct.pack(">ii", 1, 3) + b"ab"),
        ("list<int>", struct.pack(">ii", 2**31 - 1, 0)),
        ("set<int>", struct.pack(">ii", 2, 4) + b"abcd"),
        ("map<int, text>", struct.pack(">iiii", 1, 4, 7, 2) + b"a"),
        ("tuple<int, text>", struct.pack(">iii", 4, 7, 3) + b"ab"),
        ("udt", struct.pack(">i", 3) + b"ab"),
        ("list<frozen<tuple<text>>>", struct.pack(">iii", 1, 6, 4) + b"ab"),
        ("composite", b"Brno"),
        ("composite", struct.pack(">H", 4) + b"Brno"),
        ("list<composite>", struct.pack(">ii", 1, 4) + b"Brno"),
    ],
)
def test_a_part_that_ends_too_early_isnt_decoded(parse: Any, types: Any, cql: str, cell: bytes) -> None:
    """Bytes that the driver's compiled decoder refuses aren't decoded to a part of the value."""
    types.udt("udt", {"n": "text"})
    composite = custom_type("org.apache.cassandra.db.marshal.CompositeType(UTF8Type,Int32Type)", {})
    types.udts["composite"] = composite
    columns = [types(cql), types("int")]
    with pytest.raises(DriverException):
        parse(protocol.ProtocolHandler, columns, [[cell, b"\0\0\0\1"]])
    ((bad, number),) = parse(exact_protocol_handler(), columns, [[cell, b"\0\0\0\1"]]).parsed_rows
    assert isinstance(bad, Undecodable)
    assert bad.data == cell
    assert number == 1


@pytest.mark.parametrize(
    ("cql", "cell", "value"),
    [
        ("list<text>", struct.pack(">iii", 2, -1, 2) + b"ab", [None, "ab"]),
        ("map<int, text>", struct.pack(">iiii", 1, 4, 7, 0), {7: ""}),
        ("tuple<int, text>", struct.pack(">ii", 4, 7), (7, None)),
        ("tuple<int, text>", struct.pack(">ii", -1, 0), (None, "")),
        ("composite", struct.pack(">H", 4) + b"Brno\0", ("Brno",)),
        ("composite", struct.pack(">H", 4) + b"Brno\0" + struct.pack(">Hi", 4, 7) + b"\0", ("Brno", 7)),
    ],
)
def test_whole_parts_beside_an_undecodable_value(
    parse: Any, types: Any, cql: str, cell: bytes, value: object
) -> None:
    """Nulls, empty parts and missing last ones are decoded as ever, in a row with an undecodable value."""
    composite = custom_type("org.apache.cassandra.db.marshal.CompositeType(UTF8Type,Int32Type)", {})
    types.udts["composite"] = composite
    message = parse(exact_protocol_handler(), [types(cql), types("text")], [[cell, b"\xff"]])
    ((whole, bad),) = message.parsed_rows
    assert isinstance(bad, Undecodable)
    convert, _ = row_converters(message.column_types, aware_timestamps=False)
    assert (whole if convert is None else convert(whole)) == value


@pytest.mark.parametrize("base", _PAIRS)
def test_columns_sent_with_the_rows(base: Any) -> None:
    """Metadata in the result itself is treated as that from PREPARE, and kept as the server sent it."""
    column = struct.pack(">H1s", 1, b"c") + struct.pack(">H", 0x0B)
    header = struct.pack(">ii", 1, 1) + struct.pack(">H2sH1s", 2, b"ks", 1, b"t") + column
    for milliseconds in (0, 2**62):
        frame = header + struct.pack(">ii", 1, 8) + _cell(milliseconds)
        message = exact_protocol_handler(base).message_types_by_opcode[8](protocol.RESULT_KIND_ROWS)
        message.recv_results_rows(io.BytesIO(frame), 4, {}, None, None)
        assert message.parsed_rows == [(Timestamp(2**62) if milliseconds else dt.datetime(1970, 1, 1),)]
        assert message.column_metadata == [("ks", "t", "c", cqltypes.DateType)]
        assert message.column_names == ["c"]


def test_a_prepared_statements_metadata_is_the_drivers_own() -> None:
    """What PREPARE answers through our handler is left alone: other handlers read by it, too."""
    column = struct.pack(">H1s", 1, b"c") + struct.pack(">H", 0x0B)
    frame = struct.pack(">ii", 1, 1) + struct.pack(">H2sH1s", 2, b"ks", 1, b"t") + column
    message = exact_protocol_handler().message_types_by_opcode[8](protocol.RESULT_KIND_PREPARED)
    message.recv_results_metadata(io.BytesIO(frame), {})
    assert message.column_metadata == [("ks", "t", "c", cqltypes.DateType)]


def test_the_driver_notices_nothing(parse: Any, types: Any) -> None:
    """Neither our messages nor our types enter the driver's own tables."""
    opcodes = protocol.get_registered_classes()
    named, by_cql = dict(cqltypes._casstypes), dict(cqltypes._cqltypes)
    for base in (protocol.ProtocolHandler, protocol._ProtocolHandler):
        parse(exact_protocol_handler(base), [types("timestamp")], [[_cell(2**62)]])
    parse(exact_protocol_handler(), [types("text")], [[b"\xff"]])
    assert protocol.get_registered_classes() == opcodes
    assert all(cqltypes._casstypes[name] is typ for name, typ in named.items())
    assert {name for name in cqltypes._casstypes if "xact" in name or "alvage" in name} == set()
    assert by_cql["timestamp"] is cqltypes._cqltypes["timestamp"]
    assert not any(value.__name__.startswith("_Exact") for value in cqltypes._cqltypes.values())


def test_a_sessions_own_handler_is_built_upon() -> None:
    """A handler with column encryption keeps it; the default one gives one class for all sessions."""

    class Encrypting(protocol.ProtocolHandler):  # type: ignore[misc]
        column_encryption_policy = object()

    ours = exact_protocol_handler(Encrypting)
    assert issubclass(ours, Encrypting)
    assert ours.column_encryption_policy is Encrypting.column_encryption_policy
    assert exact_protocol_handler() is exact_protocol_handler(protocol.ProtocolHandler)
    assert issubclass(exact_protocol_handler(), protocol.ProtocolHandler)


class _Policy:
    """Column encryption that turns the bytes of one column around."""

    def contains_column(self, described: Any) -> bool:
        return bool(described.col == "c0")

    def column_type(self, _: Any) -> Any:
        return cqltypes.SimpleDateType

    def encrypt(self, _: Any, data: bytes) -> bytes:
        return data[::-1]

    decrypt = encrypt


def test_encrypted_columns_have_the_types_of_their_values(types: Any, parse: Any) -> None:
    """The server knows an encrypted column as a blob; bound and read is what it holds."""
    columns = [
        ColumnMetadata("ks", "t", "c0", types("blob")),
        ColumnMetadata("ks", "t", "c1", types("blob")),
    ]
    day = dt.date(2024, 1, 1)
    bound = bind_values(columns, binders(columns, _Policy()), [day, b"ab"])
    prepared = PreparedStatement(
        columns, b"", None, "", "ks", 5, None, None, column_encryption_policy=_Policy()
    )
    cells = prepared.bind(bound).values
    assert cells == [struct.pack("<I", 2**31 + 19_723), b"ab"]
    message = parse(exact_protocol_handler(), [column.type for column in columns], [cells], _Policy())
    assert message.column_types == [cqltypes.SimpleDateType, cqltypes.BytesType]
    converters = row_converters(message.column_types, aware_timestamps=False)
    assert build_rows(message.column_names, message.parsed_rows, converters) == [{"c0": day, "c1": b"ab"}]


def test_whole_messages_go_through_decode_message(types: Any) -> None:
    """The handler's decode_message, whose signature differs between the drivers, uses our messages."""
    frame = struct.pack(">iii", protocol.RESULT_KIND_ROWS, 4, 1) + struct.pack(">ii", 1, 8) + _cell(2**62)
    metadata = [("ks", "t", "c", types("timestamp"))]
    arguments: tuple[Any, ...] = ({}, 7, 0, 8, frame, None, metadata)
    try:
        from cassandra.protocol_features import ProtocolFeatures
    except ImportError:
        message = exact_protocol_handler().decode_message(5, *arguments)
    else:
        message = exact_protocol_handler().decode_message(5, ProtocolFeatures(), *arguments)
    assert message.stream_id == 7
    assert message.parsed_rows == [(Timestamp(2**62),)]


def test_the_probe_knows_this_drivers_faults() -> None:
    """scylla-driver's compiled decoder wraps far timestamps around, so that it is never asked."""
    is_scylla = hasattr(util, "datetime_from_ms_timestamp")
    compiled = protocol.ProtocolHandler.message_types_by_opcode[8]
    python = protocol._ProtocolHandler.message_types_by_opcode[8]
    assert lenient_decoding._is_blind_to_far_timestamps(compiled) == is_scylla
    assert not lenient_decoding._is_blind_to_far_timestamps(python)
