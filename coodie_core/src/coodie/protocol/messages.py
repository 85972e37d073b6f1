"""Bodies of requests (section 4.1): encoding, and decoding of the parts that a proxy needs.

Opcode, stream id and flags belong to the frame, not to the body. OPTIONS has an empty body. Functions whose
result depends on the version take it as an argument: version 5 has flags of four bytes instead of one, and
an id of the result metadata in EXECUTE.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from coodie.protocol.codec import (
    LONG,
    SHORT,
    Reader,
    encode_bytes,
    encode_long_string,
    encode_short_bytes,
    encode_string_map,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "BATCH_LIMIT",
    "PAGE_SIZE",
    "PAGING_STATE",
    "auth_response_body",
    "batch_body",
    "batch_part",
    "execute_head",
    "optional_flags",
    "optional_parameters",
    "plain_token",
    "query_body",
    "startup_body",
    "statement_id",
    "statement_text",
]

#: The first version with flags of four bytes, and ids of result metadata.
_VERSION_5 = 5

#: Flags of QUERY, EXECUTE and BATCH (section 4.1.4).
_VALUES = 0x01
_SKIP_METADATA = 0x02
PAGE_SIZE = 0x04
PAGING_STATE = 0x08
_SERIAL_CONSISTENCY = 0x10
_TIMESTAMP = 0x20

#: Maximum number of statements in a batch: a [short].
BATCH_LIMIT = 65_535

#: The CQL version in STARTUP; the same since Cassandra 2.0.
_CQL_VERSION = {"CQL_VERSION": "3.0.0"}

#: The batch type, and the number of statements; the mark of a prepared statement.
_BATCH_HEAD = Struct(">BH")
_IS_PREPARED = b"\x01"


def startup_body(options: Mapping[str, str] | None = None) -> bytes:
    """Encode the body of STARTUP (section 4.1.1).

    Args:
        options: Additional options, such as COMPRESSION and DRIVER_NAME.
    """
    return encode_string_map({**_CQL_VERSION, **(options or {})})


def auth_response_body(token: bytes) -> bytes:
    """Encode the body of AUTH_RESPONSE (section 4.1.2)."""
    return encode_bytes(token)


def plain_token(username: str, password: str) -> bytes:
    """Return the token of SASL PLAIN (RFC 4616), for Cassandra's PasswordAuthenticator."""
    return f"\0{username}\0{password}".encode()


def query_body(statement: str, consistency: int, version: int, *, skips_metadata: bool = False) -> bytes:
    """Encode the body of QUERY (section 4.1.4), for a statement without values.

    Args:
        statement: CQL text.
        consistency: The consistency level's code.
        version: The protocol version.
        skips_metadata: Omit the metadata from the result.
    """
    flags = _SKIP_METADATA if skips_metadata else 0
    return encode_long_string(statement) + SHORT.pack(consistency) + _packed_flags(flags, version)


def execute_head(
    statement: bytes, metadata: bytes | None, values: int, level: int, flags: int, version: int
) -> bytes:
    """Encode the part of the body of EXECUTE before the values (section 4.1.6).

    After the values come, depending on the flags: the page size, the paging state, and
    ``optional_parameters``.

    Args:
        statement: The statement's id.
        metadata: The id of the result metadata, or None; not sent before version 5.
        values: The number of values.
        level: The consistency level's code.
        flags: The flags of the parameters after the values.
        version: The protocol version.
    """
    parts = [encode_short_bytes(statement)]
    if version >= _VERSION_5:
        parts.append(encode_short_bytes(metadata or b""))
    parts.append(SHORT.pack(level))
    if values:
        parts += (_packed_flags(flags | _VALUES, version), SHORT.pack(values))
    else:
        parts.append(_packed_flags(flags, version))
    return b"".join(parts)


def optional_flags(serial: int | None, timestamp: int | None) -> int:
    """Return the flags of ``optional_parameters``."""
    return (_SERIAL_CONSISTENCY if serial is not None else 0) | (_TIMESTAMP if timestamp is not None else 0)


def optional_parameters(serial: int | None, timestamp: int | None) -> bytes:
    """Encode the end of EXECUTE and BATCH, after the page size and the paging state.

    Args:
        serial: The serial consistency level's code, or None.
        timestamp: Microseconds since 1970; None for the server's.
    """
    first = b"" if serial is None else SHORT.pack(serial)
    return first if timestamp is None else first + LONG.pack(timestamp)


def batch_part(statement: bytes, values: int) -> bytes:
    """Encode the part of a prepared statement in a BATCH before its values.

    Args:
        statement: The statement's id.
        values: The number of values.
    """
    return _IS_PREPARED + encode_short_bytes(statement) + SHORT.pack(values)


def batch_body(
    kind: int, parts: Sequence[bytes], level: int, serial: int | None, timestamp: int | None, version: int
) -> bytes:
    """Encode the body of BATCH (section 4.1.7).

    Args:
        kind: The batch type's code.
        parts: The statements: for each one ``batch_part`` and the values.
        level: The consistency level's code.
        serial: The serial consistency level's code, or None.
        timestamp: Microseconds since 1970; None for the server's.
        version: The protocol version.
    """
    head = _BATCH_HEAD.pack(kind, len(parts))
    flags = _packed_flags(optional_flags(serial, timestamp), version)
    return b"".join((head, *parts, SHORT.pack(level), flags, optional_parameters(serial, timestamp)))


def statement_text(body: bytes) -> str:
    """Return the CQL text of a QUERY or PREPARE, which is first in the body."""
    return Reader(body).read_long_string()


def statement_id(body: bytes) -> bytes:
    """Return the statement's id of an EXECUTE."""
    return Reader(body).read_short_bytes()


def _packed_flags(flags: int, version: int) -> bytes:
    return flags.to_bytes(4 if version >= _VERSION_5 else 1, "big")
