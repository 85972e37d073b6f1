"""Compiled statements: the parts of requests for a prepared statement that don't change."""

from __future__ import annotations

from functools import partial
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
    from coodie.drivers.cassandra.values.codecs import ValueOptions
    from coodie.row_shapes import RowShape

__all__ = ["ExecuteOptions", "FastStatement", "routing_statement"]

#: Cached result readers per statement, for rows that aren't dicts.
_MAX_SHAPES = 16


class ExecuteOptions(NamedTuple):
    """The options of an EXECUTE message.

    Attributes:
        level: The consistency level's code.
        serial: The serial consistency level's code, or None.
        timestamp: Microseconds since 1970; None if the server sets the timestamp.
        fetch_size: Rows per page.
    """

    level: int
    serial: int | None
    timestamp: int | None
    fetch_size: int


class FastStatement:
    """A prepared statement with its encoder, its result reader and the prefixes of its messages.

    Args:
        entry: The statement of the cache.
        version: The protocol version.
        user_types: The cluster's user-defined types.
        values: The driver's options for values.
    """

    def __init__(self, entry: SessionStatement, version: int, user_types: Any, values: ValueOptions) -> None:
        prepared = entry.prepared
        self.prepared = prepared
        self.encode = encoder(entry)
        values = values.in_keyspace(entry.shape.keyspace)
        self.results = ResultReader(version, user_types, values)
        self._version = version
        self._count = len(entry.columns)
        self._batch_part = batch_part(prepared.query_id, self._count)
        first = entry.columns[0] if entry.columns else None
        self._keyspace = first.keyspace_name if first is not None else entry.shape.keyspace
        self._table = first.table_name if first is not None else entry.shape.table
        self._keys = prepared.routing_key_indexes or ()
        #: Whether the server marked it as a lightweight transaction; scylla-driver's policies use this.
        self.is_conditional = bool(getattr(prepared, "is_lwt", bool)())
        # Message prefixes before the values, by level and flags; valid for one id of the result metadata.
        self._heads: dict[tuple[int, int], bytes] = {}
        self._heads_metadata_id: bytes | None = None
        #: Request templates by consistency level, or by that and the rows' shape, see ``template``.
        self.templates: dict[Any, Any] = {}
        self._new_reader = partial(ResultReader, version, user_types, values)
        #: Result readers for rows that aren't dicts.
        self._shaped: dict[RowShape, ResultReader] = {}

    def results_in(self, shape: RowShape) -> ResultReader:
        """Return the result reader for a shape of rows."""
        reader = self._shaped.get(shape)
        if reader is None:
            if len(self._shaped) >= _MAX_SHAPES:
                self._shaped.clear()
            reader = self._shaped[shape] = self._new_reader(shape)
        return reader

    def warm(self, shape: RowShape | None = None) -> None:
        """Generate the code that reads the statement's rows, before the first result needs it.

        Args:
            shape: What the rows are to be; None for dicts.
        """
        columns = self.prepared.result_metadata or ()
        if columns:
            (self.results if shape is None else self.results_in(shape)).warm(columns)

    def body(self, values: bytes, options: ExecuteOptions, state: bytes | None) -> bytes:
        """Return the body of an EXECUTE message.

        Args:
            values: The encoded values.
            options: The message's options.
            state: The server's paging state; None for the first page.
        """
        level, serial, timestamp, fetch_size = options
        flags, tail = PAGE_SIZE, b""
        if serial is not None or timestamp is not None:
            flags |= optional_flags(serial, timestamp)
            tail = optional_parameters(serial, timestamp)
        if state is not None:
            flags |= PAGING_STATE
            tail = INT.pack(len(state)) + state + tail
        known: bytes | None = self.prepared.result_metadata_id
        if known is not self._heads_metadata_id:
            self._heads, self._heads_metadata_id = {}, known
        head = self._heads.get((level, flags))
        if head is None:
            head = execute_head(self.prepared.query_id, known, self._count, level, flags, self._version)
            self._heads[level, flags] = head
        return head + values + INT.pack(fetch_size) + tail

    def prefix_and_suffix(self, options: ExecuteOptions) -> tuple[bytes, bytes]:
        """Return the body before and after the values, without a paging state or a timestamp.

        Args:
            options: The message's options; the caller appends the timestamp if there is one.
        """
        body = self.body(b"", options, None)
        after = INT.pack(options.fetch_size) + optional_parameters(options.serial, None)
        return body[: len(body) - len(after) - (0 if options.timestamp is None else LONG.size)], after

    def batch_part_of(self, values: bytes) -> bytes:
        """Return the statement as a part of a BATCH message."""
        return self._batch_part + values

    @property
    def has_key(self) -> bool:
        """Whether the parameters contain the whole partition key."""
        return bool(self._keys)

    def route(self, values: bytes, level: int) -> Route:
        """Return the routing information of a request."""
        key = routing_key(values, self._keys) if self._keys else None
        return Route(self._keyspace, self._table, key, level, conditional=self.is_conditional)


def routing_statement(statements: Sequence[FastStatement]) -> int:
    """Return the index of the statement that determines a batch's route: the first with a partition key.

    A conditional one takes precedence: all statements of its batch are for the same partition.
    """
    conditional = [n for n, one in enumerate(statements) if one.is_conditional and one.has_key]
    return next(iter(conditional), next((n for n, one in enumerate(statements) if one.has_key), 0))
