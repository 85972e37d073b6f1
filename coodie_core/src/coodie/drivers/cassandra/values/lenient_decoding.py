"""A protocol handler for values that the drivers' decoders can't decode.

A value that a driver can't decode fails more than its request: decode_message raises, the driver logs the
frame with its values, declares the connection defunct and marks the host down, so that the session's other
requests fail, too. Examples are a timestamp outside the years 1 to 9999, a decimal of more than 4,300 digits,
and invalid text from blob_as_text. scylla-driver's compiled decoder returns a *wrong* datetime for timestamps
beyond 2**31 days, such as nanoseconds in a timestamp column.

This handler is for ``Session.client_protocol_handler`` ("Custom Protocol Handlers" in the drivers' API
documentation). It decodes as the driver does; if that fails, it decodes the frame again, value by value.
Types are replaced when a result is parsed, and not when a statement is prepared, because other handlers may
reuse the result metadata. ``_customtypes`` parses the names of types without a protocol code, in results and
prepared statements. Any other decoding error becomes the response, and so fails one request instead of the
connection.
"""

from __future__ import annotations

import datetime as dt
import io
import struct
from dataclasses import dataclass
from functools import cache
from operator import is_
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra._customtypes import custom_type
from coodie.drivers.cassandra.values.lengths import check_lengths
from coodie.drivers.cassandra.values.types import COLUMN, EXACT, WRAPPED, family, subtypes, value_type

if TYPE_CHECKING:
    from coodie.types import Timestamp

__all__ = [
    "Undecodable",
    "decoded_timestamp",
    "exact_columns",
    "exact_protocol_handler",
    "is_plain_handler",
    "read_columns",
    "undecodable_answer",
]

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the drivers give naive UTC
_MILLISECOND = dt.timedelta(milliseconds=1)

#: Timestamps that can't be a datetime; modulo 2**32 days, each would be within the years of a datetime.
_FAR_TIMESTAMPS = (2**32 * 86_400_000, -(2**32) * 86_400_000, 1_484_300_000_000_000_000)

#: The No_metadata flag of result metadata (native_protocol_v5.spec, section 4.2.5.2).
_NO_METADATA = 0x0004

#: The code of custom types, which have a class name (section 4.2.5.2, [option]).
_CUSTOM = b"\x00\x00"


@dataclass(frozen=True, slots=True, repr=False)
class Undecodable:
    """The placeholder in a row for a value that can't be decoded.

    Args:
        data: The value's bytes.
        error: The decoder's exception.
    """

    data: bytes
    error: Exception

    def __repr__(self) -> str:
        # Without the bytes and the exception's text, since rows are logged.
        return f"<Undecodable: {type(self.error).__name__}>"


def exact_protocol_handler(handler: Any = None) -> Any:
    """Return a handler class for ``Session.client_protocol_handler``.

    Args:
        handler: The base handler, which returns rows as tuples: the session's current one, which handles its
            column encryption. None for the driver's default handler, for which the class is cached.
    """
    from cassandra.protocol import ProtocolHandler

    return _default_handler() if handler in {None, ProtocolHandler} else _shielded(handler)


@cache
def _default_handler() -> Any:
    from cassandra.protocol import ProtocolHandler

    return _shielded(ProtocolHandler)


def is_plain_handler(handler: Any) -> bool:
    """Return whether a handler is the driver's default one, or the class derived from it."""
    from cassandra.protocol import ProtocolHandler

    return handler in (ProtocolHandler, _default_handler())


def read_columns(data: Any, user_types: Any) -> Any:
    """Return the columns of result metadata, with types that decode exactly.

    Args:
        data: A stream at the metadata's flags; it is read up to the end of the metadata.
        user_types: The classes registered for user-defined types, by keyspace and name.
    """
    from cassandra.protocol import RESULT_KIND_ROWS

    message = _names_read_result()(RESULT_KIND_ROWS)
    message.recv_results_metadata(data, user_types)
    return exact_columns(message.column_metadata)


def exact_columns(columns: Any) -> Any:
    """Return result metadata with types that decode exactly, for decoders without a protocol handler."""
    return _made_exact(columns) if _default_is_blind() else columns


def _made_exact(columns: Any) -> Any:
    if _exact_scalars().issuperset([column[3] for column in columns]):
        return columns
    return [(*column[:3], _exact(column[3])) for column in columns]


@cache
def _exact_scalars() -> frozenset[Any]:
    """Return the driver's types that decode exactly, without those that have parameters."""
    from cassandra import cqltypes

    types = [typ for typ in vars(cqltypes).values() if isinstance(typ, type) and family(typ)]
    return frozenset([typ for typ in types if family(typ) != "timestamp" and not subtypes(typ)])


