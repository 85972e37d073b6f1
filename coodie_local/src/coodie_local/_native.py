"""As much CQL as starting a node takes, without a driver: is it ready, who may log in, a keyspace.

The frames are those of version 4 of the native protocol specification of Apache Cassandra
(doc/native_protocol_v4.spec, sections 2 to 4).
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from coodie_local._access import OPEN

if TYPE_CHECKING:
    from collections.abc import Generator

    from coodie_local._access import Access, Credentials

__all__ = [
    "ALL",
    "ONE",
    "QUORUM",
    "Frame",
    "RefusedError",
    "Rows",
    "conversation",
    "encode_frame",
    "is_ready",
    "rows_or_none",
    "run_statement",
]

#: An answer: its rows, each value as it came.
Rows: TypeAlias = "list[tuple[bytes | None, ...]]"

#: Consistency levels.
ONE, QUORUM, ALL = 0x0001, 0x0004, 0x0005

_HEADER = struct.Struct("!BBhBi")
_REQUEST = 0x04
_ERROR, _STARTUP, _READY, _AUTHENTICATE, _QUERY, _RESULT = 0x00, 0x01, 0x02, 0x03, 0x07, 0x08
_AUTH_RESPONSE, _AUTH_SUCCESS = 0x0F, 0x10
_SKIP_METADATA = 0x02
_ROWS = 2
_LARGEST = 1 << 20
_READY_STATEMENT = "SELECT key FROM system.local"


class RefusedError(Exception):
    """The server answered something else than what was hoped for; the text says what."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame from the server."""

    opcode: int
    body: bytes


def encode_frame(opcode: int, body: bytes) -> bytes:
    """Put a body into a request frame of protocol version 4."""
    return _HEADER.pack(_REQUEST, 0, 0, opcode, len(body)) + body


def conversation(
    statement: str, credentials: Credentials | None = None, consistency: int = ONE
) -> Generator[bytes, Frame, Rows]:
    """Talk to a node as its first client would: STARTUP, log in where it asks, then one statement.

    Args:
        statement: CQL text without values.
        credentials: Who logs in.
        consistency: The statement's level.

    Yields:
        The next bytes to send; the frame that comes back is sent in.

    Returns:
        The rows of the answer.

    Raises:
        RefusedError: An answer is an error, or isn't CQL's.
    """
    startup = struct.pack("!H", 1) + _string("CQL_VERSION") + _string("3.0.0")
    answer = yield encode_frame(_STARTUP, startup)
    if answer.opcode == _AUTHENTICATE and credentials is not None:
        # SASL's PLAIN (RFC 4616), which PasswordAuthenticator speaks
        token = f"\0{credentials.username}\0{credentials.password}".encode()
        answer = yield encode_frame(_AUTH_RESPONSE, struct.pack("!i", len(token)) + token)
        _expect(answer, _AUTH_SUCCESS)
    else:
        _expect(answer, _READY)
    text = statement.encode()
    query = struct.pack("!i", len(text)) + text + struct.pack("!HB", consistency, _SKIP_METADATA)
    answer = yield encode_frame(_QUERY, query)
    _expect(answer, _RESULT)
    return _rows(answer.body)


def run_statement(
    host: str,
    port: int,
    statement: str,
    access: Access = OPEN,
    *,
    consistency: int = ONE,
    timeout: float = 10.0,
) -> Rows:
    """Execute one statement on a node, over a connection of its own.

    Args:
        host: An IP address.
        port: Its native-transport port.
        statement: CQL text without values.
        access: TLS, and who logs in.
        consistency: The statement's level.
        timeout: For each step, in seconds.

    Returns:
        The rows of the answer.

    Raises:
        OSError: The node can't be reached, or not by this TLS.
        RefusedError: It answered with an error.
    """
    with socket.create_connection((host, port), timeout=timeout) as plain:
        if access.ssl_context is None:
            return _talk(plain, conversation(statement, access.credentials, consistency))
        with access.ssl_context.wrap_socket(plain, server_hostname=host) as connection:
            return _talk(connection, conversation(statement, access.credentials, consistency))


def rows_or_none(
    host: str,
    port: int,
    statement: str,
    access: Access = OPEN,
    *,
    consistency: int = ONE,
    timeout: float = 2.0,
) -> Rows | None:
    """Execute one statement as run_statement does; return None where it fails.

    Args:
        host: An IP address.
        port: Its native-transport port.
        statement: CQL text without values.
        access: TLS, and who logs in.
        consistency: The statement's level.
        timeout: For each step, in seconds.
    """
    try:
        return run_statement(host, port, statement, access, consistency=consistency, timeout=timeout)
    except (OSError, RefusedError):
        return None


def is_ready(host: str, port: int, access: Access = OPEN, *, timeout: float = 2.0) -> bool:
    """Say whether the node at an address answers CQL.

    Args:
        host: An IP address.
        port: Its native-transport port.
        access: TLS, and who logs in.
        timeout: For each step, in seconds.
    """
    return rows_or_none(host, port, _READY_STATEMENT, access, timeout=timeout) is not None


def _talk(connection: socket.socket, talk: Generator[bytes, Frame, Rows]) -> Rows:
    request = next(talk)
    while True:
        connection.sendall(request)
        try:
            request = talk.send(_read_frame(connection))
        except StopIteration as end:
            rows: Rows = end.value
            return rows


def _rows(body: bytes) -> Rows:
    """Read a RESULT without metadata: its kind; flags, the numbers of columns and rows; the values."""
    (kind,) = struct.unpack_from("!i", body)
    if kind != _ROWS:
        return []
    _flags, columns, count = struct.unpack_from("!iii", body, 4)
    position = 16

    def value() -> bytes | None:
        nonlocal position
        (length,) = struct.unpack_from("!i", body, position)
        position += 4 + max(0, length)
        return None if length < 0 else body[position - length : position]

    return [tuple(value() for _ in range(columns)) for _ in range(count)]


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("!H", len(encoded)) + encoded


def _expect(frame: Frame, opcode: int) -> None:
    if frame.opcode == _ERROR:
        # an int for the kind, then its text as a short length and bytes
        raise RefusedError(
            frame.body[6 : 6 + int.from_bytes(frame.body[4:6], "big")].decode("utf-8", "replace")
        )
    if frame.opcode == _AUTHENTICATE:
        msg = "the server asks for a password"
        raise RefusedError(msg)
    if frame.opcode != opcode:
        msg = f"opcode {frame.opcode} came where {opcode} was expected"
        raise RefusedError(msg)


def _read_frame(connection: socket.socket) -> Frame:
    _version, _flags, _stream, opcode, length = _HEADER.unpack(_read(connection, _HEADER.size))
    if not 0 <= length <= _LARGEST:
        msg = f"a frame of {length} bytes: this isn't CQL"
        raise RefusedError(msg)
    return Frame(opcode=opcode, body=_read(connection, length))


def _read(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            msg = "the connection was closed"
            raise RefusedError(msg)
        parts += part
    return bytes(parts)
