"""The compiled accelerator for rows and parameters, if it is installed."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from coodie._in_use import in_use
from coodie.drivers._last_page import last_page
from coodie.drivers.cassandra.values.codecs import column_codec, first_hint, part_hints, result_converter
from coodie.drivers.cassandra.values.rows import udt_tuple, value_converter
from coodie.drivers.cassandra.values.types import EXACT, family, subtypes, unwrapped
from coodie.drivers.cassandra.values.vectors import array_decoder, number_code
from coodie.protocol._accelerator import accelerator
from coodie.protocol.codec import FIXED_SIZE, VARIABLE_SIZE
from coodie.row_shapes import build_tuples
from coodie.rows import new_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coodie.codec_registry import ColumnCodecs
    from coodie.codecs import Codec
    from coodie.row_shapes import RowShape
    from coodie.rows import Column, Rows

    #: Takes a result's body, the position of the first row and the number of rows; returns the rows.
    RowReader = Callable[[bytes, int, int], Rows[Any]]

    #: Takes a result's body, the bytes that such results begin with, the number of rows from which it isn't
    #: read, and the columns; returns the rows, or None for any other result.
    OnlyPageReader = Callable[[bytes, bytes, int, tuple[Column, ...]], Rows[Any] | None]

__all__ = [
    "bound_template",
    "column_decoder",
    "execute_template",
    "only_page_reader",
    "parameter_encoder",
    "row_decoder",
    "template_gate",
    "window",
]


#: Type families of scalars that the accelerator decodes.
_SCALARS = frozenset([*FIXED_SIZE, *VARIABLE_SIZE, "date", "decimal", "inet", "time", "varint"])

_DAY_NANOSECONDS = 86_400 * 10**9

#: The first day of the ``date`` type.
_FIRST_DAY = -(2**31)


class _UnknownTypeError(Exception):
    """The accelerator doesn't support a type."""


def row_decoder(
    names: tuple[str, ...],
    types: Sequence[Any],
    single: Callable[[Any], Callable[[bytes], Any]],
    codecs: Sequence[ColumnCodecs] | None = None,
    shape: RowShape | None = None,
    *,
    aware_timestamps: bool,
) -> RowReader | None:
    """Return the accelerator's row reader; None if it isn't installed or doesn't support one of the types.

    Args:
        names: The columns' names, which the shape has checked.
        types: The columns' exact types of the driver.
        single: Returns the driver's decoder for single values of a type.
        codecs: The columns' codecs.
        shape: What the rows are to be; None for dicts.
        aware_timestamps: Return timestamps as aware datetimes in UTC.
    """
    module = accelerator()
    if module is None or not names:
        return None
    columns = codecs or (None,) * len(names)
    try:
        parts = [
            _Kinds(single, column, aware_timestamps=aware_timestamps).part(typ, column and column.hint)
            for typ, column in zip(types, columns, strict=True)
        ]
    except _UnknownTypeError:
        return None
    described = (names, tuple([kind for kind, _ in parts]), tuple([other for _, other in parts]))
    read: RowReader
    if shape is None:
        read = module.RowDecoder(*described, new_rows).decode
    elif shape.is_tuple:
        read = module.RowDecoder(*described, shape.new_rows, True).decode  # noqa: FBT003 - as_tuples
    elif (slots := shape.slots(names)) is not None:
        read = module.RowDecoder(*described, shape.new_rows, slots=slots).decode
    else:
        read = _converting(module.RowDecoder(*described, list, True).decode, names, shape)  # noqa: FBT003 - as above
    return read


def _converting(
    decode: Callable[[bytes, int, int], list[Any]], names: tuple[str, ...], shape: RowShape
) -> RowReader:
    """Return a reader that converts the accelerator's tuples to rows."""
    build = build_tuples(names, shape)

    def read(body: bytes, start: int, count: int) -> Rows[Any]:
        rows: Rows[Any] = shape.new_rows()
        rows += build(decode(body, start, count))
        return rows

    return read


def column_decoder(
    names: tuple[str, ...],
    types: Sequence[Any],
    single: Callable[[Any], Callable[[bytes], Any]],
    forms: tuple[Any, ...],
    *,
    aware_timestamps: bool,
) -> Callable[[bytes, int, int], list[Any]] | None:
    """Return the accelerator's column reader; None if it isn't installed or doesn't support one of the types.

    Args:
        names: The columns' names.
        types: The columns' exact types of the driver.
        single: As for ``row_decoder``.
        forms: How each column is filled; None for a list of objects.
        aware_timestamps: As for ``row_decoder``.
    """
    module = accelerator()
    if module is None or not any(forms):
        return None
    kinds = _Kinds(single, aware_timestamps=aware_timestamps)
    try:
        parts = [kinds.part(typ, None) for typ in types]
    except _UnknownTypeError:
        return None
    decode: Callable[[bytes, int, int], list[Any]] = module.ColumnDecoder(
        names, tuple([kind for kind, _ in parts]), tuple([other for _, other in parts]), forms
    ).decode
    return decode


