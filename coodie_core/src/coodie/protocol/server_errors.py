"""The body of ERROR: a code, what the server says, and for some codes what else is known (section 8).

One table says which fields a code has, in which notation, and is both read and written by: versions 3 to 5.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.protocol.codec import (
    INT,
    SHORT,
    Reader,
    encode_inet_address,
    encode_short_bytes,
    encode_string,
    encode_string_list,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from ipaddress import IPv4Address, IPv6Address

__all__ = ["ErrorCode", "ServerError", "error_body", "read_error"]

#: The first version whose failures are told for each node.
_VERSION_5 = 5


class ErrorCode(IntEnum):
    """What went wrong, by the names of the specification."""

    SERVER_ERROR = 0x0000
    PROTOCOL_ERROR = 0x000A
    BAD_CREDENTIALS = 0x0100
    UNAVAILABLE = 0x1000
    OVERLOADED = 0x1001
    IS_BOOTSTRAPPING = 0x1002
    TRUNCATE_ERROR = 0x1003
    WRITE_TIMEOUT = 0x1100
    READ_TIMEOUT = 0x1200
    READ_FAILURE = 0x1300
    FUNCTION_FAILURE = 0x1400
    WRITE_FAILURE = 0x1500
    CDC_WRITE_FAILURE = 0x1600
    CAS_WRITE_UNKNOWN = 0x1700
    SYNTAX_ERROR = 0x2000
    UNAUTHORIZED = 0x2100
    INVALID = 0x2200
    CONFIG_ERROR = 0x2300
    ALREADY_EXISTS = 0x2400
    UNPREPARED = 0x2500


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


class _Notation(NamedTuple):
    """How a field is read and written."""

    read: Callable[[Reader], Any]
    write: Callable[[Any], bytes]


def _read_failures(reader: Reader) -> dict[IPv4Address | IPv6Address, int]:
    return {reader.read_inet_address(): reader.read_short() for _ in range(reader.read_int())}


def _write_failures(reasons: Mapping[IPv4Address | IPv6Address, int]) -> bytes:
    parts = [encode_inet_address(address) + SHORT.pack(code) for address, code in reasons.items()]
    return INT.pack(len(parts)) + b"".join(parts)


_INT = _Notation(Reader.read_int, INT.pack)
_SHORT = _Notation(Reader.read_short, SHORT.pack)
_FLAG = _Notation(lambda reader: bool(reader.read_byte()), lambda value: bytes([bool(value)]))
_STRING = _Notation(Reader.read_string, encode_string)
_STRINGS = _Notation(Reader.read_string_list, encode_string_list)
_ID = _Notation(Reader.read_short_bytes, encode_short_bytes)
#: A number of nodes up to version 4; each failed node with its reason from version 5 on.
_FAILURES = _Notation(_read_failures, _write_failures)

_ANSWERS = {"consistency": _SHORT, "received": _INT, "required": _INT}

_FIELDS: dict[int, dict[str, _Notation]] = {
    ErrorCode.UNAVAILABLE: {"consistency": _SHORT, "required": _INT, "alive": _INT},
    # Version 5 adds to a CAS how many others it met; see _fields.
    ErrorCode.WRITE_TIMEOUT: {**_ANSWERS, "write_type": _STRING},
    ErrorCode.READ_TIMEOUT: {**_ANSWERS, "data_present": _FLAG},
    ErrorCode.READ_FAILURE: {**_ANSWERS, "failures": _FAILURES, "data_present": _FLAG},
    ErrorCode.FUNCTION_FAILURE: {"keyspace": _STRING, "function": _STRING, "arg_types": _STRINGS},
    ErrorCode.WRITE_FAILURE: {**_ANSWERS, "failures": _FAILURES, "write_type": _STRING},
    ErrorCode.CAS_WRITE_UNKNOWN: _ANSWERS,
    ErrorCode.ALREADY_EXISTS: {"keyspace": _STRING, "table": _STRING},
    ErrorCode.UNPREPARED: {"statement": _ID},
}


def _fields(code: int, version: int) -> dict[str, _Notation]:
    """Return the fields of a code in a version, in order."""
    fields = _FIELDS.get(code, {})
    if version < _VERSION_5 and "failures" in fields:
        return {**fields, "failures": _INT}
    return fields


def _has_contentions(code: int, version: int, details: Mapping[str, Any]) -> bool:
    """Tell whether a write timeout may say how many other lightweight transactions it met."""
    return code == ErrorCode.WRITE_TIMEOUT and version >= _VERSION_5 and details["write_type"] == "CAS"


def read_error(body: bytes, version: int) -> ServerError:
    """Read the body of ERROR.

    Args:
        body: The body.
        version: The protocol version of its frame.

    Raises:
        BrokenMessageError: It isn't one.
    """
    reader = Reader(body)
    code, message = reader.read_int(), reader.read_string()
    details = {name: notation.read(reader) for name, notation in _fields(code, version).items()}
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