@cache
def _default_is_blind() -> bool:
    from cassandra.protocol import ProtocolHandler, ResultMessage

    return _is_blind_to_far_timestamps(ProtocolHandler.message_types_by_opcode[ResultMessage.opcode])


@cache
def _names_read_result() -> Any:
    from cassandra.protocol import ResultMessage

    return _with_names_read(ResultMessage)


@cache
def undecodable_answer() -> type[Exception]:
    """Return the exception class that replaces a response that can't be decoded."""
    from cassandra import DriverException

    class UndecodableAnswerError(DriverException):  # type: ignore[misc]  # the drivers have no types
        """A decoding error; the decoder's exception is its cause, and not in its text: it quotes values."""

    return UndecodableAnswerError


def _shielded(handler: Any) -> Any:
    from cassandra.protocol import ErrorMessage, ResultMessage

    theirs = handler.message_types_by_opcode
    ours = {
        ResultMessage.opcode: _exact_result(_with_names_read(theirs[ResultMessage.opcode])),
        ErrorMessage.opcode: _whole_error(theirs[ErrorMessage.opcode]),
    }

    class _ExactProtocolHandler(handler):  # type: ignore[misc]  # the drivers have no types
        message_types_by_opcode = {**theirs, **ours}  # noqa: RUF012 - theirs

        @classmethod
        def decode_message(cls, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().decode_message(*args, **kwargs)
            except Exception as exc:  # noqa: BLE001 - raising it would end the connection
                error = undecodable_answer()(f"Can't decode the response: {type(exc).__name__}")
                error.__cause__ = exc
                return error

    return _ExactProtocolHandler


def _whole_error(base: Any) -> Any:
    """Return a subclass of the ERROR message's class that keeps the fields that the drivers ignore."""

    class _WholeErrorMessage(base):  # type: ignore[misc]  # the drivers have no types
        @classmethod
        def recv_body(cls, f: Any, protocol_version: Any, *args: Any) -> Any:
            from coodie.drivers.cassandra._server_errors import keep  # imports what only errors need
            from coodie.protocol.server_errors import read_error

            # scylla-driver passes the negotiated protocol features first.
            rate_limit = getattr(args[0], "rate_limit_error", None) if args else None
            said = read_error(f.getvalue()[f.tell() :], protocol_version, rate_limit)
            try:
                message = base.recv_body(f, protocol_version, *args)
            except Exception:  # noqa: BLE001 - a field has a value that the driver doesn't know
                message = base(said.code, said.message, None)
            keep(message, said)
            return message

    return _WholeErrorMessage


def decoded_timestamp(milliseconds: int) -> Any:
    """Return a timestamp as the driver decodes it.

    Raises:
        DriverException: The driver can't decode it.
    """
    from cassandra.protocol import ProtocolHandler, ResultMessage

    return _decoded_by(ProtocolHandler.message_types_by_opcode[ResultMessage.opcode], milliseconds)


def _decoded_by(result: Any, milliseconds: int) -> Any:
    """Return a timestamp as a result message class decodes it."""
    from cassandra.cqltypes import DateType
    from cassandra.protocol import RESULT_KIND_ROWS

    message = result(RESULT_KIND_ROWS)
    # Flags, number of columns, number of rows, the value's size, the value.
    frame = struct.pack(">iiiiq", _NO_METADATA, 1, 1, 8, milliseconds)
    columns = [("", "", "", DateType)]
    message.recv_results_rows(io.BytesIO(frame), 4, {}, columns, None)
    return message.parsed_rows[0][0]


def _is_blind_to_far_timestamps(result: Any) -> bool:
    """Return whether a result message class returns wrong datetimes instead of failing."""
    from cassandra import DriverException

    for milliseconds in _FAR_TIMESTAMPS:
        try:
            _decoded_by(result, milliseconds)
        except DriverException:
            continue
        return True
    return False


def _with_names_read(base: Any) -> Any:
    """Return a subclass of a result message class that parses the class names of custom types."""
    from cassandra.protocol import read_string

    class _NamesReadResultMessage(base):  # type: ignore[misc]
        @classmethod
        def read_type(cls, f: Any, user_type_map: Any) -> Any:
            start = f.tell()
            if f.read(len(_CUSTOM)) == _CUSTOM:
                return custom_type(read_string(f), user_type_map)
            f.seek(start)
            return super().read_type(f, user_type_map)

    return _NamesReadResultMessage


def _exact_result(base: Any) -> Any:
    """Return a subclass of a result message class; the driver would register a name without an underscore."""
    from cassandra.protocol import RESULT_KIND_ROWS

    always_exact = _is_blind_to_far_timestamps(base)

    class _ExactResultMessage(base):  # type: ignore[misc]
        _is_lenient = False
        _received: Any = None
        column_metadata: Any

        def recv_results_rows(
            self, f: Any, protocol_version: Any, user_type_map: Any, result_metadata: Any, policy: Any
        ) -> None:
            start = f.tell()
            arguments = (protocol_version, user_type_map)
            try:
                base.recv_results_rows(self, f, *arguments, self._retyped(result_metadata), policy)
            except Exception:  # noqa: BLE001 - also exceptions while the decoding error is formatted
                f.seek(start)
                self._is_lenient = True
                base.recv_results_rows(self, f, *arguments, self._retyped(result_metadata), policy)
            if policy is not None:
                columns = self.column_metadata or self._retyped(result_metadata)
                self.column_types = [value_type(policy, column) for column in columns]
            # The driver may keep the metadata for later results: restore the server's.
            self.column_metadata = self._received

        def recv_results_metadata(self, f: Any, user_type_map: Any) -> None:
            base.recv_results_metadata(self, f, user_type_map)
            self._received = self.column_metadata
            if self.kind == RESULT_KIND_ROWS:
                self.column_metadata = self._retyped(self.column_metadata)

        def _retyped(self, columns: Any) -> Any:
            if not columns:
                return columns
            if self._is_lenient:
                return [(*column[:3], _lenient(column[3], column[2])) for column in columns]
            return _made_exact(columns) if always_exact else columns

    return _ExactResultMessage


# --- types ------------------------------------------------------------------------------


def _exact(typ: Any, *, lenient: bool = False) -> Any:
    """Return the type itself, or a subclass that decodes timestamps exactly.

    Args:
        typ: One of the driver's type classes.
        lenient: Also replace the types whose decoders may raise.
    """
    name = family(typ)
    if name == "timestamp":
        return _exact_timestamp()
    if name == "decimal" and lenient:
        return _exact_decimal()
    parts = subtypes(typ)
    if not parts:
        return typ
    exact = tuple([_exact(part, lenient=lenient) for part in parts])
    if all(map(is_, exact, parts)):
        return typ
    made = {"subtype": exact[0]} if name == "vector" else {"subtypes": exact}
    return _subclass("_Exact", typ, made)


def _lenient(typ: Any, column: str) -> Any:
    """Return a type that decodes a column's values, with ``Undecodable`` for those that can't be decoded.

    It isn't a subclass of the type, because the compiled parser bypasses the methods of known types.
    """
    from cassandra.cqltypes import CassandraType

    exact = _exact(typ, lenient=True)

    def deserialize(data: bytes, protocol_version: int) -> Any:
        try:
            check_lengths(exact, data)
            return exact.from_binary(data, protocol_version)
        except Exception as exc:  # noqa: BLE001 - raised when the value is converted
            return Undecodable(data, exc)

    made = {
        "deserialize": staticmethod(deserialize),
        "empty_binary_ok": True,
        "typename": typ.typename,
        WRAPPED: exact,
        COLUMN: column,
    }
    return _subclass("_Salvaged", CassandraType, made)


@cache
def _exact_timestamp() -> Any:
    from cassandra.cqltypes import DateType

    unpack = struct.Struct(">q").unpack

    def deserialize(data: bytes, _: int) -> dt.datetime | Timestamp:
        milliseconds: int
        (milliseconds,) = unpack(data)
        try:
            return _EPOCH + milliseconds * _MILLISECOND
        except OverflowError:
            from coodie.types import Timestamp  # slow, and few timestamps are that far

            return Timestamp(milliseconds)

    return _subclass("_ExactTimestamp", DateType, {"deserialize": staticmethod(deserialize), EXACT: True})


@cache
def _exact_decimal() -> Any:
    from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

    from cassandra.cqltypes import DecimalType

    exactly = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)

    def deserialize(data: bytes, _: int) -> Decimal:
        scale = int.from_bytes(data[:4], "big", signed=True)
        # Unlike the driver, without a string: Python limits the digits in int(str).
        return Decimal(int.from_bytes(data[4:], "big", signed=True)).scaleb(-scale, exactly)

    return _subclass("_ExactDecimal", DecimalType, {"deserialize": staticmethod(deserialize)})


def _subclass(name: str, base: Any, attributes: dict[str, Any]) -> Any:
    """Return a subclass of a type; with an underscore, the driver doesn't register it by its name."""
    return type(base)(name, (base,), {"cassname": base.cassname, **attributes})
