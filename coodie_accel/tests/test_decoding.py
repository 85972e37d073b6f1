"""Rows read in C are the rows that coodie reads without it: the same types and the same values."""

from __future__ import annotations

import datetime as dt
from functools import partial
from struct import pack
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from cassandra import cqltypes, marshal
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.targets import exactly

from coodie import Codec
from coodie.codec_registry import Codecs
from coodie.drivers.cassandra._customtypes import custom_type
from coodie.drivers.cassandra.fastpath import accelerated, reader
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.drivers.cassandra.values.lenient_decoding import exact_columns
from coodie.drivers.cassandra.values.types import family, subtypes, unwrapped
from coodie.drivers.cassandra.values.vectors import vector_type
from coodie.protocol.codec import VARIABLE_SIZE
from coodie.row_shapes import parse_rows
from coodie.rows import Column, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")

_UNIX_DAY = dt.date(1970, 1, 1).toordinal()


def _sized(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.encode)

#: Each scalar type's cells, as a server may send them: any bits that are of its size.
_SCALARS: dict[Any, st.SearchStrategy[bytes]] = {
    cqltypes.AsciiType: st.text(st.characters(max_codepoint=127), max_size=20).map(str.encode),
    cqltypes.BooleanType: _sized(1),
    cqltypes.ByteType: _sized(1),
    cqltypes.BytesType: st.binary(max_size=20),
    cqltypes.CounterColumnType: _sized(8),
    cqltypes.DateType: st.one_of(
        _sized(8),
        st.integers(-62_135_596_800_001, 253_402_300_800_000).map(lambda number: pack(">q", number)),
    ),
    cqltypes.DecimalType: st.one_of(
        st.tuples(st.integers(-30, 30), st.binary(min_size=1, max_size=20)).map(
            lambda parts: pack(">i", parts[0]) + parts[1]
        ),
        st.sampled_from([-(2**31), 2**31 - 1, 1 - 2**31]).map(lambda scale: pack(">ib", scale, 7)),
    ),
    cqltypes.DoubleType: _sized(8),
    cqltypes.DurationType: st.one_of(
        st.binary(max_size=12),
        st.lists(st.integers(0, 2**70), min_size=3, max_size=3).map(
            lambda numbers: bytes(marshal.vints_pack([number >> 8 for number in numbers]))
        ),
    ),
    cqltypes.FloatType: _sized(4),
    cqltypes.InetAddressType: st.sampled_from([4, 16]).flatmap(_sized),
    cqltypes.Int32Type: _sized(4),
    cqltypes.IntegerType: st.binary(min_size=1, max_size=20),
    cqltypes.LongType: _sized(8),
    cqltypes.ShortType: _sized(2),
    cqltypes.SimpleDateType: st.one_of(
        _sized(4),
        st.integers(-_UNIX_DAY, 3_652_060 - _UNIX_DAY).map(lambda day: pack(">I", day + 2**31)),
    ),
    cqltypes.TimeType: st.one_of(
        st.integers(0, 86_399_999_999).map(lambda number: pack(">q", number * 1000)),
        st.integers(-1000, 86_400 * 10**9).map(lambda number: pack(">q", number)),
        _sized(8),
    ),
    cqltypes.TimeUUIDType: st.uuids(version=1).map(lambda value: value.bytes),
    cqltypes.UTF8Type: _text,
    cqltypes.UUIDType: _sized(16),
}


def _prefixed(cell: bytes | None) -> bytes:
    return pack(">i", -1) if cell is None else pack(">i", len(cell)) + cell


def _joined(cells: Sequence[bytes | None]) -> bytes:
    return b"".join(map(_prefixed, cells))