def only_page_reader(read: RowReader) -> OnlyPageReader | None:
    """Return the accelerator's reader for whole results, if this row reader is the accelerator's."""
    module = accelerator()
    decoder = getattr(read, "__self__", None)
    if module is None or decoder is None or not isinstance(decoder, module.RowDecoder):
        return None
    found: OnlyPageReader = decoder.only_page
    return found


class _Kinds:
    """Describe the driver's types to the accelerator, each with a fallback decoder for unusual values.

    The decoded values are the same as those of ``values.rows``; ``hashable`` has the same meaning.

    Args:
        single: As for ``row_decoder``.
        codecs: The column's codecs.
        aware_timestamps: As for ``row_decoder``.
    """

    def __init__(
        self,
        single: Callable[[Any], Callable[[bytes], Any]],
        codecs: ColumnCodecs | None = None,
        *,
        aware_timestamps: bool,
    ) -> None:
        self._single = single
        self._codecs = codecs
        self._aware = aware_timestamps

    def part(self, typ: Any, hint: Any, *, hashable: bool = False) -> tuple[Any, Callable[[bytes], Any]]:
        """Return a type's description, and the fallback decoder.

        Args:
            typ: The type.
            hint: The type that the row class has for the values.
            hashable: As above.

        Raises:
            _UnknownTypeError: The accelerator doesn't support the type.
        """
        inner = unwrapped(typ)
        codec = column_codec(inner, self._codecs, hint, hashable=hashable)
        if codec is None or self._codecs is None:
            return self._plain_part(typ, hint, hashable=hashable)
        odd = self._odd(typ, hint, hashable=hashable)
        column = self._codecs.column
        if codec.takes_array:
            decode = array_decoder(number_code(inner), inner.vector_size)
            return ("converted", (("blob", None),), _array_converter(decode, codec, inner, column)), odd
        part = self._plain_part(typ, hint, hashable=hashable)
        return ("converted", (part,), result_converter(codec, inner, column, hashable=hashable)), odd

    def _plain_part(self, typ: Any, hint: Any, *, hashable: bool) -> tuple[Any, Callable[[bytes], Any]]:
        """Return the description and the fallback decoder without the type's own codecs."""
        inner = unwrapped(typ)
        name = family(inner)
        make = getattr(self, f"_{name}", None)
        if make is not None:
            kind = make(inner, hint, hashable=hashable)
        elif name in _SCALARS:
            kind = "timestamp_aware" if name == "timestamp" and self._aware else name
        else:
            raise _UnknownTypeError(name)
        odd = self._odd(typ, hint, hashable=hashable, own_codecs=False)
        return kind, self._odd_scalar(inner, name, odd) or odd

    def _odd_scalar(self, typ: Any, name: str, odd: Callable[[bytes], Any]) -> Callable[[bytes], Any] | None:
        """Return a fallback decoder for values beyond datetime's range, which aren't always rare."""
        from coodie.types import Date, Time, Timestamp  # slow, and needed with the accelerator alone

        if name == "time":
            return _integer_decoder(
                8, lambda value: Time(value) if 0 <= value < _DAY_NANOSECONDS else None, odd
            )
        if name == "date":
            return _integer_decoder(4, lambda value: Date(_FIRST_DAY + (value & 0xFFFFFFFF)), odd)
        if name == "timestamp" and getattr(typ, EXACT, False):
            return _integer_decoder(8, Timestamp, odd)
        return None

    def _odd(self, typ: Any, hint: Any, *, hashable: bool, own_codecs: bool = True) -> Callable[[bytes], Any]:
        """Return the decoder that is used without the accelerator."""
        single = self._single(typ)
        convert = value_converter(
            typ,
            hint,
            self._codecs,
            aware_timestamps=self._aware,
            hashable=hashable,
            own_codecs=own_codecs,
        )
        if convert is None:
            return single

        def decode(data: bytes) -> Any:
            value = single(data)
            return None if value is None else convert(value)

        return decode

    def _list(self, typ: Any, hint: Any, *, hashable: bool) -> Any:
        (element,) = subtypes(typ)
        return "list", (self.part(element, first_hint(hint), hashable=hashable),), tuple if hashable else None

    def _set(self, typ: Any, hint: Any, *, hashable: bool) -> Any:
        (element,) = subtypes(typ)
        return "list", (self.part(element, first_hint(hint), hashable=True),), frozenset if hashable else set

    def _map(self, typ: Any, hint: Any, *, hashable: bool) -> Any:
        key, item = subtypes(typ)
        hints = part_hints(hint, 2)
        parts = (self.part(key, hints[0], hashable=True), self.part(item, hints[1], hashable=hashable))
        return "map", parts, tuple if hashable else None

    def _vector(self, typ: Any, hint: Any, *, hashable: bool) -> Any:
        (element,) = subtypes(typ)
        size = element.serial_size()
        if size is None:
            raise _UnknownTypeError("vector of elements of any size")
        made_of = (self.part(element, first_hint(hint), hashable=hashable),)
        return "vector", made_of, (typ.vector_size, size, tuple if hashable else None)

    def _tuple(self, typ: Any, hint: Any, *, hashable: bool) -> Any:
        types = subtypes(typ)
        hints = part_hints(hint, len(types))
        parts = [self.part(one, hint, hashable=hashable) for one, hint in zip(types, hints, strict=True)]
        return "tuple", tuple(parts), None

    def _udt(self, typ: Any, _hint: Any, *, hashable: bool) -> Any:
        if typ.mapped_class is not None:
            raise _UnknownTypeError("user type that a class is registered for")
        fields = tuple(typ.fieldnames)
        parts = tuple([self.part(one, None, hashable=hashable) for one in subtypes(typ)])
        return (
            ("tuple", parts, udt_tuple(typ.typename, fields)._make) if hashable else ("record", parts, fields)
        )

    def _duration(self, _typ: Any, _hint: Any, **_: Any) -> Any:
        from coodie.types import Duration  # as above

        return "duration", (), Duration


