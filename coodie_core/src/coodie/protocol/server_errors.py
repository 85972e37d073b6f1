"""The body of ERROR: a code, what the server says, and for some codes what else is known (section 8).

Which fields a code has stands in ``error_codes``, and is both read and written by: versions 3 to 5.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.protocol.codec import INT, SHORT, Reader, encode_string
from coodie.protocol.error_codes import ErrorCode, Notation, meaning

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LIMITED_OPERATIONS", "ServerError", "error_body", "named_rate_limit", "read_error"]

#: The first version with a reason for each failed node.
_VERSION_5 = 5

#: The number of failed nodes, in the versions before.
_COUNT = Notation(Reader.read_int, INT.pack)

#: What ScyllaDB says of its rate limit (exceptions.cc, rate_limit_exception).
_RATE_LIMIT = re.compile(r"(?s)rate limit reached for (read|write)\b.* rejected by (coordinator|replicas)")

#: What a rate limit is for, by the number in the ERROR.
LIMITED_OPERATIONS = ("read", "write")


class ServerError(NamedTuple):
    """What an ERROR says.

    Attributes:
        code: An ``ErrorCode``, or another server's.
        message: What the server says.
        details: The fields of its code, by the names of the specification; none for an unknown code.
    """

    code: int
    message: str
    details: Mapping[str, Any]


def _fields(code: int, version: int) -> Mapping[str, Notation]:
    """Return the fields of a code in a version, in order."""
    fields = meaning(code).fields
    if version < _VERSION_5 and "failures" in fields:
        return {**fields, "failures": _COUNT}
    return fields


def _has_contentions(code: int, version: int, details: Mapping[str, Any]) -> bool:
    """Tell whether a write timeout may say how many other lightweight transactions it met."""
    return code == ErrorCode.WRITE_TIMEOUT and version >= _VERSION_5 and details["write_type"] == "CAS"


def read_error(body: bytes, version: int, rate_limit: int | None = None) -> ServerError:
    """Read the body of ERROR.

    Args:
        body: The body.
        version: The protocol version of its frame.
        rate_limit: The code that was agreed on for the rate limit of ScyllaDB's; None where none was.

    Raises:
        BrokenMessageError: It isn't one.
    """
    reader = Reader(body)
    code, message = reader.read_int(), reader.read_string()
    fields = _fields(code, version)
    if code == rate_limit:
        code = ErrorCode.RATE_LIMIT_ERROR
        fields = _fields(code, version)
    elif code == ErrorCode.RATE_LIMIT_ERROR:
        fields = {}  # another server's code, of that number
    details = {name: notation.read(reader) for name, notation in fields.items()}
    if _has_contentions(code, version, details) and not reader.is_at_end:
        details["contentions"] = reader.read_short()
    return ServerError(code, message, details)


def error_body(error: ServerError, version: int) -> bytes:
    """Make the body of ERROR; all fields of its code have to be in its details.

    Args:
        error: What it says.
        version: The protocol version of its frame.
    """
    code, message, details = error
    parts = [INT.pack(code), encode_string(message)]
    parts += [notation.write(details[name]) for name, notation in _fields(code, version).items()]
    if _has_contentions(code, version, details) and "contentions" in details:
        parts.append(SHORT.pack(details["contentions"]))
    return b"".join(parts)


def named_rate_limit(error: ServerError) -> ServerError:
    """Return an ERROR as that of the rate limit where it says so in words alone.

    ScyllaDB sends CONFIG_ERROR in the place of a code that the client hasn't agreed on
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
