"""As much CQL as starting a node takes, without a driver: is it ready, who may log in, a keyspace.

The protocol is ``coodie.protocol``'s, handshake and connection; here is a socket, and one statement on it.
"""

from __future__ import annotations

import socket
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from coodie.protocol.codec import Consistency
from coodie.protocol.connection import Connection, ConnectionLost
from coodie.protocol.errors import BrokenFrameError, BrokenMessageError, HandshakeError
from coodie.protocol.frames import Frame, Opcode
from coodie.protocol.handshake import Handshake
from coodie.protocol.messages import plain_token, query_body
from coodie.protocol.results import bare_message, rows_without_metadata
from coodie.protocol.server_errors import read_error
from coodie_local._security import OPEN

if TYPE_CHECKING:
    from collections.abc import Generator

    from coodie.protocol.connection import Response
    from coodie_local._security import Access, Credentials

__all__ = [
    "SCHEMA_TIMEOUT",
    "RefusedError",
    "Rows",
    "conversation",
    "is_ready",
    "rows_or_none",
    "run_statement",
]

#: An answer: its rows, each value as it came.
Rows: TypeAlias = "list[tuple[bytes | None, ...]]"

#: The protocol version, which every Cassandra speaks that can be started.
_VERSION = 4
#: Seconds for a change of the schema, which a node on a busy machine needs long for.
SCHEMA_TIMEOUT = 60.0
_READY_STATEMENT = "SELECT key FROM system.local"
_CHUNK = 65_536


class RefusedError(Exception):
    """The server answered something else than what was hoped for; the text says what."""


def conversation(
    statement: str, credentials: Credentials | None = None, consistency: int = Consistency.ONE
) -> Generator[bytes, bytes, Rows]:
    """Talk to a node as its first client would: STARTUP, log in where it asks, then one statement.

    Args:
        statement: CQL text without values.
        credentials: Who logs in.
        consistency: The statement's level.

    Yields:
        The next bytes to send, or none; the bytes that come back are sent in.

    Returns:
        The rows of the answer.

    Raises:
        RefusedError: An answer is an error, or isn't CQL's.
    """
    token = None if credentials is None else plain_token(credentials.username, credentials.password)
    handshake = Handshake(_VERSION, token)
    try:
        following = handshake.start()
        while not handshake.is_ready:
            following = handshake.receive((yield following))
        # the socket has the timeouts, so that this connection needs no clock
        connection: Connection[None] = Connection(handshake.frames(), 0.0)
        query = query_body(statement, consistency, _VERSION, skips_metadata=True)
        connection.send(Opcode.QUERY, query, None, inf, 0.0)
        while not (responses := connection.receive((yield bytes(connection.data_to_send())), 0.0)):
            pass
        return _rows(responses[0][1])
    except (BrokenFrameError, BrokenMessageError, HandshakeError) as exc:
        raise RefusedError(str(exc)) from exc


def run_statement(
    host: str,
    port: int,
    statement: str,
    access: Access = OPEN,
    *,
    consistency: int = Consistency.ONE,
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
    consistency: int = Consistency.ONE,
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


def _talk(connection: socket.socket, talk: Generator[bytes, bytes, Rows]) -> Rows:
    request = next(talk)
    while True:
        connection.sendall(request)
        data = connection.recv(_CHUNK)
        if not data:
            raise RefusedError("The server closed the connection")
        try:
            request = talk.send(data)
        except StopIteration as end:
            rows: Rows = end.value
            return rows


def _rows(answer: Response) -> Rows:
    if isinstance(answer, bytes):
        return rows_without_metadata(answer)
    if not isinstance(answer, Frame):
        raise RefusedError(str(answer.error) if isinstance(answer, ConnectionLost) else "no response")
    body = bare_message(answer.flags, answer.body)
    if answer.opcode == Opcode.ERROR:
        raise RefusedError(read_error(body, _VERSION).message)
    if answer.opcode != Opcode.RESULT:
        raise RefusedError(f"expected opcode {Opcode.RESULT}, got {answer.opcode}")
    return rows_without_metadata(body)
