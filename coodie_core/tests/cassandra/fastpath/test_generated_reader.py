"""Rows of simple columns: what the driver's way gives, and an exception for what isn't simple."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest
from coodie_core.tests.cassandra.fastpath import arbitrary
from coodie_core.tests.cassandra.fastpath.arbitrary import parameters, quickly, type_of, wrapping
from coodie_core.tests.cassandra.fastpath.results import cells
from hypothesis import given
from hypothesis import strategies as st

from coodie.drivers.cassandra.fastpath.generated_reader import generated_reader
from coodie.drivers.cassandra.values.rows import build_rows, row_converters
from coodie.protocol.codec import FIXED_SIZE, VARIABLE_SIZE

_SIMPLE = sorted({*FIXED_SIZE, *VARIABLE_SIZE})


def _body(rows: list[list[bytes | None]], before: bytes = b"") -> bytes:
    return before + pack(">i", len(rows)) + b"".join([cells(row) for row in rows])


@quickly
@given(data=st.data(), aware=st.booleans(), coded=st.sets(st.sampled_from(_SIMPLE)))
def test_rows_are_the_drivers(data: st.DataObject, aware: bool, coded: set[str]) -> None:
    """For columns of these types in any order, with nulls and codecs, and for as many rows as there are."""
    kinds = data.draw(st.lists(st.sampled_from(_SIMPLE), min_size=1, max_size=7))
    entry = arbitrary.prepared(kinds)
    types = [column.type for column in entry.columns]
    rows: list[list[bytes | None]] = []
    for _ in range(data.draw(st.integers(0, 4))):
        values = data.draw(parameters(kinds, None))
        rows.append(
            [
                None if value is None else typ.serialize(bind(value), 5)
                for value, bind, typ in zip(values, entry.binders, types, strict=True)
            ]
        )
    names = tuple([f"c{index}" for index in range(len(kinds))])
    codecs = wrapping(*coded).for_columns(names, None) if coded else None
    read = generated_reader(names, types, None, codecs, aware_timestamps=aware)
    assert read is not None
    decoded = [
        [None if cell is None else typ.from_binary(cell, 5) for typ, cell in zip(types, row, strict=True)]
        for row in rows
    ]
    expected = build_rows(names, decoded, row_converters(types, aware_timestamps=aware, codecs=codecs))
    before = data.draw(st.binary(max_size=5))
    assert read(_body(rows, before), len(before) + 4, len(rows)) == expected


@pytest.mark.parametrize("cql", ["list<int>", "decimal", "date", "tuple<int, text, uuid>"])
def test_other_columns_are_left_to_the_driver(cql: str) -> None:
    """One column of another type is enough."""
    types: Any = [type_of("int"), type_of(cql)]
    assert generated_reader(("a", "b"), types, aware_timestamps=False) is None


@pytest.mark.parametrize(
    ("kinds", "row"),
    [
        (["int"], [b""]),
        (["int", "uuid", "text"], [b"\0\0\0\1", b"", b"a"]),
        (["int"], [b"\0\0\0\0\1"]),
        (["text"], [b"\xff"]),
        (["ascii"], [b"\xff"]),
        (["timestamp"], [pack(">q", 2**62)]),
    ],
    ids=["empty", "empty amid others", "too long", "no text", "no ASCII", "far away"],
)
def test_odd_values_raise(kinds: list[str], row: list[bytes | None]) -> None:
    """The driver's decoder is asked about them: here is no second opinion."""
    names = tuple([f"c{index}" for index in range(len(kinds))])
    read = generated_reader(names, [type_of(kind) for kind in kinds], aware_timestamps=False)
    assert read is not None
    with pytest.raises(Exception, match=r"|"):
        read(_body([row]), 4, 1)


def test_names_are_no_code() -> None:
    """Whatever a column is called, it is a key."""
    names = ("a'] = 1; import os #", 'b"""', "c\n", "{d}", "a")
    read = generated_reader(names, [type_of("int")] * 5, aware_timestamps=False)
    assert read is not None
    assert read(_body([[pack(">i", n) for n in range(5)]]), 4, 1) == [dict(zip(names, range(5), strict=True))]


@quickly
@given(data=st.data())
def test_broken_bodies(data: st.DataObject) -> None:
    """Bytes that were changed, left out or added: an exception, or as many rows as were asked for."""
    read = generated_reader(
        ("a", "b", "c"), [type_of(name) for name in ("int", "text", "uuid")], aware_timestamps=False
    )
    assert read is not None
    body = bytearray(_body([[b"\0\0\0\1", b"text", bytes(16)], [None, None, None]]))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(4, len(body) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(4, len(body)))
    try:
        rows = read(bytes(body[:end]), 4, 2)
    except Exception:  # noqa: BLE001 - any is fine
        return
    assert len(rows) == 2
    assert end == len(body)
