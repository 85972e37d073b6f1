"""The buffers of Arrow arrays, from Python values of one CQL type.

A builder takes the values of a column, None for nulls, and returns its buffers in the layout of Arrow's
columnar format. A value that a type can't hold exactly raises ``UnfitError``; nothing is rounded.
"""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, chain
from struct import Struct
from typing import TYPE_CHECKING, Any

from coodie.types import Date, Duration, Time, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

__all__ = [
    "DAY_MILLISECONDS",
    "INTERVAL",
    "Data",
    "UnfitError",
    "builders",
    "of_decimals",
    "of_lists",
    "of_maps",
    "of_structs",
    "of_vectors",
]

_UNIX_DAY = dt.date(1970, 1, 1).toordinal()
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - naive timestamps are in UTC
_AWARE_EPOCH = _EPOCH.replace(tzinfo=dt.timezone.utc)
#: The number of milliseconds of a day.
DAY_MILLISECONDS = 86_400_000

#: Months, days and nanoseconds of an interval.
INTERVAL = Struct("=iiq")


class UnfitError(Exception):
    """A value has no exact counterpart in its Arrow type.

    Args:
        problem: What is wrong, without the value.
        hint: What to do.
    """

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Data:
    """The buffers of an array.

    Attributes:
        length: The number of values.
        nulls: The number of nulls.
        buffers: The validity bitmap, None without nulls; then the buffers of the type.
        children: The arrays of nested types.
    """

    length: int
    nulls: int
    buffers: tuple[Any, ...]
    children: tuple[Data, ...] = ()


