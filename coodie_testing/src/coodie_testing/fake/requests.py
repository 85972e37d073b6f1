"""The bodies of QUERY, EXECUTE, BATCH and PREPARE, read as a server reads them (section 4.1)."""

from __future__ import annotations

from typing import NamedTuple

from coodie.protocol.codec import Reader
from coodie.protocol.errors import BrokenMessageError
from coodie.protocol.frames import Opcode
from coodie.types import UNSET, UnsetType

__all__ = ["Part", "Query", "read_prepare", "read_query"]

_VERSION_5 = 5
_UNSET = -2

# Flags of QUERY, EXECUTE and BATCH (section 4.1.4).
_VALUES = 0x01
_SKIP_METADATA = 0x02
_PAGE_SIZE = 0x04
_PAGING_STATE = 0x08
_SERIAL_CONSISTENCY = 0x10
_TIMESTAMP = 0x20
_NAMES = 0x40
_KEYSPACE = 0x80
_NOW_IN_SECONDS = 0x100

#: A received value: bytes, null, or unset.
Value = bytes | None | UnsetType


class Part(NamedTuple):
    """One statement of a request.

    Attributes:
        text: The CQL; None for a prepared statement.
        id: The id of a prepared statement; None for a statement as text.
        values: Its values.
        names: The values' names; None if they are positional.
    """

    text: str | None
    id: bytes | None
    values: tuple[Value, ...]
    names: tuple[str, ...] | None = None


class Query(NamedTuple):
    """A request to execute statements.

    Attributes:
        opcode: QUERY, EXECUTE or BATCH.
        parts: The statements; more than one only in a batch.
        consistency: The level's code.
        page_size: Rows per page; None without paging.
        paging_state: The paging state, or None.
        serial_consistency: The serial level's code, or None.
        timestamp: Microseconds since 1970, or None.
        keyspace: The keyspace of unqualified names, or None for the connection's.
        skips_metadata: Whether the client asks to omit the columns' metadata.
        batch_type: The code of a batch's type; None for other requests.
    """

    opcode: int
    parts: tuple[Part, ...]
    consistency: int
    page_size: int | None = None
    paging_state: bytes | None = None
    serial_consistency: int | None = None
    timestamp: int | None = None
    keyspace: str | None = None
    skips_metadata: bool = False
    batch_type: int | None = None


def read_prepare(body: bytes, version: int) -> tuple[str, str | None]:
    """Return the CQL and the keyspace of a PREPARE.

    Raises:
        BrokenMessageError: The body is invalid.
    """
    reader = Reader(body)
    text = reader.read_long_string()
    if version >= _VERSION_5 and not reader.is_at_end and reader.read_int() & 1:
        return text, reader.read_string()
    return text, None


def read_query(opcode: int, body: bytes, version: int) -> Query:
    """Read a QUERY, EXECUTE or BATCH.

    Raises:
        BrokenMessageError: The body is invalid.
    """
    reader = Reader(body)
    if opcode == Opcode.BATCH:
        kind = reader.read_byte()
        parts = tuple(_batch_part(reader) for _ in range(reader.read_short()))
        return _options(reader, Query(opcode, parts, reader.read_short(), batch_type=kind), version)
    if opcode == Opcode.QUERY:
        part = Part(reader.read_long_string(), None, ())
    else:
        part = Part(None, reader.read_short_bytes(), ())
        if version >= _VERSION_5:
            reader.read_short_bytes()  # the id of the result's metadata
    return _options(reader, Query(opcode, (part,), reader.read_short()), version)


def _batch_part(reader: Reader) -> Part:
    if reader.read_byte():
        text, identity = None, reader.read_short_bytes()
    else:
        text, identity = reader.read_long_string(), None
    return Part(text, identity, tuple(_value(reader) for _ in range(reader.read_short())))


def _value(reader: Reader) -> Value:
    size = reader.read_int()
    if size >= 0:
        return reader.take(size)
    return UNSET if size == _UNSET else None


def _options(reader: Reader, query: Query, version: int) -> Query:
    """Read what follows the consistency level."""
    flags = reader.read_int() if version >= _VERSION_5 else reader.read_byte()
    if flags & _VALUES:
        if query.opcode == Opcode.BATCH:
            raise BrokenMessageError("A batch has values of its own.")
        names, values = [], []
        for _ in range(reader.read_short()):
            if flags & _NAMES:
                names.append(reader.read_string())
            values.append(_value(reader))
        part = query.parts[0]._replace(values=tuple(values), names=tuple(names) if names else None)
        query = query._replace(parts=(part,))
    query = query._replace(
        skips_metadata=bool(flags & _SKIP_METADATA),
        page_size=reader.read_int() if flags & _PAGE_SIZE else None,
        paging_state=reader.read_bytes() if flags & _PAGING_STATE else None,
        serial_consistency=reader.read_short() if flags & _SERIAL_CONSISTENCY else None,
        timestamp=int.from_bytes(reader.take(8), "big", signed=True) if flags & _TIMESTAMP else None,
        keyspace=reader.read_string() if flags & _KEYSPACE else None,
    )
    if flags & _NOW_IN_SECONDS:
        reader.read_int()
    return query