def _cells_of(typ: Any) -> st.SearchStrategy[bytes]:
    """Draw cells of a type: elements that are whole, and now and then one that is null, empty or odd."""
    if typ in _SCALARS:
        return _SCALARS[typ]
    name, parts = family(typ), [_cells_of(part) for part in subtypes(typ)]
    if name in {"frozen", "reversed"}:
        return parts[0]
    if name == "vector":
        return st.lists(parts[0], min_size=typ.vector_size, max_size=typ.vector_size).map(b"".join)
    odd = st.sampled_from([None, b"", b"\xff"])
    several = [part | odd if draws_odd else part for part in parts for draws_odd in (False, True)]
    if name in {"tuple", "udt"}:
        whole = st.tuples(*[st.none() | part for part in parts])
        shorter = st.integers(0, len(parts)).flatmap(lambda count: st.tuples(*parts[:count]))
        return (whole | shorter).map(_joined)
    if name == "map":
        plain, strange = st.tuples(*several[::2]), st.tuples(*several[1::2])
    else:
        plain, strange = st.tuples(several[0]), st.tuples(several[1])
    elements = st.lists(plain, max_size=3) | st.lists(strange, max_size=3)
    return elements.map(lambda items: pack(">i", len(items)) + b"".join(map(_joined, items)))


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a type that is made of others."""
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        inner.map(lambda part: cqltypes.ListType.apply_parameters((part,))),
        inner.map(lambda part: cqltypes.SetType.apply_parameters((part,))),
        st.tuples(inner, inner).map(cqltypes.MapType.apply_parameters),
        several.map(cqltypes.TupleType.apply_parameters),
        several.map(_user_type),
        st.tuples(inner.filter(_is_of_one_size), st.integers(1, 3)).map(lambda pair: vector_type(*pair)),
        # No server wraps texts in them; the drivers would take empty ones for nulls.
        inner.filter(_is_never_empty).map(lambda part: cqltypes.FrozenType.apply_parameters((part,))),
        inner.filter(_is_never_empty).map(lambda part: cqltypes.ReversedType.apply_parameters((part,))),
    )


def _is_never_empty(typ: Any) -> bool:
    return family(unwrapped(typ)) not in VARIABLE_SIZE


def _is_of_one_size(typ: Any) -> bool:
    return typ.serial_size() is not None and typ is not cqltypes.CounterColumnType


def _user_type(parts: tuple[Any, ...]) -> Any:
    fields = ("street", "class", "ä b")[: len(parts)]
    made = cqltypes.UserType.make_udt_class("ks", "address", fields, parts)
    made.mapped_class = None
    return made


_TYPES = st.recursive(st.sampled_from(list(_SCALARS)), _nested, max_leaves=4)


#: What stands before the number of rows.
_BEFORE = b"before"


def _body(rows: Sequence[Sequence[bytes | None]]) -> bytes:
    cells = [cell for row in rows for cell in row]
    return b"".join(
        [
            _BEFORE + pack(">i", len(rows)),
            *map(_prefixed, cells),
        ]
    )


class _Wrapped(NamedTuple):
    """A value of a program's own type."""

    value: Any


#: Codecs for all scalars, for vectors as arrays, and for what is made of others.
_CODECS = Codecs(
    [
        Codec(cql, _Wrapped, None, _Wrapped, takes_array=cql in {"vector<float>", "vector<int>"})
        for cql in (
            *(family(typ) for typ in _SCALARS if typ is not cqltypes.CounterColumnType),
            *("list<int>", "set<text>", "map<int, uuid>", "tuple<int>", "address"),
            *("vector<float>", "vector<int>", "vector<uuid>"),
        )
    ]
)