def _bits(flags: Iterable[bool]) -> bytes:
    """Return a bitmap, the first flag in the lowest bit."""
    digits = "".join(["1" if flag else "0" for flag in flags])
    return int(digits[::-1] or "0", 2).to_bytes((len(digits) + 7) // 8, "little")


def _validity(values: Sequence[Any]) -> tuple[int, bytes | None]:
    """Return the number of nulls, and the validity bitmap."""
    nulls = sum([value is None for value in values])
    return nulls, _bits([value is not None for value in values]) if nulls else None


# --- numbers and other values of a fixed size ---------------------------------------------


def _of_numbers(code: str) -> Callable[[Sequence[Any]], Data]:
    kind = float if code in "fd" else int

    def build(values: Sequence[Any]) -> Data:
        nulls, validity = _validity(values)
        plain = [0 if value is None else value for value in values] if nulls else values
        if not all(isinstance(value, kind) for value in plain if value != 0):
            raise UnfitError(f"expected {kind.__name__}")
        try:
            numbers = array(code, plain)
        except OverflowError:
            raise UnfitError("the number is out of range") from None
        if code == "f" and any(a != b and b == b for a, b in zip(numbers, plain, strict=True)):  # noqa: PLR0124 - not NaN
            raise UnfitError("the number isn't of single precision")
        return Data(len(values), nulls, (validity, numbers))

    return build


def _of_whole_numbers(code: str, convert: Callable[[Any], int]) -> Callable[[Sequence[Any]], Data]:
    """Return the builder of values that are numbers in Arrow."""
    build = _of_numbers(code)
    return lambda values: build([None if value is None else convert(value) for value in values])


def _of_booleans(values: Sequence[Any]) -> Data:
    nulls, validity = _validity(values)
    if not all(isinstance(value, bool) for value in values if value is not None):
        raise UnfitError("expected bool")
    return Data(len(values), nulls, (validity, _bits(map(bool, values))))


def _of_fixed_bytes(size: int, convert: Callable[[Any], bytes]) -> Callable[[Sequence[Any]], Data]:
    empty = bytes(size)

    def build(values: Sequence[Any]) -> Data:
        nulls, validity = _validity(values)
        data = b"".join([empty if value is None else convert(value) for value in values])
        return Data(len(values), nulls, (validity, data))

    return build


def of_decimals(precision: int, scale: int) -> Callable[[Sequence[Any]], Data]:
    """Return the builder of decimals, or of integers if the scale is 0.

    Args:
        precision: The number of digits.
        scale: The number of those after the point.
    """
    size = 16 if precision <= 38 else 32  # noqa: PLR2004 - of decimal128
    limit = 10**precision

    def convert(value: Any) -> bytes:
        number = value if value.__class__ is int else _unscaled(value, precision, scale)
        if not -limit < number < limit:
            raise UnfitError(f"it has more than {precision - scale} digits before the point")
        made: bytes = number.to_bytes(size, "little", signed=True)
        return made

    return _of_fixed_bytes(size, convert)


def _unscaled(value: Decimal, precision: int, scale: int) -> int:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise UnfitError("it isn't a finite number")
    number = int("".join(map(str, digits)))
    shift = exponent + scale
    if not number or shift == 0:
        shift = 0
    elif shift > precision:
        raise UnfitError(f"it has more than {precision - scale} digits before the point")
    elif shift > 0:
        number *= 10**shift
    else:
        number, rest = divmod(number, 10**-shift) if -shift < len(digits) else (0, 1)
        if rest:
            raise UnfitError(f"it has more than {scale} digits after the point")
    return -number if sign else number


def _days(value: Any) -> int:
    return value.days if value.__class__ is Date else value.toordinal() - _UNIX_DAY


def _nanoseconds(value: Any) -> int:
    return (value if value.__class__ is Time else Time.from_time(value)).nanoseconds


def _milliseconds(value: Any) -> int:
    if value.__class__ is Timestamp:
        found: int = value.milliseconds
        return found
    since = value - (_EPOCH if value.tzinfo is None else _AWARE_EPOCH)
    milliseconds, rest = divmod(since.microseconds, 1000)
    if rest:
        raise UnfitError("it has a part below the millisecond")
    return int(since.days * DAY_MILLISECONDS + since.seconds * 1000 + milliseconds)


def _interval(value: Duration) -> bytes:
    return INTERVAL.pack(value.months, value.days, value.nanoseconds)


def _uuid(value: Any) -> bytes:
    found: bytes = value.bytes
    return found


# --- values of any size -------------------------------------------------------------------


def _offsets(sizes: Iterable[int]) -> array[int]:
    try:
        return array("i", accumulate(sizes, initial=0))
    except OverflowError:
        raise UnfitError("one batch has more than 2 GiB of them", "Give a smaller fetch_size=.") from None


def _of_sized(convert: Callable[[Any], bytes]) -> Callable[[Sequence[Any]], Data]:
    def build(values: Sequence[Any]) -> Data:
        nulls, validity = _validity(values)
        parts = [b"" if value is None else convert(value) for value in values]
        return Data(len(values), nulls, (validity, _offsets(map(len, parts)), b"".join(parts)))

    return build


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise UnfitError("expected str")
    return value.encode()


def _blob(value: Any) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise UnfitError("expected bytes")
    return bytes(value)


# --- values that are made of others -------------------------------------------------------


def of_lists(element: Callable[[Sequence[Any]], Data]) -> Callable[[Sequence[Any]], Data]:
    """Return the builder of lists and sets."""

    def build(values: Sequence[Any]) -> Data:
        nulls, validity = _validity(values)
        items = [() if value is None else _elements(value) for value in values]
        child = element(list(chain.from_iterable(items)))
        return Data(len(values), nulls, (validity, _offsets(map(len, items))), (child,))

    return build


def of_vectors(element: Callable[[Sequence[Any]], Data], size: int) -> Callable[[Sequence[Any]], Data]:
    """Return the builder of vectors, which all have the same number of elements."""
    null = (None,) * size

    def build(values: Sequence[Any]) -> Data:
        nulls, validity = _validity(values)
        items = [null if value is None else _elements(value) for value in values]
        if not all(len(item) == size for item in items):
            raise UnfitError(f"it doesn't have {size} elements")
        return Data(len(values), nulls, (validity,), (element(list(chain.from_iterable(items))),))

    return build


def of_maps(
    key: Callable[[Sequence[Any]], Data], value: Callable[[Sequence[Any]], Data]
) -> Callable[[Sequence[Any]], Data]:
    """Return the builder of maps: dicts, or sequences of pairs."""

    def build(values: Sequence[Any]) -> Data:
        nulls, validity = _validity(values)
        items = [() if one is None else _pairs(one) for one in values]
        pairs = list(chain.from_iterable(items))
        keys = key([pair[0] for pair in pairs])
        if keys.nulls:
            raise UnfitError("a key is null")
        entries = Data(len(pairs), 0, (None,), (keys, value([pair[1] for pair in pairs])))
        return Data(len(values), nulls, (validity, _offsets(map(len, items))), (entries,))

    return build


def of_structs(
    names: Sequence[str], parts: Sequence[Callable[[Sequence[Any]], Data]]
) -> Callable[[Sequence[Any]], Data]:
    """Return the builder of tuples, and of values of user-defined types."""
    null = (None,) * len(parts)

    def build(values: Sequence[Any]) -> Data:
        nulls, validity = _validity(values)
        rows = [null if value is None else _fields(value, names) for value in values]
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(parts)
        children = tuple([part(column) for part, column in zip(parts, columns, strict=True)])
        return Data(len(values), nulls, (validity,), children)

    return build


def _elements(value: Any) -> Sequence[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise UnfitError("expected a list or a set")
    return value if isinstance(value, (list, tuple)) else list(value)


def _pairs(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return list(value.items())
    if not isinstance(value, (list, tuple)):
        raise UnfitError("expected a dict")
    return value


def _fields(value: Any, names: Sequence[str]) -> Sequence[Any]:
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise UnfitError("its fields aren't those of its type")
        return [value[name] for name in names]
    if not isinstance(value, (list, tuple)) or len(value) > len(names):
        raise UnfitError("expected a tuple of as many values as its type has")
    return (*value, *[None] * (len(names) - len(value)))


#: The builders of types without parameters.
builders: dict[str, Callable[[Sequence[Any]], Data]] = {
    "ascii": _of_sized(_text),
    "bigint": _of_numbers("q"),
    "blob": _of_sized(_blob),
    "boolean": _of_booleans,
    "counter": _of_numbers("q"),
    "date": _of_whole_numbers("i", _days),
    "double": _of_numbers("d"),
    "duration": _of_fixed_bytes(INTERVAL.size, _interval),
    "float": _of_numbers("f"),
    "inet": _of_sized(_text),
    "int": _of_numbers("i"),
    "smallint": _of_numbers("h"),
    "text": _of_sized(_text),
    "time": _of_whole_numbers("q", _nanoseconds),
    "timestamp": _of_whole_numbers("q", _milliseconds),
    "timeuuid": _of_fixed_bytes(16, _uuid),
    "tinyint": _of_numbers("b"),
    "uuid": _of_fixed_bytes(16, _uuid),
}
