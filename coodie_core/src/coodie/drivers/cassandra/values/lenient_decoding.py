"""A protocol handler that decodes what the drivers' own decoders can't.

A value that a driver can't decode costs it more than the request: decode_message raises, the driver
logs the frame with the values in it, declares the connection defunct and marks the host down, so that
the session's other requests fail, too. There are such values: a timestamp outside the years 1 to 9999,
a decimal of more than 4,300 digits, text that blob_as_text let in. And scylla-driver's compiled decoder
gives a *wrong* datetime for timestamps beyond 2**31 days, such as nanoseconds in a timestamp column.

The handler here is made for ``Session.client_protocol_handler`` ("Custom Protocol Handlers" in the
drivers' API documentation). It decodes as the driver does; only when that fails, it decodes the same
frame once more, value by value. Types are exchanged as the result is parsed and not when a statement is
prepared, because other handlers may reuse the result metadata. The names of types that the protocol has no
code for are read by ``_customtypes``, of results and of prepared statements. And whatever else keeps an
answer from being decoded becomes the answer, so that it ends one request and not the connection.
"""

from __future__ import annotations

import datetime as dt
import io
import struct
from dataclasses import dataclass
from functools import cache
from operator import is_
from typing import Any

from coodie import types as raw
from coodie.drivers.cassandra._customtypes import custom_type
from coodie.drivers.cassandra.values.types import COLUMN, EXACT, WRAPPED, family, subtypes, value_type
from coodie.protocol.server_errors import read_error

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

#: Timestamps that a decoder must not turn into a datetime: each is, modulo 2**32 days, a year that is.
_FAR_TIMESTAMPS = (2**32 * 86_400_000, -(2**32) * 86_400_000, 1_484_300_000_000_000_000)

#: The flag of result metadata that leaves the columns out (native_protocol_v5.spec, section 4.2.5.2).
_NO_METADATA = 0x0004

#: The code of a type that is told by its name (section 4.2.5.2, [option]).
_CUSTOM = 0x0000


@dataclass(frozen=True, slots=True, repr=False)
class Undecodable:
    """What stands in a row for a value that can't be decoded.

    Args:
        data: The value's bytes.
        error: What the decoder raised.
    """

    data: bytes
    error: Exception

    def __repr__(self) -> str:
        # Neither the bytes nor what the decoder says of them: rows end up in logs.
        return f"<Undecodable: {type(self.error).__name__}>"


def exact_protocol_handler(handler: Any = None) -> Any:
    """Return a handler class for ``Session.client_protocol_handler``.

    Args:
        handler: The handler to build on, whose rows are tuples: the session's present one, which knows of
            its column encryption. None means the driver's default, for which there is one class.
    """
    from cassandra.protocol import ProtocolHandler

    return _default_handler() if handler in {None, ProtocolHandler} else _shielded(handler)


@cache
def _default_handler() -> Any:
    from cassandra.protocol import ProtocolHandler

    return _shielded(ProtocolHandler)


def is_plain_handler(handler: Any) -> bool:
    """Tell whether a handler is the driver's default one, or what we made of it."""
    from cassandra.protocol import ProtocolHandler

    return handler in (ProtocolHandler, _default_handler())


def read_columns(data: Any, user_types: Any) -> Any:
    """Return the columns that a result's metadata has, with types that decode exactly.

    Args:
        data: A stream that begins with the metadata's flags; it is read to the metadata's end.
        user_types: The classes that were registered for user types, by keyspace and name.
    """
    from cassandra.protocol import RESULT_KIND_ROWS

    message = _names_read_result()(RESULT_KIND_ROWS)
    message.recv_results_metadata(data, user_types)
    return exact_columns(message.column_metadata)


def exact_columns(columns: Any) -> Any:
    """Return result metadata whose types decode exactly, for who decodes without a handler."""
    return [(*column[:3], _exact(column[3])) for column in columns] if _default_is_blind() else columns


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
    """Return the class of what stands for an answer that can't be decoded."""
    from cassandra import DriverException

    class UndecodableAnswerError(DriverException):  # type: ignore[misc]  # the drivers have no types
        """Its cause is what the decoder raised; its text has nothing of that, which quotes values."""

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
            except Exception as exc:  # noqa: BLE001 - raised, it would end the connection
                error = undecodable_answer()(f"The answer can't be decoded: {type(exc).__name__}")
                error.__cause__ = exc
                return error

    return _ExactProtocolHandler


def _whole_error(base: Any) -> Any:
    """Return a subclass of the class of ERROR, which keeps the fields that the drivers don't read."""
    from coodie.drivers.cassandra._server_errors import keep

    class _WholeErrorMessage(base):  # type: ignore[misc]  # the drivers have no types
        @classmethod
        def recv_body(cls, f: Any, protocol_version: Any, *args: Any) -> Any:
            # scylla-driver's first argument is what was agreed on with the server.
            rate_limit = getattr(args[0], "rate_limit_error", None) if args else None
            said = read_error(f.getvalue()[f.tell() :], protocol_version, rate_limit)
            try:
                message = base.recv_body(f, protocol_version, *args)
            except Exception:  # noqa: BLE001 - a value of a field that the driver doesn't know
                message = base(said.code, said.message, None)
            keep(message, said)
            return message

    return _WholeErrorMessage


def decoded_timestamp(milliseconds: int) -> Any:
    """Return what the driver makes of a timestamp.

    Raises:
        DriverException: The driver can't decode it.
    """
    from cassandra.protocol import ProtocolHandler, ResultMessage

    return _decoded_by(ProtocolHandler.message_types_by_opcode[ResultMessage.opcode], milliseconds)