def _readers(
    names: tuple[str, ...],
    types: Sequence[Any],
    rows: Any = dict,
    *,
    aware: bool,
    compiled: bool,
    coded: bool = False,
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the accelerated's reader of rows, and what coodie has without it."""
    columns = exact_columns([("ks", "t", name, typ) for name, typ in zip(names, types, strict=True)])
    exact = [typ for _, _, _, typ in columns]
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(reader, "_compiled", lambda: None)
        values = ValueOptions(aware, _CODECS if coded else None)
        shape = parse_rows(rows)
        accelerated = reader._reader(names, exact, 5, values, shape)
        if rows in (dict, tuple):
            assert type(accelerated.__self__) is native.RowDecoder  # type: ignore[attr-defined]  # a bound method
        patch.setattr(reader, "row_decoder", lambda *_, **__: None)
        return accelerated, reader._reader(names, exact, 5, values, shape)


def _outcome(read: Callable[..., Any], body: bytes, rows: int) -> Any:
    """Return the rows, or that it raised: coodie then asks the driver's own path, which tells why."""
    try:
        return exactly(read(body, len(_BEFORE) + 4, rows))
    except Exception:  # noqa: BLE001 - whatever a deserialiser of the driver's raises
        return "raised"


@st.composite
def _results(draw: st.DrawFn) -> tuple[list[str], list[Any], list[list[bytes | None]]]:
    types = draw(st.lists(_TYPES, min_size=1, max_size=5))
    names = draw(st.permutations("abcdefghä").map(lambda names: names[: len(types)]))
    rows = st.tuples(*[st.none() | _cells_of(typ) for typ in types]).map(list)
    return names, types, draw(st.lists(rows, max_size=3))


@settings(max_examples=150, deadline=None)
@given(result=_results(), aware=st.booleans(), compiled=st.booleans(), coded=st.booleans())
def test_rows_are_the_same(
    result: tuple[list[str], list[Any], list[list[bytes | None]]], aware: bool, compiled: bool, coded: bool
) -> None:
    """For all types, any bits and nulls; with codecs, and with the driver's compiled parser, too."""
    names, types, rows = result
    accelerated, expected = _readers(tuple(names), types, aware=aware, compiled=compiled, coded=coded)
    body = _body(rows)
    assert _outcome(accelerated, body, len(rows)) == _outcome(expected, body, len(rows))


def _sorted_items(**row: Any) -> list[tuple[str, Any]]:
    return sorted(row.items())


@settings(max_examples=60, deadline=None)
@given(result=_results(), rows=st.sampled_from([tuple, "scalar", _sorted_items]), coded=st.booleans())
def test_rows_in_other_shapes(
    result: tuple[list[str], list[Any], list[list[bytes | None]]], rows: Any, coded: bool
) -> None:
    """Rows that aren't dicts are the same, and so is the type of the result; tuples may share a name."""
    names, types, cells = result
    names = ["a"] * len(names) if rows is tuple else names
    accelerated, expected = _readers(tuple(names), types, rows, aware=True, compiled=True, coded=coded)
    body = _body(cells)
    assert _outcome(accelerated, body, len(cells)) == _outcome(expected, body, len(cells))


def test_a_broken_result_as_tuples() -> None:
    """A tuple that isn't complete is never seen."""
    decoder = native.RowDecoder(("a", "b"), ("int", "int"), (None, None), list, True)
    body = _body([[pack(">i", 1), None]])
    assert decoder.decode(body, len(_BEFORE) + 4, 1) == [(1, None)]
    with pytest.raises(ValueError, match="ends inside of 'b'"):
        decoder.decode(body[:-3], len(_BEFORE) + 4, 1)


@settings(max_examples=200, deadline=None)
@given(typ=_TYPES, data=st.data(), aware=st.booleans(), compiled=st.booleans(), coded=st.booleans())
def test_values_that_are_not_as_they_should_be(
    typ: Any, data: st.DataObject, aware: bool, compiled: bool, coded: bool
) -> None:
    """What no server should send, any bytes or a broken value, is read, or refused, as without it."""
    accelerated, expected = _readers(("c",), [typ], aware=aware, compiled=compiled, coded=coded)
    cell = data.draw(_cells_of(typ) | st.binary(max_size=20))
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(cell)))
        cell = cell[:at] + data.draw(st.binary(max_size=2)) + cell[at + data.draw(st.integers(0, 5)) :]
    body = _body([[cell]])
    assert _outcome(accelerated, body, 1) == _outcome(expected, body, 1)


