"""Rows read in C are the rows that coodie reads without it: the same types and the same values."""

from __future__ import annotations

import datetime as dt
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
from cassandra import cqltypes
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coodie.drivers.cassandra.fast import decoding
from coodie.drivers.cassandra.fast.accelerator import row_decoder
from coodie.drivers.cassandra.values.lenient_decoding import exact_columns
from coodie.drivers.cassandra.values.rows import row_converters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

native = pytest.importorskip("coodie_accel._native", reason="coodie-accel isn't built here")

_UNIX_DAY = dt.date(1970, 1, 1).toordinal()


def _sized(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.encode)

#: Each type's cells, as a server may send them: any bits that are of its size.
_CELLS: dict[Any, st.SearchStrategy[bytes]] = {
    cqltypes.AsciiType: st.text(st.characters(max_codepoint=127), max_size=20).map(str.encode),
    cqltypes.BooleanType: _sized(1),
    cqltypes.ByteType: _sized(1),
    cqltypes.BytesType: st.binary(max_size=20),
    cqltypes.CounterColumnType: _sized(8),
    cqltypes.DateType: st.one_of(
        _sized(8),
        st.integers(-62_135_596_800_001, 253_402_300_800_000).map(lambda number: pack(">q", number)),
    ),
    cqltypes.DoubleType: _sized(8),
    cqltypes.FloatType: _sized(4),
    cqltypes.InetAddressType: st.sampled_from([4, 16]).flatmap(_sized),
    cqltypes.Int32Type: _sized(4),
    cqltypes.IntegerType: st.binary(min_size=1, max_size=20),
    cqltypes.ListType.apply_parameters((cqltypes.UTF8Type,)): st.lists(_text, max_size=3).map(
        lambda items: b"".join([pack(">i", len(items)), *[pack(">i", len(item)) + item for item in items]])
    ),
    cqltypes.LongType: _sized(8),
    cqltypes.ReversedType.apply_parameters((cqltypes.Int32Type,)): _sized(4),
    cqltypes.ShortType: _sized(2),
    cqltypes.SimpleDateType: st.one_of(
        _sized(4),
        st.integers(-_UNIX_DAY, 3_652_060 - _UNIX_DAY).map(lambda day: pack(">I", day + 2**31)),
    ),
    cqltypes.TimeType: st.times().map(
        lambda time: pack(">q", (time.hour * 3600 + time.minute * 60 + time.second) * 10**9)
    ),
    cqltypes.TimeUUIDType: st.uuids(version=1).map(lambda value: value.bytes),
    cqltypes.UTF8Type: _text,
    cqltypes.UUIDType: _sized(16),
}
_TYPES = list(_CELLS)


#: What stands before the number of rows.
_BEFORE = b"before"


def _body(rows: Sequence[Sequence[bytes | None]]) -> bytes:
    cells = [cell for row in rows for cell in row]
    return b"".join(
        [
            _BEFORE + pack(">i", len(rows)),
            *[pack(">i", -1) if cell is None else pack(">i", len(cell)) + cell for cell in cells],
        ]
    )


def _readers(
    names: tuple[str, ...], types: Sequence[Any], *, aware: bool, compiled: bool
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the accelerator's reader of rows, and what coodie has without it."""
    columns = exact_columns([("ks", "t", name, typ) for name, typ in zip(names, types, strict=True)])
    exact = [column[3] for column in columns]
    converters = row_converters(exact, aware_timestamps=aware)
    accelerated = row_decoder(names, exact, converters, 5, aware_timestamps=aware)
    assert accelerated is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "row_decoder", lambda *_, **__: None)
        if not compiled:
            patch.setattr(decoding, "_compiled", lambda: None)
        return accelerated, decoding._reader(names, columns, 5, aware_timestamps=aware)


def _exactly(rows: list[dict[str, Any]]) -> Any:
    """Return what tells apart all that could differ: types, keys' order, zones, the bits of a nan."""
    return [
        [
            (key, type(value), pack(">d", value) if type(value) is float else repr(value))
            for key, value in items
        ]
        for items in (row.items() for row in rows)
    ]


def _outcome(read: Callable[..., Any], body: bytes, rows: int) -> Any:
    """Return the rows, or that it raised: coodie then asks the driver's own path, which tells why."""
    try:
        return _exactly(read(body, len(_BEFORE) + 4, rows))
    except Exception:  # noqa: BLE001 - whatever a deserialiser of the driver's raises
        return "raised"


@st.composite
def _results(draw: st.DrawFn) -> tuple[list[str], list[Any], list[list[bytes | None]]]:
    types = draw(st.lists(st.sampled_from(_TYPES), min_size=1, max_size=8))
    names = draw(st.lists(st.sampled_from("abcdefghä"), min_size=len(types), max_size=len(types)))
    rows = st.tuples(*[st.none() | _CELLS[typ] for typ in types]).map(list)
    return names, types, draw(st.lists(rows, max_size=3))


@settings(max_examples=150, deadline=None)
@given(result=_results(), aware=st.booleans(), compiled=st.booleans())
def test_rows_are_the_same(
    result: tuple[list[str], list[Any], list[list[bytes | None]]], aware: bool, compiled: bool
) -> None:
    """For all types, any bits, nulls and names that occur twice; with the driver's compiled parser, too."""
    names, types, rows = result
    accelerated, expected = _readers(tuple(names), types, aware=aware, compiled=compiled)
    body = _body(rows)
    assert _outcome(accelerated, body, len(rows)) == _outcome(expected, body, len(rows))


@settings(max_examples=100, deadline=None)
@given(typ=st.sampled_from(_TYPES), cell=st.binary(max_size=20), aware=st.booleans())
@example(typ=cqltypes.Int32Type, cell=b"", aware=False)
@example(typ=cqltypes.UTF8Type, cell=b"", aware=False)
def test_values_of_another_size(typ: Any, cell: bytes, aware: bool) -> None:
    """What no server should send is read, or refused, as without the accelerator."""
    accelerated, expected = _readers(("c",), [typ], aware=aware, compiled=False)
    body = _body([[cell]])
    assert _outcome(accelerated, body, 1) == _outcome(expected, body, 1)


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
