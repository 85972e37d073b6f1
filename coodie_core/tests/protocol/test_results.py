"""RESULT without its columns, and what may stand before a message."""

from __future__ import annotations

import pytest
from coodie_core.tests.cassandra.fastpath.arbitrary import quickly
from coodie_core.tests.protocol.drivers_codec import read_by_driver
from hypothesis import given
from hypothesis import strategies as st

from coodie.protocol.codec import INT, encode_bytes, encode_bytes_map, encode_string_list
from coodie.protocol.errors import BrokenMessageError
from coodie.protocol.frames import CUSTOM_PAYLOAD, TRACING, WARNING, Opcode
from coodie.protocol.results import (
    HAS_MORE_PAGES,
    ROWS,
    ROWS_HEAD,
    VOID_BODY,
    bare_message,
    next_paging_state,
    rows_without_metadata,
)

_NO_METADATA = 4
_CELLS = st.none() | st.binary(max_size=5)


def _cell(data: bytes | None) -> bytes:
    return INT.pack(-1) if data is None else encode_bytes(data)


@quickly
@given(
    rows=st.integers(1, 3).flatmap(
        lambda size: st.lists(st.tuples(*[_CELLS] * size), min_size=1, max_size=3)
    ),
    state=st.none() | st.binary(min_size=1, max_size=9),
    data=st.data(),
)
def test_rows_without_metadata(
    rows: list[tuple[bytes | None, ...]], state: bytes | None, data: st.DataObject
) -> None:
    """Each value as it came, nulls among them, also of a page; cut anywhere, it's a broken message."""
    flags = _NO_METADATA | (HAS_MORE_PAGES if state else 0)
    body = ROWS_HEAD.pack(ROWS, flags, len(rows[0])) + (encode_bytes(state) if state else b"")
    body += INT.pack(len(rows)) + b"".join([_cell(cell) for row in rows for cell in row])
    assert rows_without_metadata(body) == rows
    assert next_paging_state(body) == state
    beginning = body[: data.draw(st.integers(0, len(body) - 1))]
    with pytest.raises(BrokenMessageError):
        rows_without_metadata(beginning)
    assert state is None or state.startswith(next_paging_state(beginning) or b"")


def test_no_rows() -> None:
    """A write says nothing."""
    assert rows_without_metadata(VOID_BODY) == []
    assert next_paging_state(VOID_BODY) is None


def test_metadata_that_nobody_wanted() -> None:
    """It isn't taken for values."""
    with pytest.raises(BrokenMessageError, match="metadata"):
        rows_without_metadata(ROWS_HEAD.pack(ROWS, 0, 1) + bytes(20))


@pytest.mark.parametrize("flags", range(16))
def test_what_stands_before_a_message(flags: int) -> None:
    """A trace's id, warnings and a payload, in this order; each alone, all, or none."""
    parts = {
        TRACING: bytes(range(16)),
        WARNING: encode_string_list(["one", "two"]),
        CUSTOM_PAYLOAD: encode_bytes_map({"key": b"value"}),
    }
    body = b"".join([part for flag, part in parts.items() if flags & flag]) + VOID_BODY
    assert bare_message(flags, body) == VOID_BODY
    theirs = read_by_driver(Opcode.RESULT, body, 4, flags & ~1)
    assert (theirs.kind, theirs.warnings) == (1, ["one", "two"] if flags & WARNING else None)