def _array_converter(
    decode: Callable[[bytes], Any], codec: Codec, typ: Any, column: str
) -> Callable[[bytes], Any]:
    """Return a converter of a vector's bytes; it returns None for another number of bytes."""
    convert = result_converter(codec, typ, column)

    def converted(data: bytes) -> Any:
        numbers = decode(data)
        return None if numbers is None else convert(numbers)

    return converted


def _integer_decoder(
    size: int, make: Callable[[int], Any], odd: Callable[[bytes], Any]
) -> Callable[[bytes], Any]:
    def decode(data: bytes) -> Any:
        value = make(int.from_bytes(data, "big", signed=True)) if len(data) == size else None
        return odd(data) if value is None else value

    return decode


def parameter_encoder(
    kinds: tuple[str, ...],
    columns: Sequence[Callable[[Any], bytes]],
    keys: Sequence[int],
    general: Callable[[Any], bytes],
) -> Callable[[Any], bytes] | None:
    """Return the accelerator's parameter encoder; None if it isn't installed.

    Args:
        kinds: The columns' type families.
        columns: Functions that encode one value of each column, if it isn't of the usual type.
        keys: The indexes of the partition key's columns, which must not be null.
        general: Encodes all other parameters, or raises the error.
    """
    module = accelerator()
    if module is None:
        return None
    encode: Callable[[Any], bytes] = module.ParameterEncoder(
        kinds, tuple(columns), tuple(keys), general
    ).encode
    return encode


def execute_template(
    encode: Callable[[Any], bytes],
    before: bytes,
    after: bytes,
    timestamps: Callable[[], int] | None,
    results: Any,
) -> Any:
    """Return a template for ``execute`` of the accelerator's streams; None if its encoder isn't used.

    Args:
        encode: The parameter encoder.
        before: The body before the values.
        after: The body after the values.
        timestamps: The generator of write timestamps; None for messages without one.
        results: The statement's ``ResultReader``.
    """
    module = accelerator()
    encoder = getattr(encode, "__self__", None)
    if module is None or not isinstance(encoder, module.ParameterEncoder):
        return None
    return module.ExecuteTemplate(encoder, before, after, timestamps, results)


def bound_template(compiled: Any, connection: Any, loop: Any, sent: tuple[Any, Any, float]) -> Any:
    """Return the accelerator's version of a ``BoundTemplate``; its ``send`` returns a ``Waiter``, or None.

    Args:
        compiled: The result of ``execute_template``.
        connection: The connection, whose streams are the accelerator's.
        loop: The event loop.
        sent: The template, the node, and the timeout in seconds: the beginning of an unusual result.
    """
    return accelerator().BoundTemplate(compiled, connection, loop, monotonic, sent)


def window(source: Any, most: int, *, lists_all: bool) -> Any:
    """Return the accelerator's ``Window``; None if it isn't installed.

    Args:
        source: The iterator of parameters.
        most: The maximum number of executions in flight.
        lists_all: List all successes, also those without rows.
    """
    module = accelerator()
    return None if module is None else module.Window(source, most, lists_all)


def template_gate(path: Any, loops: Any) -> Any:
    """Return the accelerator's ``Gate.send``; None if it isn't installed.

    Args:
        path: The fast path.
        loops: Its connection pools, by event loop.
    """
    module = accelerator()
    return None if module is None else module.Gate(path, loops, in_use, last_page).send
