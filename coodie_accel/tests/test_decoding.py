"""Rows read in C are the rows that coodie reads without it: the same types and the same values."""

from __future__ import annotations

import datetime as dt
import gc
import sys
import weakref
from dataclasses import dataclass
from functools import partial
from struct import pack
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from cassandra import cqltypes, marshal
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.cells import cells_of, joined, sized, types_of, user_type
from tests.fuzz.targets import exactly

from coodie import Codec
from coodie.codec_registry import Codecs
from coodie.drivers.cassandra._customtypes import custom_type
from coodie.drivers.cassandra.fastpath import accelerated, reader
from coodie.drivers.cassandra.values.codecs import ValueOptions
from coodie.drivers.cassandra.values.lenient_decoding import exact_columns
from coodie.drivers.cassandra.values.types import family
from coodie.drivers.cassandra.values.vectors import vector_type
from coodie.row_shapes import ShapedRows, parse_rows
from coodie.rows import Column, Rows
from coodie.scan.page import KeyedShape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")

_UNIX_DAY = dt.date(1970, 1, 1).toordinal()


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.encode)

#: Each scalar type's cells, as a server may send them: any bits that are of its size.
_SCALARS: dict[Any, st.SearchStrategy[bytes]] = {
    cqltypes.AsciiType: st.text(st.characters(max_codepoint=127), max_size=20).map(str.encode),
    cqltypes.BooleanType: sized(1),
    cqltypes.ByteType: sized(1),
    cqltypes.BytesType: st.binary(max_size=20),
    cqltypes.CounterColumnType: sized(8),
    cqltypes.DateType: st.one_of(
        sized(8),
        st.integers(-62_135_596_800_001, 253_402_300_800_000).map(lambda number: pack(">q", number)),
    ),
    cqltypes.DecimalType: st.one_of(
        st.tuples(st.integers(-30, 30), st.binary(min_size=1, max_size=20)).map(
            lambda parts: pack(">i", parts[0]) + parts[1]
        ),
        st.sampled_from([-(2**31), 2**31 - 1, 1 - 2**31]).map(lambda scale: pack(">ib", scale, 7)),
    ),
    cqltypes.DoubleType: sized(8),
    cqltypes.DurationType: st.one_of(
        st.binary(max_size=12),
        st.lists(st.integers(0, 2**70), min_size=3, max_size=3).map(
            lambda numbers: bytes(marshal.vints_pack([number >> 8 for number in numbers]))
        ),
    ),
    cqltypes.FloatType: sized(4),
    cqltypes.InetAddressType: st.sampled_from([4, 16]).flatmap(sized),
    cqltypes.Int32Type: sized(4),
    cqltypes.IntegerType: st.binary(min_size=1, max_size=20),
    cqltypes.LongType: sized(8),
    cqltypes.ShortType: sized(2),
    cqltypes.SimpleDateType: st.one_of(
        sized(4),
        st.integers(-_UNIX_DAY, 3_652_060 - _UNIX_DAY).map(lambda day: pack(">I", day + 2**31)),
    ),
    cqltypes.TimeType: st.one_of(
        st.integers(0, 86_399_999_999).map(lambda number: pack(">q", number * 1000)),
        st.integers(-1000, 86_400 * 10**9).map(lambda number: pack(">q", number)),
        sized(8),
    ),
    cqltypes.TimeUUIDType: st.uuids(version=1).map(lambda value: value.bytes),
    cqltypes.UTF8Type: _text,
    cqltypes.UUIDType: sized(16),
}


_TYPES = types_of(list(_SCALARS))


#: What stands before the number of rows.
_BEFORE = b"before"


def _body(rows: Sequence[Sequence[bytes | None]]) -> bytes:
    return _BEFORE + pack(">i", len(rows)) + joined([cell for row in rows for cell in row])


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
    rows = st.tuples(*[st.none() | cells_of(typ, _SCALARS) for typ in types]).map(list)
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


@dataclass(slots=True)
class _Slotted:
    """A row with slots."""

    a: Any
    b: Any = None


#: Its slots' descriptors.
_A, _B = vars(_Slotted)["a"], vars(_Slotted)["b"]


