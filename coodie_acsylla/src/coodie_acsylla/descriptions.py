"""The types of a statement's bind markers and columns, which the client doesn't expose.

``describe`` prepares the statement on a connection of its own, and reads the server's description. A
connection lives for one statement: statements are prepared rarely, and nothing has to be kept, shared between
event loops, or closed. It speaks ``coodie.protocol``, and is one exchange of bytes for threads and tasks.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.cql import quoted_name
from coodie.protocol.codec import Reader, encode_long_string
from coodie.protocol.connection import Connection, ConnectionLost
from coodie.protocol.errors import BrokenFrameError, BrokenMessageError, HandshakeError
from coodie.protocol.frames import Frame, Opcode
from coodie.protocol.handshake import Handshake
from coodie.protocol.messages import plain_token, query_body
from coodie.protocol.results import ResultKind, bare_message
from coodie.protocol.server_errors import read_error
from coodie_acsylla.cqltypes import read_columns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator, Sequence

    from coodie_acsylla.cqltypes import ColumnType

__all__ = ["Address", "Describe", "Description", "DescriptionError"]

#: The newest version of the client, and so the one whose types it gets.
_VERSION = 4

_READ_SIZE = 65_536


class DescriptionError(Exception):
    """No host described the statement; the text says why."""


class Description(NamedTuple):
    """A prepared statement.

    Attributes:
        markers: Its bind markers.
        columns: The columns of its result; empty for writes, also for conditional ones.
    """

    markers: tuple[ColumnType, ...]
    columns: tuple[ColumnType, ...]


class Address(NamedTuple):
    """Where a server is, and how to log in.

    Attributes:
        hosts: The hosts to try, in order.
        port: Their port.
        keyspace: The keyspace of unqualified names, or None.
        username: The user, or None without credentials.
        password: The password.
    """

    hosts: Sequence[str]
    port: int
    keyspace: str | None = None
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        """Return a representation without the password."""
        return f"<Address {', '.join(self.hosts)}:{self.port}>"


class Describe:
    """An effect: the description of a statement.

    Args:
        address: The server.
        cql: The CQL text, with ``?`` for each value.
        timeout: The timeout in seconds, of all hosts together.

    Raises:
        DescriptionError: No host described it.
        TimeoutError: The timeout expired.
    """

    __slots__ = ("address", "cql", "timeout")

    def __init__(self, address: Address, cql: str, timeout: float) -> None:
        self.address = address
        self.cql = cql
        self.timeout = timeout

    def run(self) -> Description:
        """Connect in the calling thread."""
        deadline = time.monotonic() + self.timeout
        reasons = []
        for host in self.address.hosts:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                with socket.create_connection((host, self.address.port), timeout=left) as connection:
                    return self._exchange(connection, deadline)
            except TimeoutError:
                raise
            except (OSError, DescriptionError) as exc:
                reasons.append(f"{host}: {exc}")
        raise DescriptionError("; ".join(reasons))

    def run_async(self) -> Awaitable[Description]:
        """Connect on the running loop."""
        return self._in_time()

    def _exchange(self, connection: socket.socket, deadline: float) -> Description:
        steps = _steps(self.address, self.cql)
        data = next(steps)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            if data:
                connection.sendall(data)
            try:
                data = steps.send(_received(connection.recv(_READ_SIZE)))
            except StopIteration as stop:
                return _value(stop)

    async def _in_time(self) -> Description:
        import asyncio

        try:
            return await asyncio.wait_for(self._on_loop(), self.timeout)
        except asyncio.TimeoutError as exc:  # the builtin only since Python 3.11
            raise TimeoutError from exc

    async def _on_loop(self) -> Description:
        import asyncio

        reasons = []
        for host in self.address.hosts:
            try:
                reader, writer = await asyncio.open_connection(host, self.address.port)
            except OSError as exc:
                reasons.append(f"{host}: {exc}")
                continue
            try:
                steps = _steps(self.address, self.cql)
                data = next(steps)
                while True:
                    writer.write(data)
                    await writer.drain()
                    data = steps.send(_received(await reader.read(_READ_SIZE)))
            except StopIteration as stop:
                return _value(stop)
            except (OSError, DescriptionError) as exc:
                reasons.append(f"{host}: {exc}")
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
        raise DescriptionError("; ".join(reasons))


def _received(data: bytes) -> bytes:
    if not data:
        raise DescriptionError("the server closed the connection")
    return data


def _value(stop: StopIteration) -> Description:
    description: Description = stop.value
    return description


def _steps(address: Address, cql: str) -> Generator[bytes, bytes, Description]:
    """Yield the bytes to send, and get those that were received; return the description.

    Raises:
        DescriptionError: The server rejected something, or sent something else.
    """
    token = None
    if address.username is not None and address.password is not None:
        token = plain_token(address.username, address.password)
    handshake = Handshake(_VERSION, token)
    try:
        following = handshake.start()
        while not handshake.is_ready:
            following = handshake.receive((yield following))
        connection: Connection[None] = Connection(handshake.frames(), 0.0)  # the sockets have the timeouts
        if address.keyspace is not None:
            use = query_body(f"USE {quoted_name(address.keyspace)}", 1, _VERSION)
            yield from _request(connection, Opcode.QUERY, use)
        body = yield from _request(connection, Opcode.PREPARE, encode_long_string(cql))
        return _read(body)
    except (BrokenFrameError, BrokenMessageError, HandshakeError) as exc:
        raise DescriptionError(str(exc)) from exc


def _request(connection: Connection[None], opcode: int, body: bytes) -> Generator[bytes, bytes, bytes]:
    """Send a request; return the body of its RESULT."""
    connection.send(opcode, body, None, inf, 0.0)
    while not (responses := connection.receive((yield bytes(connection.data_to_send())), 0.0)):
        pass
    answer: Any = responses[0][1]
    if isinstance(answer, bytes):
        return answer
    if not isinstance(answer, Frame):
        raise DescriptionError(str(answer.error) if isinstance(answer, ConnectionLost) else "no response")
    content = bare_message(answer.flags, answer.body)
    if answer.opcode == Opcode.ERROR:
        raise DescriptionError(read_error(content, _VERSION).message)
    if answer.opcode != Opcode.RESULT:
        raise DescriptionError(f"expected opcode {Opcode.RESULT:#x}, got {answer.opcode:#x}")
    return content


def _read(body: bytes) -> Description:
    """Read a RESULT of kind PREPARED (section 4.2.5.4)."""
    reader = Reader(body)
    if reader.read_int() != ResultKind.PREPARED:
        raise DescriptionError("the server sent no description")
    reader.read_short_bytes()  # the id
    flags, count, keys = reader.read_int(), reader.read_int(), reader.read_int()
    reader.take(2 * keys)  # the positions of the partition key
    markers = read_columns(reader, flags, count)
    flags, count = reader.read_int(), reader.read_int()
    # Without columns, or with the flag NO_METADATA, nothing follows.
    has_columns = count > 0 and not flags & _NO_METADATA
    return Description(markers, read_columns(reader, flags, count) if has_columns else ())


#: The flag of a result without descriptions of its columns.
_NO_METADATA = 0x4
