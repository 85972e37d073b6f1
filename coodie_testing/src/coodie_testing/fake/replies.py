"""Responses of a fake server: results, errors and events as values, and as bodies of frames (section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from coodie.protocol.codec import (
    INT,
    SHORT,
    encode_bytes,
    encode_inet_address,
    encode_short_bytes,
    encode_string,
    encode_string_list,
)
from coodie.protocol.frames import WARNING, Opcode, RawFrame
from coodie.protocol.results import GLOBAL_TABLE, HAS_MORE_PAGES, NO_METADATA, ResultKind
from coodie.protocol.server_errors import ServerError, error_body
from coodie_testing.faults.messages import error_details

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coodie.protocol.error_codes import ErrorCode
    from coodie_testing.fake.cqltypes import Column

__all__ = ["Failed", "Prepared", "Reply", "Rows", "SchemaChanged", "Spoken", "Void", "status_event"]

_VERSION_5 = 5


@dataclass(frozen=True)
class Reply:
    """A response to a request.

    Args:
        warnings: The server's warnings.
        delay: Seconds until it is sent.
        silent: No response is sent.
        closes: The connection is closed instead.
    """

    warnings: tuple[str, ...] = field(default=(), kw_only=True)
    delay: float = field(default=0.0, kw_only=True)
    silent: bool = field(default=False, kw_only=True)
    closes: bool = field(default=False, kw_only=True)

    def body(self, version: int) -> bytes:
        """Return the body of the message."""
        raise NotImplementedError

    @property
    def opcode(self) -> Opcode:
        """The opcode of the message."""
        return Opcode.RESULT

    def frame(self, request: RawFrame) -> RawFrame:
        """Return the frame that answers a request."""
        answer = request.answer(self.opcode, self.body(request.protocol))
        if not self.warnings:
            return answer
        return answer._replace(flags=WARNING, body=encode_string_list(self.warnings) + answer.body)


@dataclass(frozen=True)
class Void(Reply):
    """A RESULT without rows."""

    def body(self, version: int) -> bytes:
        """Return the body of a RESULT without rows."""
        return INT.pack(ResultKind.VOID)


@dataclass(frozen=True)
class Spoken(Reply):
    """A complete message.

    Args:
        kind: The opcode.
        text: The body.
    """

    kind: Opcode
    text: bytes = b""

    @property
    def opcode(self) -> Opcode:
        """The opcode of the message."""
        return self.kind

    def body(self, version: int) -> bytes:
        """Return its body."""
        return self.text


@dataclass(frozen=True)
class Failed(Reply):
    """An ERROR.

    Args:
        code: The error code.
        message: The message; default: the name of the error.
        details: Fields that replace those of ``error_details``; ``failures`` as a dict, of which clients
            with protocol version 4 get the number.
    """

    code: ErrorCode
    message: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def opcode(self) -> Opcode:
        """ERROR."""
        return Opcode.ERROR

    def body(self, version: int) -> bytes:
        """Return the body of the ERROR."""
        text = self.message or self.code.name.lower().replace("_", " ")
        details = {**error_details(version), **self.details}
        if version < _VERSION_5 and "failures" in self.details:
            details["failures"] = len(self.details["failures"])
        return error_body(ServerError(self.code, text, details), version)


@dataclass(frozen=True)
class Rows(Reply):
    """A page of rows.

    Args:
        table: The keyspace and the table of the columns.
        columns: The columns.
        values: The rows, as bytes per value.
        paging_state: The paging state of the next page; None for the last page.
        bare: Omit the metadata of the columns.
    """

    table: tuple[str, str]
    columns: Sequence[Column]
    values: Sequence[Sequence[bytes | None]]
    paging_state: bytes | None = None
    bare: bool = False

    def body(self, version: int) -> bytes:
        """Return the body of the RESULT."""
        more = HAS_MORE_PAGES if self.paging_state is not None else 0
        parts = [INT.pack(ResultKind.ROWS)]
        state = b"" if self.paging_state is None else encode_bytes(self.paging_state)
        if self.bare:
            parts += [INT.pack(more | NO_METADATA), INT.pack(len(self.columns)), state]
        else:
            parts.append(_metadata(self.table, self.columns, more, state))
        parts.append(INT.pack(len(self.values)))
        for row in self.values:
            parts += [INT.pack(-1) if value is None else encode_bytes(value) for value in row]
        return b"".join(parts)


def _metadata(table: tuple[str, str], columns: Sequence[Column], flags: int, state: bytes = b"") -> bytes:
    head = INT.pack(flags | (GLOBAL_TABLE if columns else NO_METADATA)) + INT.pack(len(columns)) + state
    if not columns:
        return head
    names = encode_string(table[0]) + encode_string(table[1])
    return head + names + _named(columns)


def _named(columns: Sequence[Column]) -> bytes:
    return b"".join([encode_string(name) + kind.option for name, kind in columns])


@dataclass(frozen=True)
class Prepared(Reply):
    """A prepared statement.

    Args:
        id: The id.
        table: The keyspace and the table.
        markers: The bind markers.
        key: The indexes of the partition key's markers, in the key's order.
        columns: The columns of its rows; empty if they are only known at execution.
    """

    id: bytes
    table: tuple[str, str]
    markers: Sequence[Column] = ()
    key: Sequence[int] = ()
    columns: Sequence[Column] = ()

    def body(self, version: int) -> bytes:
        """Return the body of the RESULT."""
        parts = [INT.pack(ResultKind.PREPARED), encode_short_bytes(self.id)]
        if version >= _VERSION_5:
            parts.append(encode_short_bytes(self.result_id))
        parts += [INT.pack(GLOBAL_TABLE if self.markers else 0), INT.pack(len(self.markers))]
        parts += [INT.pack(len(self.key)), *map(SHORT.pack, self.key)]
        if self.markers:
            parts += [encode_string(self.table[0]), encode_string(self.table[1]), _named(self.markers)]
        parts.append(_metadata(self.table, self.columns, 0))
        return b"".join(parts)

    @property
    def result_id(self) -> bytes:
        """The id of the result metadata."""
        return self.id


@dataclass(frozen=True)
class SchemaChanged(Reply):
    """The result of a schema statement, and the event for it.

    Args:
        change: CREATED, UPDATED or DROPPED.
        target: KEYSPACE, TABLE or TYPE.
        keyspace: The keyspace.
        name: The table or type; empty for a keyspace.
    """

    change: str
    target: str
    keyspace: str
    name: str = ""

    def body(self, version: int) -> bytes:
        """Return the body of the RESULT."""
        return INT.pack(ResultKind.SCHEMA_CHANGE) + self._said()

    def event(self) -> bytes:
        """Return the body of the EVENT."""
        return encode_string("SCHEMA_CHANGE") + self._said()

    def _said(self) -> bytes:
        words = [self.change, self.target, self.keyspace, *([self.name] if self.name else [])]
        return b"".join(map(encode_string, words))


def keyspace_set(keyspace: str) -> Spoken:
    """Return the response to USE."""
    return Spoken(Opcode.RESULT, INT.pack(ResultKind.SET_KEYSPACE) + encode_string(keyspace))


def status_event(kind: str, change: str, address: str, port: int) -> bytes:
    """Return the body of the EVENT for a node.

    Args:
        kind: STATUS_CHANGE or TOPOLOGY_CHANGE.
        change: UP, DOWN, NEW_NODE or REMOVED_NODE.
        address: The node's address.
        port: The node's port.
    """
    where = encode_inet_address(ip_address(address)) + INT.pack(port)
    return encode_string(kind) + encode_string(change) + where