@pytest.mark.parametrize("aware", [False, True])
def test_rows_with_slots(aware: bool) -> None:
    """A dataclass that only sets its slots is filled in C, and is a whole object."""
    types = [cqltypes.UTF8Type, cqltypes.DateType]
    filled, expected = _readers(("b", "a"), types, _Slotted, aware=aware, compiled=True)
    assert filled.__self__.__class__ is native.RowDecoder  # type: ignore[attr-defined]  # a bound method
    body = _body([[b"x", bytes(8)], [None, None], [b"", pack(">q", 1_700_000_000_123)]])
    rows = filled(body, len(_BEFORE) + 4, 3)
    assert (rows, type(rows)) == (expected(body, len(_BEFORE) + 4, 3), ShapedRows)
    assert [type(row) for row in rows] == [_Slotted] * 3
    assert gc.is_tracked(rows[0])
    rows[0].b = rows  # a cycle, which the collector finds
    watched = weakref.ref(rows)
    del rows
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("rows", [tuple, "scalar", _Slotted], ids=["tuple", "scalar", "slots"])
def test_rows_of_a_scan(rows: Any) -> None:
    """Each has its key beside it, whatever its shape."""
    shape = parse_rows(rows)
    assert shape is not None
    keyed = KeyedShape(shape, ["b"], frozenset())
    types = [cqltypes.Int32Type, cqltypes.UTF8Type]
    accelerated, expected = _readers(("a", "b"), types, keyed, aware=True, compiled=True)
    body = _body([[pack(">i", 1), b"x"]])
    found = accelerated(body, len(_BEFORE) + 4, 1)
    row = {tuple: (1, "x"), "scalar": 1, _Slotted: _Slotted(1, "x")}[rows]
    assert found == expected(body, len(_BEFORE) + 4, 1) == [(row, "x")]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on, dicts stay tracked")
@pytest.mark.parametrize("as_tuples", [False, True])
def test_the_collector_visits_no_rows_of_scalars(as_tuples: bool) -> None:
    """Rows of scalars aren't tracked, nor are their UUIDs; those with a container are."""
    scalars = ("uuid", "text", "timestamp", "decimal", "inet", "blob", "varint", "double")
    names = tuple(f"c{number}" for number in range(len(scalars)))
    decoder = native.RowDecoder(names, scalars, (None,) * len(scalars), list, as_tuples)
    values = [bytes(16), b"x", bytes(8), pack(">ib", 1, 5), bytes(4), b"y", b"\x05", bytes(8)]
    for row in decoder.decode(_body([values, [None] * len(scalars)]), len(_BEFORE) + 4, 2):
        assert not gc.is_tracked(row)
        assert not any(map(gc.is_tracked, row if as_tuples else row.values()))
    kinds: tuple[Any, ...] = ("int", ("map", (("int", None), ("int", None)), None))
    decoder = native.RowDecoder(("a", "b"), kinds, (None, None), list, as_tuples)
    rows = decoder.decode(_body([[bytes(4), bytes(4)], [bytes(4), None]]), len(_BEFORE) + 4, 2)
    assert [gc.is_tracked(row) for row in rows] == [True, False]


def test_a_row_in_a_cycle_is_collected() -> None:
    """A dict is tracked once a container is set, or if the result has one, which may be in a cycle later."""
    decoder = native.RowDecoder(("a",), ("uuid",), (None,), list)
    (row,) = decoder.decode(_body([[bytes(16)]]), len(_BEFORE) + 4, 1)
    watched = ShapedRows()
    row["b"] = [row, watched]
    gone = weakref.ref(watched)
    del row, watched
    gc.collect()
    assert gone() is None
    decoder = native.RowDecoder(("a",), (("map", (("int", None), ("int", None)), None),), (None,), list)
    (row,) = decoder.decode(_body([[bytes(4)]]), len(_BEFORE) + 4, 1)
    watched = ShapedRows()
    row["a"]["b"] = [row, watched]
    gone = weakref.ref(watched)
    del row, watched
    gc.collect()
    assert gone() is None


def test_a_broken_result_with_slots() -> None:
    """An object that isn't complete is let go of."""
    slots = (_Slotted, (_A, _B))
    decoder = native.RowDecoder(("a", "b"), ("int", "int"), (None, None), list, slots=slots)
    body = _body([[pack(">i", 1), None]])
    assert decoder.decode(body, len(_BEFORE) + 4, 1) == [_Slotted(1)]
    with pytest.raises(ValueError, match="ends inside of 'b'"):
        decoder.decode(body[:-3], len(_BEFORE) + 4, 1)


@pytest.mark.parametrize(
    "slots",
    [
        (_Slotted, (_A,)),
        (_Slotted, (_A, property())),
        (_Slotted, (_A, None)),
        (int, (_A, _B)),
        (slice, (slice.start, slice.stop)),
        (_Slotted(1), (_A, _B)),
        (_Slotted,),
    ],
)
def test_slots_that_are_not_those_of_the_class(slots: Any) -> None:
    """No value is written where the class has none."""
    with pytest.raises(TypeError):
        native.RowDecoder(("a", "b"), ("int", "int"), (None, None), list, slots=slots)


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
    cell = data.draw(cells_of(typ, _SCALARS) | st.binary(max_size=20))
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
    registered = user_type((cqltypes.Int32Type,))
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
