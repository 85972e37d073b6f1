"""Bodies of successful responses (section 4.2): the prefix of a message, and RESULT.

This module decodes the head of a RESULT with rows, and rows without metadata as bytes. ``fastpath.reader``
decodes columns and values. ERROR is in ``server_errors``.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

from coodie.protocol.codec import INT, Reader
from coodie.protocol.errors import BrokenMessageError
from coodie.protocol.frames import CUSTOM_PAYLOAD, TRACING, WARNING

__all__ = [
    "GLOBAL_TABLE",
    "HAS_MORE_PAGES",
    "NO_METADATA",
    "ROWS",
    "ROWS_HEAD",
    "VOID_BODY",
    "ResultKind",
    "bare_message",
    "next_paging_state",
    "paging_state",
    "prepared_id",
    "rows_without_metadata",
]


class ResultKind(IntEnum):
    """Kinds of RESULT (section 4.2.5)."""

    VOID = 1
    ROWS = 2
    SET_KEYSPACE = 3
    PREPARED = 4
    SCHEMA_CHANGE = 5


#: A plain int, for a fast comparison per result.
ROWS = int(ResultKind.ROWS)

#: Flags of a result's metadata (section 4.2.5.2).
GLOBAL_TABLE = 0x1
HAS_MORE_PAGES = 0x2
NO_METADATA = 0x4

#: Size of a trace id in bytes.
_UUID_SIZE = 16

#: The head of a RESULT with rows: kind, flags, number of columns.
ROWS_HEAD = Struct(">iii")

#: The body of a RESULT without rows, such as a write's.
VOID_BODY = INT.pack(ResultKind.VOID)


def bare_message(flags: int, body: bytes) -> bytes:
    """Return a body without the prefix that the frame's flags declare (section 4)."""
    if not flags & (TRACING | WARNING | CUSTOM_PAYLOAD):
        return body
    reader = Reader(body)
    if flags & TRACING:
        reader.take(_UUID_SIZE)
    if flags & WARNING:
        reader.read_string_list()
    if flags & CUSTOM_PAYLOAD:
        reader.read_bytes_map()
    return reader.rest()


def next_paging_state(body: bytes) -> bytes | None:
    """Return the paging state of the next page from a RESULT, without decoding the rows."""
    if len(body) < ROWS_HEAD.size:
        return None
    kind, flags, _ = ROWS_HEAD.unpack_from(body)
    return paging_state(body) if kind == ROWS and flags & HAS_MORE_PAGES else None


def paging_state(body: bytes) -> bytes | None:
    """Return the paging state of a RESULT whose flags declare one."""
    at = ROWS_HEAD.size
    if len(body) < at + INT.size:
        return None  # truncated: decoding the result reports the error
    (length,) = INT.unpack_from(body, at)
    return body[at + INT.size : at + INT.size + length] if length > 0 else None


def rows_without_metadata(body: bytes) -> list[tuple[bytes | None, ...]]:
    """Return the rows of a RESULT without metadata, with undecoded values.

    A RESULT of another kind has no rows.

    Raises:
        BrokenMessageError: The body has metadata, or isn't a RESULT.
    """
    reader = Reader(body)
    if reader.read_int() != ResultKind.ROWS:
        return []
    flags, columns = reader.read_int(), reader.read_int()
    if flags & HAS_MORE_PAGES:
        reader.read_bytes()
    if not flags & NO_METADATA:
        raise BrokenMessageError("A result has metadata, which the request had disabled.")
    rows = reader.read_int()
    # Each value has a length of four bytes: check that the numbers are possible.
    if columns <= 0 or rows < 0 or INT.size * columns * rows > len(body):
        raise BrokenMessageError(f"Expected {rows} rows of {columns} columns, got {len(body)} bytes.")
    return [tuple([reader.read_bytes() for _ in range(columns)]) for _ in range(rows)]


def prepared_id(body: bytes) -> bytes | None:
    """Return the statement's id of a RESULT for a PREPARE; None for other results."""
    reader = Reader(body)
    return reader.read_short_bytes() if reader.read_int() == ResultKind.PREPARED else None
