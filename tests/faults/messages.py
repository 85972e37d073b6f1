"""Bodies of the native protocol's messages: what a proxy has to read of them, and the errors it makes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

__all__ = [
    "ERROR_CODES",
    "error_body",
    "prepared_id",
    "read_multimap",
    "statement_id",
    "statement_text",
    "tablet_payload",
    "without_timeout",
    "write_multimap",
]

_QUORUM = 0x0004

#: Names as in native_protocol_v5.spec, section 9.
ERROR_CODES = {
    "server error": 0x0000,
    "protocol error": 0x000A,
    "bad credentials": 0x0100,
    "unavailable": 0x1000,
    "overloaded": 0x1001,
    "is bootstrapping": 0x1002,
    "truncate error": 0x1003,
    "write timeout": 0x1100,
    "read timeout": 0x1200,
    "read failure": 0x1300,
    "function failure": 0x1400,
    "write failure": 0x1500,
    "syntax error": 0x2000,
    "unauthorized": 0x2100,
    "invalid": 0x2200,
    "config error": 0x2300,
    "already exists": 0x2400,
    "unprepared": 0x2500,
}


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _replicas(received: int = 1, required: int = 2) -> bytes:
    return struct.pack(">Hii", _QUORUM, received, required)


def error_body(
    name: str, protocol: int, *, message: str = "", write_type: str = "SIMPLE", statement: bytes = b""
) -> bytes:
    """Return the body of an ERROR.

    Args:
        name: One of ``ERROR_CODES``.
        protocol: The protocol's version.
        message: What the server says; without one, what this is.
        write_type: For write timeouts and failures.
        statement: The id of a prepared statement, for "unprepared".
    """
    failures = struct.pack(">i", 1)
    if protocol >= 5:  # a map of addresses to reasons
        failures += b"\x04\x7f\x00\x00\x01" + struct.pack(">H", 0)
    extra = {
        "unavailable": struct.pack(">Hii", _QUORUM, 2, 1),
        "write timeout": _replicas() + _string(write_type),
        "read timeout": _replicas() + b"\x00",
        "read failure": _replicas() + failures + b"\x00",
        "write failure": _replicas() + failures + _string(write_type),
        "function failure": _string("ks") + _string("f") + struct.pack(">H", 0),
        "already exists": _string("ks") + _string("t"),
        "unprepared": struct.pack(">H", len(statement)) + statement,
    }
    return (
        struct.pack(">i", ERROR_CODES[name]) + _string(message or f"injected: {name}") + extra.get(name, b"")
    )


def statement_text(body: bytes) -> str:
    """Return the CQL of a QUERY or PREPARE, which both begin with it."""
    (length,) = struct.unpack_from(">i", body)
    return body[4 : 4 + length].decode()


def without_timeout(body: bytes) -> bytes:
    """Take `` USING TIMEOUT …ms`` off a QUERY, which scylla-driver adds for ScyllaDB alone."""
    (length,) = struct.unpack_from(">i", body)
    text = body[4 : 4 + length]
    head, found, _ = text.partition(b" USING TIMEOUT ")
    return struct.pack(">i", len(head)) + head + body[4 + length :] if found else body


def statement_id(body: bytes) -> bytes:
    """Return the statement's id of an EXECUTE."""
    (length,) = struct.unpack_from(">H", body)
    return body[2 : 2 + length]


def prepared_id(body: bytes) -> bytes | None:
    """Return the statement's id of a RESULT that answers a PREPARE; None for other results."""
    (kind,) = struct.unpack_from(">i", body)
    return statement_id(body[4:]) if kind == 4 else None


def read_multimap(body: bytes) -> dict[str, list[str]]:
    """Read the body of SUPPORTED."""
    place = 0

    def short() -> int:
        nonlocal place
        place += 2
        return int(struct.unpack_from(">H", body, place - 2)[0])

    def string() -> str:
        nonlocal place
        length = short()
        place += length
        return body[place - length : place].decode()

    return {string(): [string() for _ in range(short())] for _ in range(short())}


def write_multimap(options: dict[str, list[str]]) -> bytes:
    """Write the body of SUPPORTED."""
    body = struct.pack(">H", len(options))
    for name, values in options.items():
        body += _string(name) + struct.pack(">H", len(values)) + b"".join(map(_string, values))
    return body


def tablet_payload(replicas: Sequence[tuple[UUID, int]]) -> bytes:
    """Return the custom payload that tells of a tablet with all tokens; each replica is a node and a shard.

    It is a tuple: first token, excluded; last token; a list of tuples.
    """

    def value(data: bytes) -> bytes:
        return struct.pack(">i", len(data)) + data

    pairs = [value(node.bytes) + value(struct.pack(">i", shard)) for node, shard in replicas]
    listed = struct.pack(">i", len(pairs)) + b"".join(map(value, pairs))
    tablet = value(struct.pack(">q", -(2**63))) + value(struct.pack(">q", 2**63 - 1)) + value(listed)
    return struct.pack(">H", 1) + _string("tablets-routing-v1") + value(tablet)
