"""Prepared statements as the fast path uses them: what doesn't change from request to request."""

from __future__ import annotations

from struct import Struct, pack
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.fast.decoding import ResultReader
from coodie.drivers.cassandra.fast.encoding import encoder
from coodie.drivers.cassandra.fast.routing import Route, routing_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie.drivers.cassandra._statements import CachedStatement

__all__ = ["LARGEST_BATCH", "PAGE", "FastStatement", "batch_body", "batch_leader"]

#: Rows to a page where all are wanted; the drivers' own default.
PAGE = 5000

#: Statements of one batch: their number is written in 16 bits.
LARGEST_BATCH = 65_535

#: Flags of a request (native_protocol_v5.spec, section 4.1.4).
_VALUES = 0x01
_PAGE_SIZE = 0x04
_PAGING_STATE = 0x08
_SERIAL = 0x10
_TIMESTAMP = 0x20

_SHORT = Struct(">H")
_INT = Struct(">i")
_LONG = Struct(">q")

#: The first protocol version with an id of result metadata, and with flags of four bytes.
_WITH_METADATA_ID = 5


class FastStatement:
    """A prepared statement, ready to be executed often.

    Args:
        entry: The statement as the cache has it.
        version: The protocol version.
        user_types: The cluster's.
        aware_timestamps: Give timestamps as aware datetimes in UTC.
    """

    def __init__(
        self, entry: CachedStatement, version: int, user_types: Any, *, aware_timestamps: bool
    ) -> None:
        prepared = entry.prepared
        self.prepared = prepared
        self.encode = encoder(entry)
        self.results = ResultReader(version, user_types, aware_timestamps=aware_timestamps)
        self._version = version
        self._count = _SHORT.pack(len(entry.columns)) if entry.columns else b""
        self._id = _SHORT.pack(len(prepared.query_id)) + prepared.query_id
        first = entry.columns[0] if entry.columns else None
        self._keyspace = first.keyspace_name if first is not None else entry.shape.keyspace
        self._table = first.table_name if first is not None else entry.shape.table
        self._keys = prepared.routing_key_indexes or ()
        #: The server marked it as a lightweight transaction, which scylla-driver's policies heed.
        self.is_conditional = bool(getattr(prepared, "is_lwt", bool)())
        # What stands before the values, by level and flags, with the id of result metadata that is in it.
        self._heads: dict[tuple[int, int], bytes] = {}
        self._headed: bytes | None = None

    def body(
        self,
        values: bytes,
        level: int,
        serial: int | None,
        timestamp: int | None,
        fetch_size: int,
        state: bytes | None,
    ) -> bytes:
        """Return the body of an EXECUTE message (native_protocol_v5.spec, section 4.1.6).

        Args:
            values: The encoded parameters.
            level: The consistency level's code.
            serial: The serial level's code, or None.
            timestamp: Microseconds since 1970, or None: the server's.
            fetch_size: Rows to a page.
            state: Where the page starts; the server's own state.
        """
        flags, tail = _PAGE_SIZE, b""
        if serial is not None or timestamp is not None:
            flags |= _flags(serial, timestamp)
            tail = _tail(serial, timestamp)
        if state is not None:
            flags |= _PAGING_STATE
            tail = _INT.pack(len(state)) + state + tail
        known: bytes | None = self.prepared.result_metadata_id
        if known is not self._headed:
            self._heads, self._headed = {}, known
        head = self._heads.get((level, flags))
        if head is None:
            head = self._heads[level, flags] = self._head(level, flags, known)
        return head + values + _INT.pack(fetch_size) + tail

    def around_values(
        self, level: int, serial: int | None, fetch_size: int, *, stamped: bool
    ) -> tuple[bytes, bytes]:
        """Return what stands before and after the values in a body without a paging state.

        Args:
            level: The consistency level's code.
            serial: The serial level's code, or None.
            fetch_size: Rows to a page.
            stamped: A timestamp is still to follow.
        """
        body = self.body(b"", level, serial, 0 if stamped else None, fetch_size, None)
        after = _INT.pack(fetch_size) + _tail(serial, None)
        return body[: len(body) - len(after) - (_LONG.size if stamped else 0)], after

    def _head(self, level: int, flags: int, known: bytes | None) -> bytes:
        parts = [self._id]
        if self._version >= _WITH_METADATA_ID:
            parts += (_SHORT.pack(len(known or b"")), known or b"")
        if self._count:
            flags |= _VALUES
        return b"".join((*parts, _SHORT.pack(level), _packed_flags(flags, self._version), self._count))

    def batched(self, values: bytes) -> bytes:
        """Return it as a part of a BATCH message (section 4.1.7)."""
        return b"".join((b"\x01", self._id, self._count or b"\x00\x00", values))

    @property
    def has_key(self) -> bool:
        """Whether its parameters hold the whole partition key."""
        return bool(self._keys)

    def route(self, values: bytes, level: int) -> Route:
        """Return what decides where the request goes."""
        key = routing_key(values, self._keys) if self._keys else None
        return Route(self._keyspace, self._table, key, level, conditional=self.is_conditional)


def batch_leader(statements: Sequence[FastStatement]) -> int:
    """Return the index of the statement that tells where a batch goes: the first with a partition key.

    One that is conditional is before it: all parts of its batch are of the same partition.
    """
    conditional = [n for n, one in enumerate(statements) if one.is_conditional and one.has_key]
    return next(iter(conditional), next((n for n, one in enumerate(statements) if one.has_key), 0))


def batch_body(
    kind: int, parts: list[bytes], level: int, serial: int | None, timestamp: int | None, version: int
) -> bytes:
    """Return the body of a BATCH message (native_protocol_v5.spec, section 4.1.7).

    Args:
        kind: The batch type's code.
        parts: Its statements, each as ``FastStatement.batched`` made it.
        level: The consistency level's code.
        serial: The serial level's code, or None.
        timestamp: Microseconds since 1970, or None: the server's.
        version: The protocol version.
    """
    head = pack(">BH", kind, len(parts))
    flags = _packed_flags(_flags(serial, timestamp), version)
    return b"".join((head, *parts, _SHORT.pack(level), flags, _tail(serial, timestamp)))


def _flags(serial: int | None, timestamp: int | None) -> int:
    return (_SERIAL if serial is not None else 0) | (_TIMESTAMP if timestamp is not None else 0)


def _packed_flags(flags: int, version: int) -> bytes:
    return flags.to_bytes(4 if version >= _WITH_METADATA_ID else 1, "big")


def _tail(serial: int | None, timestamp: int | None) -> bytes:
    """Return what follows the page size and the paging state."""
    first = b"" if serial is None else _SHORT.pack(serial)
    return first if timestamp is None else first + _LONG.pack(timestamp)
