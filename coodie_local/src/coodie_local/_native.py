"""As much CQL as starting a node takes, without a driver: is it ready, and create a keyspace.

The frames are those of version 4 of the native protocol specification of Apache Cassandra
(doc/native_protocol_v4.spec, sections 2 to 4).
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Frame", "RefusedError", "conversation", "encode_frame", "is_ready", "run_statement"]

_HEADER = struct.Struct("!BBhBi")
_REQUEST = 0x04
_ERROR, _STARTUP, _READY, _QUERY, _RESULT = 0x00, 0x01, 0x02, 0x07, 0x08
_CONSISTENCY_ONE = 0x0001
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


def conversation(statement: str) -> Generator[bytes, Frame, None]:
    """Talk to a node as its first client would: STARTUP, then one statement.

    Args:
        statement: CQL text without values.

    Yields:
        The next bytes to send; the frame that comes back is sent in.

    Raises:
        RefusedError: An answer is an error, or isn't CQL's.
    """
    startup = struct.pack("!H", 1) + _string("CQL_VERSION") + _string("3.0.0")
    answer = yield encode_frame(_STARTUP, startup)
    _expect(answer, _READY)
    text = statement.encode()
    query = struct.pack("!i", len(text)) + text + struct.pack("!HB", _CONSISTENCY_ONE, 0)
    answer = yield encode_frame(_QUERY, query)
    _expect(answer, _RESULT)


def run_statement(host: str, port: int, statement: str, timeout: float = 10.0) -> None:
    """Execute one statement on a node, over a connection of its own.

    Args:
        host: An IP address.
        port: Its native-transport port.
        statement: CQL text without values.
        timeout: For each step, in seconds.

    Raises:
        OSError: The node can't be reached.
        RefusedError: It answered with an error.
    """
    with socket.create_connection((host, port), timeout=timeout) as connection:
        talk = conversation(statement)
        request = next(talk)
        while True:
            connection.sendall(request)
            try:
                request = talk.send(_read_frame(connection))
            except StopIteration:
                return


def is_ready(host: str, port: int, timeout: float = 2.0) -> bool:
    """Say whether the node at an address answers CQL.

    Args:
        host: An IP address.
        port: Its native-transport port.
        timeout: For each step, in seconds.
    """
    try:
        run_statement(host, port, _READY_STATEMENT, timeout)
    except (OSError, RefusedError):
        return False
    return True


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("!H", len(encoded)) + encoded


def _expect(frame: Frame, opcode: int) -> None:
    if frame.opcode == _ERROR:
        # an int for the kind, then its text as a short length and bytes
        raise RefusedError(
            frame.body[6 : 6 + int.from_bytes(frame.body[4:6], "big")].decode("utf-8", "replace")
        )
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
