"""A minimal CQL client for starting nodes without a driver: readiness, passwords, keyspaces.

``coodie.protocol`` has the handshake and the connection; this module adds a socket, and runs one statement.
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

#: The rows of a response, with undecoded values.
Rows: TypeAlias = "list[tuple[bytes | None, ...]]"

#: The protocol version; all supported versions of Cassandra have it.
_VERSION = 4
#: Seconds for a schema change, which is slow on a busy machine.
SCHEMA_TIMEOUT = 60.0
_READY_STATEMENT = "SELECT key FROM system.local"
_CHUNK = 65_536


class RefusedError(Exception):
    """The server rejected a statement, or sent an unexpected response; the message has the reason."""


def conversation(
    statement: str, credentials: Credentials | None = None, consistency: int = Consistency.ONE
) -> Generator[bytes, bytes, Rows]:
    """Connect to a node and execute one statement: STARTUP, authentication if required, QUERY.

    Args:
        statement: CQL text without values.
        credentials: The username and password; None: no authentication.
        consistency: The consistency level.

    Yields:
        The bytes to send, possibly none; send the received bytes in.

    Returns:
        The rows of the response.

    Raises:
        RefusedError: A response is an error, or not valid CQL.
    """
    token = None if credentials is None else plain_token(credentials.username, credentials.password)
    handshake = Handshake(_VERSION, token)
    try:
        following = handshake.start()
        while not handshake.is_ready:
            following = handshake.receive((yield following))
        # timeouts are set on the socket, so the connection needs no clock
        connection: Connection[None] = Connection(handshake.frames(), 0.0)
        query = query_body(statement, consistency, _VERSION, skips_metadata=True)
        connection.send(Opcode.QUERY, query, None, inf, 0.0)
        while not (responses := connection.receive((yield bytes(connection.data_to_send())), 0.0)):
            pass
        return _read_rows(responses[0][1])
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
    """Execute one statement on a node, over a new connection.

    Args:
        host: An IP address.
        port: The CQL port.
        statement: CQL text without values.
        access: TLS and credentials.
        consistency: The consistency level.
        timeout: For each step, in seconds.

    Returns:
        The rows of the response.

    Raises:
        OSError: The connection or the TLS handshake failed.
        RefusedError: The node responded with an error.
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
    """Execute one statement like run_statement; return None if it fails.

    Args:
        host: An IP address.
        port: The CQL port.
        statement: CQL text without values.
        access: TLS and credentials.
        consistency: The consistency level.
        timeout: For each step, in seconds.
    """
    try:
        return run_statement(host, port, statement, access, consistency=consistency, timeout=timeout)
    except (OSError, RefusedError):
        return None


def is_ready(host: str, port: int, access: Access = OPEN, *, timeout: float = 2.0) -> bool:
    """Return whether the node at an address accepts CQL requests.

    Args:
        host: An IP address.
        port: The CQL port.
        access: TLS and credentials.
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


def _read_rows(response: Response) -> Rows:
    if isinstance(response, bytes):
        return rows_without_metadata(response)
    if not isinstance(response, Frame):
        raise RefusedError(str(response.error) if isinstance(response, ConnectionLost) else "no response")
    body = bare_message(response.flags, response.body)
    if response.opcode == Opcode.ERROR:
        raise RefusedError(read_error(body, _VERSION).message)
    if response.opcode != Opcode.RESULT:
        raise RefusedError(f"expected opcode {Opcode.RESULT}, got {response.opcode}")
    return rows_without_metadata(body)
