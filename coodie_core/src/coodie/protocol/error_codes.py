"""The meaning of error codes, as one table for decoding, encoding and translating ERROR messages.

For each code the table has the fields of the body (section 8 of the specification), the class of
``coodie.exceptions``, and the kinds of write that may have been applied, at least in part. The drivers'
exception hierarchies don't have this information. The documentation's page of errors has the same table; a
test compares them.

Sources: native_protocol_v3.spec to v5.spec of Apache Cassandra; its StorageProxy, BatchStatement and
ReplicaPlans, of 3.11 to 5.0; ScyllaDB's docs/dev/protocol-extensions.md and per-partition-rate-limit.md.
"""

from __future__ import annotations

from enum import Flag, IntEnum, auto
from types import MappingProxyType
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

__all__ = ["ERRORS", "ErrorCode", "Meaning", "Notation", "Write", "meaning"]


class ErrorCode(IntEnum):
    """Error codes, by their names in the specification."""

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
    #: ScyllaDB's extension. The number is negotiated in the handshake; current versions use this one.
    RATE_LIMIT_ERROR = 0x4321
    #: DataStax Enterprise's extension: writing the response to the client failed.
    CLIENT_WRITE_FAILURE = 0x8000


class Write(Flag):
    """Kinds of write, by whether they may have been applied after an error."""

    #: A read: nothing can be applied.
    NONE = 0
    #: A write to one partition, without a condition.
    SINGLE = auto()
    #: A logged batch: eventually all of its parts or none.
    LOGGED = auto()
    #: What may write to several partitions one after the other: a batch without a log or of counters, and
    #: an UPDATE or DELETE with IN. The first may be written when the second is refused. A statement about
    #: roles or permissions writes to several tables of the server's own (CassandraRoleManager.dropRole,
    #: CassandraAuthorizer.grant), and so does one about the schema, whose creator gets the permissions after
    #: the change (AlterSchemaStatement.execute).
    PARTS = auto()
    #: A conditional write (IF). The replicas agree first and commit then; each step may fail.
    CONDITIONAL = auto()
    #: TRUNCATE, and what only reads: LIST and DESCRIBE.
    OTHER = auto()
    ANY = SINGLE | LOGGED | PARTS | CONDITIONAL | OTHER

    def on_older_servers(self) -> Write:
        """Return the kind before Cassandra 3.11: one replica may have applied a write that fails for another.

        There a coordinator checks each replica of a partition just before it sends to it, as all
        versions do for several partitions (CASSANDRA-9318 changed this).
        """
        return self | Write.PARTS if self & Write.SINGLE else self


class Notation(NamedTuple):
    """The decoder and the encoder of a field."""

    read: Callable[[Reader], Any]
    write: Callable[[Any], bytes]


class Meaning(NamedTuple):
    """The meaning of an error code.

    Attributes:
        error: The class of ``coodie.exceptions``.
        fields: The fields of the body, in order, with their notations.
        applied: The kinds of write that may have been applied, at least in part.
        unless: A field and a value for which ``otherwise`` replaces ``applied``.
        otherwise: The kinds of write in that case.
    """

    error: str
    fields: Mapping[str, Notation]
    applied: Write
    unless: tuple[str, object] | None = None
    otherwise: Write = Write.NONE

    def may_have_been_applied(self, write: Write, details: Mapping[str, Any]) -> bool:
        """Return whether a write may have been applied, at least in part.

        Args:
            write: The kind of write.
            details: The fields of the ERROR.
        """
        excepted = self.unless is not None and details.get(self.unless[0]) == self.unless[1]
        return bool(write & (self.otherwise if excepted else self.applied))


def _read_failures(reader: Reader) -> dict[IPv4Address | IPv6Address, int]:
    return {reader.read_inet_address(): reader.read_short() for _ in range(reader.read_int())}


def _write_failures(reasons: Mapping[IPv4Address | IPv6Address, int]) -> bytes:
    parts = [encode_inet_address(address) + SHORT.pack(code) for address, code in reasons.items()]
    return INT.pack(len(parts)) + b"".join(parts)


_INT = Notation(Reader.read_int, INT.pack)
_SHORT = Notation(Reader.read_short, SHORT.pack)
_BYTE = Notation(Reader.read_byte, lambda value: bytes([value]))
_FLAG = Notation(lambda reader: bool(reader.read_byte()), lambda value: bytes([bool(value)]))
_STRING = Notation(Reader.read_string, encode_string)
_STRINGS = Notation(Reader.read_string_list, encode_string_list)
_ID = Notation(Reader.read_short_bytes, encode_short_bytes)
#: Failed nodes with their reasons; before version 5, ``failures`` is their number, an INT.
_FAILURES = Notation(_read_failures, _write_failures)

_ANSWERS = {"consistency": _SHORT, "received": _INT, "required": _INT}

#: Of several partitions, some may have been written before the one that is refused; replicas may have agreed
#: on a conditional write before its commit is (StorageProxy.mutate and cas).
_BEFORE_THE_REFUSAL = Write.PARTS | Write.CONDITIONAL

