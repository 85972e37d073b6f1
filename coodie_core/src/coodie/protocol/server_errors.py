"""The body of ERROR: a code, a message, and for some codes further fields (section 8).

``error_codes`` defines the fields of each code, for decoding and encoding, in versions 3 to 5.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.protocol.codec import INT, SHORT, Reader, encode_string
from coodie.protocol.error_codes import ErrorCode, Notation, meaning

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LIMITED_OPERATIONS", "ServerError", "error_body", "named_rate_limit", "read_error"]

#: The first version with a reason code per failed node.
_VERSION_5 = 5

#: The number of failed nodes, before version 5.
_COUNT = Notation(Reader.read_int, INT.pack)

#: ScyllaDB's message of a rate limit (exceptions.cc, rate_limit_exception).
_RATE_LIMIT = re.compile(r"(?s)rate limit reached for (read|write)\b.* rejected by (coordinator|replicas)")

#: The operation of a rate limit, by its number in the ERROR.
LIMITED_OPERATIONS = ("read", "write")


class ServerError(NamedTuple):
    """A decoded ERROR.

    Attributes:
        code: An ``ErrorCode``, or an unknown code.
        message: The server's message.
        details: The fields of the code, by the names of the specification; empty for an unknown code.
    """

    code: int
    message: str
    details: Mapping[str, Any]


def _fields(code: int, version: int) -> Mapping[str, Notation]:
    """Return the fields of a code in a protocol version, in order."""
    fields = meaning(code).fields
    if version < _VERSION_5 and "failures" in fields:
        return {**fields, "failures": _COUNT}
    return fields


def _has_contentions(code: int, version: int, details: Mapping[str, Any]) -> bool:
    """Return whether a write timeout may have the number of contending lightweight transactions."""
    return code == ErrorCode.WRITE_TIMEOUT and version >= _VERSION_5 and details["write_type"] == "CAS"


def read_error(body: bytes, version: int, rate_limit: int | None = None) -> ServerError:
    """Decode the body of ERROR.

    Args:
        body: The body.
        version: The frame's protocol version.
        rate_limit: The negotiated code of ScyllaDB's rate limit; None if there is none.

    Raises:
        BrokenMessageError: The body is invalid.
    """
    reader = Reader(body)
    code, message = reader.read_int(), reader.read_string()
    fields = _fields(code, version)
    if code == rate_limit:
        code = ErrorCode.RATE_LIMIT_ERROR
        fields = _fields(code, version)
    elif code == ErrorCode.RATE_LIMIT_ERROR:
        fields = {}  # another server's code with the same number
    details = {name: notation.read(reader) for name, notation in fields.items()}
    if _has_contentions(code, version, details) and not reader.is_at_end:
        details["contentions"] = reader.read_short()
    return ServerError(code, message, details)


def error_body(error: ServerError, version: int) -> bytes:
    """Encode the body of ERROR; the details must have all fields of the code.

    Args:
        error: The error.
        version: The frame's protocol version.
    """
    code, message, details = error
    parts = [INT.pack(code), encode_string(message)]
    parts += [notation.write(details[name]) for name, notation in _fields(code, version).items()]
    if _has_contentions(code, version, details) and "contentions" in details:
        parts.append(SHORT.pack(details["contentions"]))
    return b"".join(parts)


def named_rate_limit(error: ServerError) -> ServerError:
    """Convert a CONFIG_ERROR with the message of a rate limit into a rate limit error.

    ScyllaDB sends CONFIG_ERROR if the code of the rate limit hasn't been negotiated
    (docs/dev/protocol-extensions.md, "Rate limit error").
    """
    said = _RATE_LIMIT.search(error.message) if error.code == ErrorCode.CONFIG_ERROR else None
    if said is None:
        return error
    operation, rejecter = said.groups()
    details = {
        "op_type": LIMITED_OPERATIONS.index(operation),
        "rejected_by_coordinator": rejecter == "coordinator",
    }
    return ServerError(ErrorCode.RATE_LIMIT_ERROR, error.message, details)
