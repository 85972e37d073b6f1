"""Columns filled in C are those that coodie makes of objects: the same values, or both are an error."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from cassandra import cqltypes
from hypothesis import given, settings
from hypothesis import strategies as st

from coodie.drivers.cassandra.fastpath import columnar_reader, reader
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.drivers.cassandra.values.lenient_decoding import exact_columns
from coodie.drivers.cassandra.values.vectors import vector_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")
arrow = pytest.importorskip("coodie_arrow", reason="coodie-arrow isn't installed")


def _sized(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


_odd = st.sampled_from([b"", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\x80"])
_decimals = st.tuples(st.integers(-3, 22), st.binary(min_size=1, max_size=12)).map(
    lambda parts: pack(">i", parts[0]) + parts[1]
)
_vint = st.integers(0, 2**34)

#: Types that are filled, and one that isn't, each with its usual cells.
_CELLS: list[tuple[Any, st.SearchStrategy[bytes]]] = [
    (cqltypes.AsciiType, st.text(st.characters(max_codepoint=127), max_size=20).map(str.encode)),
    (cqltypes.BooleanType, _sized(1)),
    (cqltypes.ByteType, _sized(1)),
    (cqltypes.BytesType, st.binary(max_size=40)),
    (cqltypes.CounterColumnType, _sized(8)),
    (cqltypes.DateType, _sized(8)),
    (cqltypes.DecimalType, _decimals),
    (cqltypes.DoubleType, _sized(8)),
    (cqltypes.DurationType, st.tuples(*[_vint] * 3).map(lambda parts: b"".join(map(_packed_vint, parts)))),
    (cqltypes.FloatType, _sized(4)),
    (cqltypes.InetAddressType, st.sampled_from([4, 16]).flatmap(_sized)),
    (cqltypes.Int32Type, _sized(4)),
    (cqltypes.IntegerType, st.binary(min_size=1, max_size=17)),
    (cqltypes.LongType, _sized(8)),
    (cqltypes.ShortType, _sized(2)),
    (cqltypes.SimpleDateType, _sized(4)),
    (cqltypes.TimeType, st.integers(-1, 86_400 * 10**9).map(lambda number: pack(">q", number))),
    (cqltypes.TimeUUIDType, _sized(16)),
    (cqltypes.UTF8Type, st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(str.encode)),
    (cqltypes.UUIDType, _sized(16)),
    (vector_type(cqltypes.FloatType, 3), _sized(12)),
    (vector_type(cqltypes.LongType, 2), _sized(16)),
    (
        cqltypes.ListType.apply_parameters((cqltypes.Int32Type,)),
        st.just(pack(">iii", 1, 4, 7)),
    ),
]

_BEFORE = 10


def _packed_vint(number: int) -> bytes:
    """Encode an unsigned vint of up to 8 bytes (native_protocol_v5.spec, section 3, [vint])."""
    size = next(size for size in range(9) if number < 1 << (7 * (size + 1)) or size == 8)
    head = (0xFF << (8 - size) & 0xFF) << (8 * size)
    return (head | number).to_bytes(size + 1, "big")


def _body(rows: Sequence[Sequence[bytes | None]]) -> bytes:
    cells = [pack(">i", -1) if cell is None else pack(">i", len(cell)) + cell for row in rows for cell in row]
    return bytes(_BEFORE) + b"".join(cells)


def _readers(types: Sequence[Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the reader that fills columns, and the one that makes them of objects."""
    names = tuple("abcdefgh"[: len(types)])
    columns = exact_columns([("ks", "t", name, typ) for name, typ in zip(names, types, strict=True)])
    exact = [typ for _, _, _, typ in columns]
    shape, values = arrow.ArrowShape(), ValueOptions()
    filling = reader._reader(names, exact, 5, values, shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columnar_reader, "column_decoder", lambda *_, **__: None)
        return filling, reader._reader(names, exact, 5, values, shape)