#: The meanings by code.
ERRORS: Mapping[int, Meaning] = MappingProxyType(
    {
        # Any exception of the server's own, wherever it was raised.
        ErrorCode.SERVER_ERROR: Meaning("ServerError", {}, Write.ANY),
        # The request wasn't understood.
        ErrorCode.PROTOCOL_ERROR: Meaning("ServerError", {}, Write.NONE),
        ErrorCode.BAD_CREDENTIALS: Meaning("AuthenticationError", {}, Write.NONE),
        # Looked at for each partition before that is written, and for all of them before a batch with a log
        # is (mutateAtomically); TRUNCATE asks whether all nodes are up before it begins.
        ErrorCode.UNAVAILABLE: Meaning(
            "UnavailableError",
            {"consistency": _SHORT, "required": _INT, "alive": _INT},
            _BEFORE_THE_REFUSAL,
        ),
        # A request that the server doesn't begin (CQLMessageHandler, Dispatcher), or too many hints: since
        # 3.11 all replicas of a partition are looked at before the first is sent anything
        # (sendToHintedReplicas); see Write.on_older_servers. A batch has been written to its log by then, and
        # will be replayed.
        ErrorCode.OVERLOADED: Meaning("OverloadedError", {}, _BEFORE_THE_REFUSAL | Write.LOGGED),
        # Raised for reads alone, before they begin.
        ErrorCode.IS_BOOTSTRAPPING: Meaning("OverloadedError", {}, Write.NONE),
        # Some nodes may have truncated.
        ErrorCode.TRUNCATE_ERROR: Meaning("ServerError", {}, Write.ANY),
        # Whatever its type: a log that was written in part is replayed, too. Version 5 adds to a CAS how many
        # others it met; see server_errors.
        ErrorCode.WRITE_TIMEOUT: Meaning("WriteTimeoutError", {**_ANSWERS, "write_type": _STRING}, Write.ANY),
        # A conditional write reads between its proposals. What other writes read, they read before.
        ErrorCode.READ_TIMEOUT: Meaning(
            "ReadTimeoutError", {**_ANSWERS, "data_present": _FLAG}, Write.CONDITIONAL
        ),
        ErrorCode.READ_FAILURE: Meaning(
            "ReadFailureError",
            {**_ANSWERS, "failures": _FAILURES, "data_present": _FLAG},
            Write.CONDITIONAL,
        ),
        ErrorCode.FUNCTION_FAILURE: Meaning(
            "FunctionFailureError",
            {"keyspace": _STRING, "function": _STRING, "arg_types": _STRINGS},
            Write.CONDITIONAL,
        ),
        ErrorCode.WRITE_FAILURE: Meaning(
            "WriteFailureError", {**_ANSWERS, "failures": _FAILURES, "write_type": _STRING}, Write.ANY
        ),
        # The specification says "todo" of its body, and no server sends any.
        ErrorCode.CDC_WRITE_FAILURE: Meaning("WriteFailureError", {}, Write.ANY),
        ErrorCode.CAS_WRITE_UNKNOWN: Meaning("CasWriteUnknownError", _ANSWERS, Write.ANY),
        # From here on: looked at before anything begins, for all parts of a batch.
        ErrorCode.SYNTAX_ERROR: Meaning("QuerySyntaxError", {}, Write.NONE),
        ErrorCode.UNAUTHORIZED: Meaning("UnauthorizedError", {}, Write.NONE),
        ErrorCode.INVALID: Meaning("InvalidQueryError", {}, Write.NONE),
        # ScyllaDB sends it for its rate limit, too, to clients that don't know that code: see server_errors.
        ErrorCode.CONFIG_ERROR: Meaning("InvalidQueryError", {}, Write.NONE),
        ErrorCode.ALREADY_EXISTS: Meaning(
            "AlreadyExistsError", {"keyspace": _STRING, "table": _STRING}, Write.NONE
        ),
        ErrorCode.UNPREPARED: Meaning("ServerError", {"statement": _ID}, Write.NONE),
        # A coordinator that is a replica rejects before it sends anything. Otherwise each replica decides,
        # and some may accept what others reject.
        ErrorCode.RATE_LIMIT_ERROR: Meaning(
            "RateLimitedError",
            {"op_type": _BYTE, "rejected_by_coordinator": _FLAG},
            Write.ANY,
            ("rejected_by_coordinator", True),
            _BEFORE_THE_REFUSAL | Write.LOGGED,
        ),
        # The request has been executed, and its answer is what failed.
        ErrorCode.CLIENT_WRITE_FAILURE: Meaning("ServerError", {}, Write.ANY),
    }
)

_UNKNOWN = Meaning("ServerError", {}, Write.ANY)


def meaning(code: int) -> Meaning:
    """Return the meaning of a code; after an unknown one, any write may have been applied."""
    return ERRORS.get(code, _UNKNOWN)