def _decoded_by(result: Any, milliseconds: int) -> Any:
    """Return what a result message class makes of a timestamp."""
    from cassandra.cqltypes import DateType
    from cassandra.protocol import RESULT_KIND_ROWS

    message = result(RESULT_KIND_ROWS)
    # Flags, columns, rows, the value's size, the value.
    frame = struct.pack(">iiiiq", _NO_METADATA, 1, 1, 8, milliseconds)
    columns = [("", "", "", DateType)]
    message.recv_results_rows(io.BytesIO(frame), 4, {}, columns, None)
    return message.parsed_rows[0][0]


def _is_blind_to_far_timestamps(result: Any) -> bool:
    """Tell whether a result message class gives wrong datetimes, instead of failing."""
    from cassandra import DriverException

    for milliseconds in _FAR_TIMESTAMPS:
        try:
            _decoded_by(result, milliseconds)
        except DriverException:
            continue
        return True
    return False


def _with_names_read(base: Any) -> Any:
    """Return a subclass of a result message class, which knows the types that are told by their names."""
    from cassandra.protocol import read_short, read_string

    class _NamesReadResultMessage(base):  # type: ignore[misc]
        @classmethod
        def read_type(cls, f: Any, user_type_map: Any) -> Any:
            start = f.tell()
            if read_short(f) == _CUSTOM:
                return custom_type(read_string(f), user_type_map)
            f.seek(start)
            return super().read_type(f, user_type_map)

    return _NamesReadResultMessage


def _exact_result(base: Any) -> Any:
    """Return a subclass of a result message class; its underscore keeps the driver from registering it."""
    from cassandra.protocol import RESULT_KIND_ROWS

    always_exact = _is_blind_to_far_timestamps(base)

    class _ExactResultMessage(base):  # type: ignore[misc]
        _salvaging = False
        _received: Any = None
        column_metadata: Any

        def recv_results_rows(
            self, f: Any, protocol_version: Any, user_type_map: Any, result_metadata: Any, policy: Any
        ) -> None:
            start = f.tell()
            arguments = (protocol_version, user_type_map)
            try:
                base.recv_results_rows(self, f, *arguments, self._retyped(result_metadata), policy)
            except Exception:  # noqa: BLE001 - also what is raised while the failure is put into words
                f.seek(start)
                self._salvaging = True
                base.recv_results_rows(self, f, *arguments, self._retyped(result_metadata), policy)
            if policy is not None:
                columns = self.column_metadata or self._retyped(result_metadata)
                self.column_types = [value_type(policy, column) for column in columns]
            # What the driver may keep for later results is what the server said.
            self.column_metadata = self._received

        def recv_results_metadata(self, f: Any, user_type_map: Any) -> None:
            base.recv_results_metadata(self, f, user_type_map)
            self._received = self.column_metadata
            if self.kind == RESULT_KIND_ROWS:
                self.column_metadata = self._retyped(self.column_metadata)

        def _retyped(self, columns: Any) -> Any:
            if not columns:
                return columns
            if self._salvaging:
                return [(*column[:3], _salvaged(column[3], column[2])) for column in columns]
            if always_exact:
                return [(*column[:3], _exact(column[3])) for column in columns]
            return columns

    return _ExactResultMessage


# --- types ------------------------------------------------------------------------------


def _exact(typ: Any, *, salvaging: bool = False) -> Any:
    """Return the type itself, or a subclass that decodes its timestamps exactly.

    Args:
        typ: One of the driver's type classes.
        salvaging: Exchange also the types whose decoder may raise.
    """
    name = family(typ)
    if name == "timestamp":
        return _exact_timestamp()
    if name == "decimal" and salvaging:
        return _exact_decimal()
    parts = subtypes(typ)
    if not parts:
        return typ
    exact = tuple([_exact(part, salvaging=salvaging) for part in parts])
    if all(map(is_, exact, parts)):
        return typ
    made = {"subtype": exact[0]} if name == "vector" else {"subtypes": exact}
    return _subclass("_Exact", typ, made)


def _salvaged(typ: Any, column: str) -> Any:
    """Return a type that decodes what it can of a column and gives ``Undecodable`` for the rest.

    No subclass of the type: the compiled parser knows those, and wouldn't ask this one.
    """
    from cassandra.cqltypes import CassandraType

    exact = _exact(typ, salvaging=True)

    def deserialize(data: bytes, protocol_version: int) -> Any:
        try:
            return exact.from_binary(data, protocol_version)
        except Exception as exc:  # noqa: BLE001 - whatever a decoder raises is told with the row
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

    def deserialize(data: bytes, _: int) -> dt.datetime | raw.Timestamp:
        milliseconds: int
        (milliseconds,) = unpack(data)
        try:
            return _EPOCH + milliseconds * _MILLISECOND
        except OverflowError:
            return raw.Timestamp(milliseconds)

    return _subclass("_ExactTimestamp", DateType, {"deserialize": staticmethod(deserialize), EXACT: True})


@cache
def _exact_decimal() -> Any:
    from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

    from cassandra.cqltypes import DecimalType

    exactly = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)

    def deserialize(data: bytes, _: int) -> Decimal:
        scale = int.from_bytes(data[:4], "big", signed=True)
        # Not through a string, as the driver does: Python limits the digits of an int in one.
        return Decimal(int.from_bytes(data[4:], "big", signed=True)).scaleb(-scale, exactly)

    return _subclass("_ExactDecimal", DecimalType, {"deserialize": staticmethod(deserialize)})


def _subclass(name: str, base: Any, attributes: dict[str, Any]) -> Any:
    """Return a subclass of a type; its underscore keeps the driver from looking it up by name."""
    return type(base)(name, (base,), {"cassname": base.cassname, **attributes})