def _outcome(read: Callable[..., Any], rows: Sequence[Sequence[bytes | None]]) -> Any:
    from coodie_arrow.reading import read_values

    try:
        found = read(_body(rows), _BEFORE, len(rows))
    except Exception:  # noqa: BLE001 - coodie then decodes the response in the driver's way, which tells why
        return "raised"
    arrays = [batch.array for batch in found]
    return [
        [repr(read_values(array.child(index), 0, array.length)) for index in range(array.n_children)]
        for array in arrays
    ]


@st.composite
def _results(draw: st.DrawFn) -> tuple[list[Any], list[list[bytes | None]]]:
    chosen = draw(st.lists(st.sampled_from(range(len(_CELLS))), min_size=1, max_size=5))
    usual = st.tuples(*[st.none() | _CELLS[index][1] for index in chosen])
    strange = st.tuples(*[st.none() | _odd | _CELLS[index][1] for index in chosen])
    rows = draw(st.lists(usual.map(list), max_size=20))
    if draw(st.booleans()):
        rows += draw(st.lists(strange.map(list), max_size=2))
    return [_CELLS[index][0] for index in chosen], rows


@settings(max_examples=60, deadline=None)
@given(result=_results())
def test_columns_are_the_same(result: tuple[list[Any], list[list[bytes | None]]]) -> None:
    """For all types, any bits, nulls, and values that aren't as they should be."""
    types, rows = result
    filling, expected = _readers(types)
    assert _outcome(filling, rows) == _outcome(expected, rows)


@pytest.mark.parametrize("index", range(len(_CELLS)))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_each_type_is_the_same(index: int, data: st.DataObject) -> None:
    """A column of each type, with more rows than a byte of the bitmap has."""
    typ, cells = _CELLS[index]
    rows = data.draw(st.lists(st.none() | cells, min_size=1, max_size=30))
    filling, expected = _readers([typ])
    body = [[cell] for cell in rows]
    assert _outcome(filling, body) == _outcome(expected, body)


def _decoder(form: Any = "int", kind: Any = "int", other: Any = None) -> Any:
    return native.ColumnDecoder(("a", "b"), (kind, "text"), (other, None), (form, "text"))


def test_an_odd_value_affects_its_column_only() -> None:
    """The column of a value of another size is a list of objects; the others are filled."""
    decoder = _decoder(other=lambda data: ("odd", data))
    rows: list[list[bytes | None]] = [[pack(">i", 1), b"x"], [b"abc", None], [None, b"yz"]]
    odd, text = decoder.decode(_body(rows), _BEFORE, 3)
    assert odd == [1, ("odd", b"abc"), None]
    assert text[0] == 1
    assert text[1][0] & 0b111 == 0b101
    assert (text[2], text[3]) == (pack("=4i", 0, 1, 1, 3), b"xyz")


def test_a_broken_result() -> None:
    """Whatever ends too early, or has more rows than fit, is an error and no crash."""
    body = _body([[pack(">i", 1), b"text"]])
    for end in range(_BEFORE, len(body)):
        with pytest.raises(ValueError, match=r"ends inside of|can't be in"):
            _decoder().decode(body[:end], _BEFORE, 1)
    for start, rows in [(-1, 1), (len(body) + 1, 1), (_BEFORE, -1), (_BEFORE, 2**60)]:
        with pytest.raises(ValueError, match=r"There are no|can't be in"):
            _decoder().decode(body, start, rows)


def test_nulls_of_large_vectors_are_not_allocated() -> None:
    """A result of nulls takes no more memory than a few times its bytes."""
    form = ("vector", "double", 60_000)
    kind = ("vector", (("double", None),), (60_000, 8, None))
    vectors, _ = _decoder(form, kind).decode(_body([[None, None]] * 5000), _BEFORE, 5000)
    assert vectors == [None] * 5000


@pytest.mark.parametrize(
    "form", ["list", ("vector", "text", 2), ("vector", "int", 0), ("vector", "int"), ("decimal",), 5, "date "]
)
def test_a_form_that_is_not_known(form: Any) -> None:
    """A mistake in the arguments is an error, not a wrong column."""
    with pytest.raises((TypeError, ValueError)):
        _decoder(form)