@pytest.mark.parametrize("typ", [typ for typ in _SCALARS if typ is not cqltypes.DurationType])
def test_an_empty_value(typ: Any) -> None:
    """It is null, but for texts and bytes."""
    accelerated, expected = _readers(("c",), [typ], aware=False, compiled=True)
    body = _body([[b""]])
    assert _outcome(accelerated, body, 1) == _outcome(expected, body, 1)


class _Own:
    """What somebody registered for a user type."""


def test_types_that_the_accelerator_leaves_alone() -> None:
    """Rows with a value that it would only hand on are read without it, so that they cost no more."""
    registered = _user_type((cqltypes.Int32Type,))
    registered.mapped_class = _Own
    of_any_size = vector_type(cqltypes.UTF8Type, 2)
    for typ in (registered, of_any_size, custom_type("com.example.Own", {})):
        for around in (typ, cqltypes.ListType.apply_parameters((typ,))):
            single = partial(reader._single_decoder, 5)
            types = [cqltypes.Int32Type, around]
            assert accelerated.row_decoder(("a", "b"), types, single, aware_timestamps=False) is None


@pytest.mark.parametrize("aware", [False, True])
def test_every_day_of_the_calendar(aware: bool) -> None:
    """Each day that datetime knows, and the first that it doesn't on either side, is that day in C."""
    days = range(1 - _UNIX_DAY, 3_652_060 - _UNIX_DAY, 97)
    kinds = ("date", "timestamp_aware" if aware else "timestamp")
    decoder = native.RowDecoder(("d", "t"), kinds, (None, None))
    zone = dt.timezone.utc if aware else None
    body = _body([[pack(">I", day + 2**31), pack(">q", day * 86_400_000 + 86_399_999)] for day in days])
    for day, row in zip(days, decoder.decode(body, 10, len(days)), strict=True):
        date = dt.date.fromordinal(day + _UNIX_DAY)
        assert row == {"d": date, "t": dt.datetime.combine(date, dt.time(23, 59, 59, 999_000), zone)}
    for day in (-_UNIX_DAY, 3_652_060 - _UNIX_DAY):
        for cells in ([pack(">I", day + 2**31), None], [None, pack(">q", day * 86_400_000)]):
            with pytest.raises(ValueError, match="can't be decoded"):
                decoder.decode(_body([cells]), 10, 1)


def test_a_uuid_is_a_whole_one() -> None:
    """It was made without its __init__, and nobody can tell: equality, hash, copies, pickles, attributes."""
    import copy
    import pickle
    from uuid import uuid1

    expected = uuid1()
    (row,) = native.RowDecoder(("u",), ("uuid",), (None,)).decode(
        _body([[expected.bytes]]), len(_BEFORE) + 4, 1
    )
    made = row["u"]
    assert made == expected
    assert hash(made) == hash(expected)
    assert copy.deepcopy(made) == expected
    assert pickle.loads(pickle.dumps(made)) == expected  # noqa: S301 - it was pickled here
    assert (made.version, made.variant, made.time, str(made)) == (
        expected.version,
        expected.variant,
        expected.time,
        str(expected),
    )
    assert made.is_safe is type(made)(int=0).is_safe


def test_a_whole_result() -> None:
    """Rows of a result that begins as others, with its columns; None for any other, and for many rows."""
    decoder = native.RowDecoder(("a",), ("int",), (None,), Rows)
    body = b"start" + pack(">iii", 1, 4, 7)
    columns = (Column("a", "int"),)
    rows = decoder.only_page(body, b"start", 2, columns)
    assert rows == [{"a": 7}]
    assert rows.columns is columns
    assert decoder.only_page(body, b"start", 1, columns) is None
    assert decoder.only_page(body, b"stars", 2, columns) is None
    assert decoder.only_page(body[:8], b"start", 2, columns) is None
    for broken in (body[:-1], b"start" + pack(">i", -1), b"start" + pack(">i", 3)):
        with pytest.raises(ValueError, match="row"):
            decoder.only_page(broken, b"start", 5, columns)
