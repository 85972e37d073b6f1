"""Prepared statements as the fast path uses them: what doesn't change from request to request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.drivers.cassandra.fastpath.encoder import encoder
from coodie.drivers.cassandra.fastpath.reader import ResultReader
from coodie.drivers.cassandra.fastpath.routing import Route, routing_key
from coodie.protocol.codec import INT, LONG
from coodie.protocol.messages import (
    PAGE_SIZE,
    PAGING_STATE,
    batch_part,
    execute_head,
    optional_flags,
    optional_parameters,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coodie.drivers.cassandra._prepared import SessionStatement

__all__ = ["ExecuteOptions", "FastStatement", "routing_statement"]


class ExecuteOptions(NamedTuple):
    """What a statement runs with, beside its values.

    Attributes:
        level: The consistency level's code.
        serial: The serial level's code, or None.
        timestamp: Microseconds since 1970, or None for the server's.
        fetch_size: Rows to a page.
    """

    level: int
    serial: int | None
    timestamp: int | None
    fetch_size: int


class FastStatement:
    """A prepared statement, ready to be executed often.

    Args:
        entry: The statement as the cache has it.
        version: The protocol version.
        user_types: The cluster's.
        aware_timestamps: Give timestamps as aware datetimes in UTC.
    """

    def __init__(
        self, entry: SessionStatement, version: int, user_types: Any, *, aware_timestamps: bool
    ) -> None:
        prepared = entry.prepared
        self.prepared = prepared
        self.encode = encoder(entry)
        self.results = ResultReader(version, user_types, aware_timestamps=aware_timestamps)
        self._version = version
        self._count = len(entry.columns)
        self._batch_part = batch_part(prepared.query_id, self._count)
        first = entry.columns[0] if entry.columns else None
        self._keyspace = first.keyspace_name if first is not None else entry.shape.keyspace
        self._table = first.table_name if first is not None else entry.shape.table
        self._keys = prepared.routing_key_indexes or ()
        #: The server marked it as a lightweight transaction, which scylla-driver's policies heed.
        self.is_conditional = bool(getattr(prepared, "is_lwt", bool)())
        # What stands before the values, by level and flags, with the id of result metadata that is in it.
        self._heads: dict[tuple[int, int], bytes] = {}
        self._headed: bytes | None = None
        #: The templates of its requests, which ``template`` keeps here by consistency level.
        self.templates: dict[str | None, Any] = {}

    def body(self, values: bytes, settings: ExecuteOptions, state: bytes | None) -> bytes:
        """Return the body of an EXECUTE message.

        Args:
            values: The encoded parameters.
            settings: What it runs with.
            state: Where the page starts; the server's own state.
        """
        level, serial, timestamp, fetch_size = settings
        flags, tail = PAGE_SIZE, b""
        if serial is not None or timestamp is not None:
            flags |= optional_flags(serial, timestamp)
            tail = optional_parameters(serial, timestamp)
        if state is not None:
            flags |= PAGING_STATE
            tail = INT.pack(len(state)) + state + tail
        known: bytes | None = self.prepared.result_metadata_id
        if known is not self._headed:
            self._heads, self._headed = {}, known
        head = self._heads.get((level, flags))
        if head is None:
            head = execute_head(self.prepared.query_id, known, self._count, level, flags, self._version)
            self._heads[level, flags] = head
        return head + values + INT.pack(fetch_size) + tail

    def prefix_and_suffix(self, settings: ExecuteOptions) -> tuple[bytes, bytes]:
        """Return what stands before and after the values in a body without a paging state.

        Args:
            settings: What it runs with; if it has a timestamp, that is still to follow.
        """
        body = self.body(b"", settings, None)
        after = INT.pack(settings.fetch_size) + optional_parameters(settings.serial, None)
        return body[: len(body) - len(after) - (0 if settings.timestamp is None else LONG.size)], after

    def batched(self, values: bytes) -> bytes:
        """Return it as a part of a BATCH message."""
        return self._batch_part + values

    @property
    def has_key(self) -> bool:
        """Whether its parameters hold the whole partition key."""
        return bool(self._keys)

    def route(self, values: bytes, level: int) -> Route:
        """Return what decides where the request goes."""
        key = routing_key(values, self._keys) if self._keys else None
        return Route(self._keyspace, self._table, key, level, conditional=self.is_conditional)


def routing_statement(statements: Sequence[FastStatement]) -> int:
    """Return the index of the statement that tells where a batch goes: the first with a partition key.

    One that is conditional is before it: all parts of its batch are of the same partition.
    """
    conditional = [n for n, one in enumerate(statements) if one.is_conditional and one.has_key]
    return next(iter(conditional), next((n for n, one in enumerate(statements) if one.has_key), 0))
