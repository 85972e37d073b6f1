"""Columns filled from bytes are those that coodie makes of objects: the same values, or both are an error."""

from __future__ import annotations

from functools import partial
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from cassandra import cqltypes
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.cells import cells_of, joined, sized, types_of, user_type
from tests.integration.arrow_values import column_values

import coodie_arrow as arrow
from coodie.drivers.cassandra.fastpath import accelerated, columnar_reader, reader
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.drivers.cassandra.values.lenient_decoding import exact_columns
from coodie.drivers.cassandra.values.rows import _rounds_timestamps
from coodie.drivers.cassandra.values.vectors import vector_type
from coodie.protocol._accelerator import accelerator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Generated code, and the accelerator where it is built.
_WAYS = pytest.mark.parametrize("way", ["python"] if accelerator() is None else ["python", "c"])


def _packed_vint(number: int) -> bytes:
    """Encode an unsigned vint of up to 8 bytes (native_protocol_v5.spec, section 3, [vint])."""
    size = next(size for size in range(9) if number < 1 << (7 * (size + 1)) or size == 8)
    head = (0xFF << (8 - size) & 0xFF) << (8 * size)
    return (head | number).to_bytes(size + 1, "big")


_odd = st.sampled_from([b"", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80"])
_decimals = st.tuples(st.integers(-3, 22), st.binary(min_size=1, max_size=12)).map(
    lambda parts: pack(">i", parts[0]) + parts[1]
)
_vint = st.integers(0, 2**34)
#: cassandra-driver's own class raises beyond datetime's range; the session's handler then decodes the rows.
_timestamps = (
    st.integers(-62_135_596_800_000, 253_402_300_799_999).map(partial(pack, ">q"))
    if _rounds_timestamps()
    else sized(8)
)

#: Scalar types, each with its usual cells.
_SCALARS: dict[Any, st.SearchStrategy[bytes]] = {
    cqltypes.AsciiType: st.text(st.characters(max_codepoint=127), max_size=20).map(str.encode),
    cqltypes.BooleanType: sized(1),
    cqltypes.ByteType: sized(1),
    cqltypes.BytesType: st.binary(max_size=40),
    cqltypes.CounterColumnType: sized(8),
    cqltypes.DateType: _timestamps,
    cqltypes.DecimalType: _decimals,
    cqltypes.DoubleType: sized(8),
    cqltypes.DurationType: st.tuples(*[_vint] * 3).map(lambda parts: b"".join(map(_packed_vint, parts))),
    cqltypes.FloatType: sized(4),
    cqltypes.InetAddressType: st.sampled_from([4, 16]).flatmap(sized),
    cqltypes.Int32Type: sized(4),
    cqltypes.IntegerType: st.binary(min_size=1, max_size=17),
    cqltypes.LongType: sized(8),
    cqltypes.ShortType: sized(2),
    cqltypes.SimpleDateType: sized(4),
    cqltypes.TimeType: st.integers(-1, 86_400 * 10**9).map(lambda number: pack(">q", number)),
    cqltypes.TimeUUIDType: sized(16),
    cqltypes.UTF8Type: st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(str.encode),
    cqltypes.UUIDType: sized(16),
}

_TYPES = types_of(list(_SCALARS))
_SIMPLE = st.sampled_from(
    [
        *(typ for typ in _SCALARS if typ not in {cqltypes.DecimalType, cqltypes.DurationType}),
        vector_type(cqltypes.FloatType, 3),
    ]
)

#: Types of every kind, which are tested one by one.
_EACH: list[Any] = [
    *_SCALARS,
    vector_type(cqltypes.FloatType, 3),
    vector_type(cqltypes.LongType, 2),
    vector_type(cqltypes.UUIDType, 2),
    *[kind.apply_parameters((part,)) for kind in (cqltypes.ListType, cqltypes.SetType) for part in _SCALARS],
    *[cqltypes.MapType.apply_parameters((cqltypes.Int32Type, part)) for part in _SCALARS],
    *[user_type((part, cqltypes.Int32Type)) for part in _SCALARS],
    cqltypes.TupleType.apply_parameters((cqltypes.UTF8Type, vector_type(cqltypes.FloatType, 3))),
    cqltypes.ListType.apply_parameters((cqltypes.ListType.apply_parameters((cqltypes.Int32Type,)),)),
    cqltypes.MapType.apply_parameters(
        (cqltypes.UTF8Type, cqltypes.SetType.apply_parameters((user_type((cqltypes.UTF8Type,)),)))
    ),
]

_BEFORE = 10


def _body(rows: Sequence[Sequence[bytes | None]]) -> bytes:
    return bytes(_BEFORE - 4) + pack(">i", len(rows)) + joined([cell for row in rows for cell in row])


def _readers(types: Sequence[Any], way: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the reader that fills columns in a way, and the one that makes them of objects."""
    names = tuple("abcdefgh"[: len(types)])
    columns = exact_columns([("ks", "t", name, typ) for name, typ in zip(names, types, strict=True)])
    exact = [typ for _, _, _, typ in columns]
    shape, values = arrow.ArrowShape(), ValueOptions()
    with pytest.MonkeyPatch.context() as patch:
        if way == "python":
            patch.setattr(accelerated, "accelerator", lambda: None)
        filling = reader._reader(names, exact, 5, values, shape)
        patch.setattr(columnar_reader, "column_decoder", lambda *_, **__: None)
        patch.setattr(columnar_reader, "generated_columns", lambda *_: None)
        return filling, reader._reader(names, exact, 5, values, shape)


def _outcome(read: Callable[..., Any], rows: Sequence[Sequence[bytes | None]]) -> str:
    try:
        found = read(_body(rows), _BEFORE, len(rows))
    except Exception:  # noqa: BLE001 - coodie then decodes the response in the driver's way, which tells why
        return "raised"
    return repr(column_values(found))  # which is the same for what isn't a number


def _usual(typ: Any) -> st.SearchStrategy[bytes | None]:
    return st.none() | cells_of(typ, _SCALARS, is_odd=False)


@st.composite
def _results(draw: st.DrawFn) -> tuple[list[Any], list[list[bytes | None]]]:
    types = draw(st.lists(draw(st.sampled_from([_TYPES, _SIMPLE])), min_size=1, max_size=5))
    whole = st.tuples(*[cells_of(typ, _SCALARS, is_odd=False) for typ in types])
    with_nulls = st.tuples(*map(_usual, types))
    strange = st.tuples(*[_usual(typ) | _odd | cells_of(typ, _SCALARS) for typ in types])
    rows = draw(st.lists(whole, max_size=20))
    rows += draw(st.lists(with_nulls, max_size=draw(st.sampled_from([0, 3]))))
    rows += draw(st.lists(strange, max_size=draw(st.sampled_from([0, 0, 2]))))
    return types, [list(row) for row in rows]


@_WAYS
@settings(max_examples=100, deadline=None)
@given(result=_results())
def test_columns_are_the_same(way: str, result: tuple[list[Any], list[list[bytes | None]]]) -> None:
    """For all types, any bits, nulls, and values that aren't as they should be."""
    types, rows = result
    filling, expected = _readers(types, way)
    assert _outcome(filling, rows) == _outcome(expected, rows)


@_WAYS
@pytest.mark.parametrize("index", range(len(_EACH)))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_each_type_is_the_same(way: str, index: int, data: st.DataObject) -> None:
    """A column of each type, with more rows than a byte of the bitmap has."""
    typ = _EACH[index]
    rows = data.draw(st.lists(_usual(typ), min_size=1, max_size=30))
    filling, expected = _readers([typ], way)
    body = [[cell] for cell in rows]
    assert _outcome(filling, body) == _outcome(expected, body)


@_WAYS
@settings(max_examples=100, deadline=None)
@given(typ=_TYPES, data=st.data())
def test_broken_values_are_the_same(way: str, typ: Any, data: st.DataObject) -> None:
    """Values that are cut, or have other bytes in them."""
    cell = data.draw(cells_of(typ, _SCALARS) | st.binary(max_size=20))
    at = data.draw(st.integers(0, len(cell)))
    cell = cell[:at] + data.draw(st.binary(max_size=2)) + cell[at + data.draw(st.integers(0, 5)) :]
    filling, expected = _readers([typ], way)
    assert _outcome(filling, [[cell]]) == _outcome(expected, [[cell]])


@_WAYS
@pytest.mark.parametrize(
    ("types", "rows"),
    [
        ([cqltypes.Int32Type, cqltypes.LongType], [[bytes(8), bytes(4)]]),
        ([cqltypes.UTF8Type, cqltypes.Int32Type, cqltypes.LongType], [[b"x", bytes(8), bytes(4)]] * 2),
        ([cqltypes.ByteType, cqltypes.ShortType], [[b"", b"abc"], [b"a", b"bc"]]),
        ([vector_type(cqltypes.FloatType, 2)], [[bytes(4)], [bytes(12)]]),
    ],
)
def test_sizes_that_make_up_for_each_other(
    way: str, types: list[Any], rows: list[list[bytes | None]]
) -> None:
    """Values of other sizes, in a result that is as long as it should be."""
    filling, expected = _readers(types, way)
    assert _outcome(filling, rows) == _outcome(expected, rows)
