"""Messages that a proxy sends instead of the server's: errors with example details, tablets."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from coodie.protocol.codec import (
    INT,
    LONG,
    Consistency,
    Reader,
    encode_bytes,
    encode_bytes_map,
    encode_long_string,
)
from coodie.protocol.server_errors import ServerError, error_body

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from coodie.protocol.error_codes import ErrorCode

__all__ = ["error_details", "example_error_body", "tablet_payload", "without_timeout"]

#: The first version with the addresses of failed nodes.
_VERSION_5 = 5


def error_details(protocol: int) -> dict[str, Any]:
    """Return example fields of all codes of ERROR: one of two replicas, keyspace ``ks``, table ``t``.

    Args:
        protocol: The protocol's version.
    """
    return {
        "consistency": Consistency.QUORUM,
        "received": 1,
        "required": 2,
        "alive": 1,
        "data_present": False,
        "write_type": "SIMPLE",
        "failures": {ip_address("127.0.0.1"): 0} if protocol >= _VERSION_5 else 1,
        "keyspace": "ks",
        "table": "t",
        "function": "f",
        "arg_types": [],
        "statement": b"",
        "op_type": 1,
        "rejected_by_coordinator": True,
    }


def example_error_body(
    code: ErrorCode,
    protocol: int,
    *,
    message: str = "",
    write_type: str = "SIMPLE",
    statement: bytes = b"",
    by_coordinator: bool = True,
) -> bytes:
    """Return the body of an ERROR.

    Args:
        code: The error.
        protocol: The protocol's version.
        message: The message; default: the name of the error.
        write_type: For write timeouts and failures.
        statement: The id of a prepared statement, for "unprepared".
        by_coordinator: For "rate limit error": the coordinator rejected the request, not a replica.
    """
    details = error_details(protocol) | {
        "write_type": write_type,
        "statement": statement,
        "rejected_by_coordinator": by_coordinator,
    }
    text = message or f"injected: {code.name.lower().replace('_', ' ')}"
    return error_body(ServerError(code, text, details), protocol)


def without_timeout(body: bytes) -> bytes:
    """Remove `` USING TIMEOUT …ms`` from a QUERY; scylla-driver adds it for ScyllaDB."""
    reader = Reader(body)
    head, found, _ = reader.read_long_string().partition(" USING TIMEOUT ")
    return encode_long_string(head) + reader.rest() if found else body


def tablet_payload(replicas: Sequence[tuple[UUID, int]]) -> bytes:
    """Return the custom payload of a tablet with all tokens; each replica is a node and a shard.

    The payload is a tuple: the first token (exclusive), the last token, a list of replicas.
    """
    pairs = [encode_bytes(node.bytes) + encode_bytes(INT.pack(shard)) for node, shard in replicas]
    listed = INT.pack(len(pairs)) + b"".join(map(encode_bytes, pairs))
    tokens = encode_bytes(LONG.pack(-(2**63))) + encode_bytes(LONG.pack(2**63 - 1))
    return encode_bytes_map({"tablets-routing-v1": tokens + encode_bytes(listed)})
