"""Codecs: conversions between CQL types and Python types of your own, in parameters and results.

A driver has those of its option ``codecs``. A ``Codec`` is one conversion; functions return common ones.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import tzinfo
    from enum import Enum

__all__ = ["Codec", "enum_codec", "ip_address_codec", "time_zone_codec", "vector_codec"]

_TOKEN = re.compile(r'\s*("(?:[^"]|"")+"|\w+|[<>,])')

#: Types with parameters, and the number of these; 0 for any number. The size of a vector may be left out.
_GENERIC = {"frozen": 1, "list": 1, "map": 2, "set": 1, "tuple": 0, "vector": 1}

#: Element types of vectors whose values are arrays, with the type code of ``array``.
_NUMBERS = {"bigint": "q", "double": "d", "float": "f", "int": "i"}


@dataclass(frozen=True, slots=True, repr=False)
class Codec:
    """A conversion between a CQL type and a Python type.

    Parameters for the CQL type are converted if they are instances of the Python type. Results are converted
    in the given columns, or if a row class has the Python type for the column's field.

    Args:
        cql_type: The CQL type, such as ``"inet"`` or ``"list<text>"``; a user-defined type's name; or
            ``"vector<float>"`` for vectors of any size.
        python_type: A class, or a tuple of classes.
        to_cql: Converts an instance to a value that the CQL type accepts without the codec; None if it needs
            no conversion.
        from_cql: Converts a value that is returned without the codec, except None; None to return these.
        columns: The names of result columns; None for all.
        takes_array: ``from_cql`` gets an ``array.array`` instead of a list, from vectors of ``float``,
            ``double``, ``int`` or ``bigint``.

    Raises:
        ConfigurationError: An argument can't be used.
    """

    cql_type: str
    python_type: type | tuple[type, ...]
    to_cql: Callable[[Any], Any] | None = None
    from_cql: Callable[[Any], Any] | None = None
    _: KW_ONLY
    columns: Collection[str] | None = None
    takes_array: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "cql_type", _normal_form(self.cql_type))
        if not self.python_types or not all(isinstance(kind, type) for kind in self.python_types):
            raise _unusable("python_type", self.python_type, "a class, or a tuple of classes")
        if type(None) in self.python_types:
            raise _unusable("python_type", self.python_type, "another class: None is always a null")
        for name in ("to_cql", "from_cql"):
            function = getattr(self, name)
            if function is not None and not callable(function):
                raise _unusable(name, function, "a function, or None")
        if self.to_cql is None and self.from_cql is None:
            raise _unusable("from_cql", None, "from_cql=, to_cql= or both")
        if self.columns is not None:
            if isinstance(self.columns, str) or not all(isinstance(name, str) for name in self.columns):
                raise _unusable("columns", self.columns, "the names of columns, as a list of str")
            object.__setattr__(self, "columns", frozenset(self.columns))
        if self.takes_array and self.element_code is None:
            wanted = f"it for a vector of {', '.join(sorted(_NUMBERS))} only"
            raise _unusable("takes_array", self.takes_array, wanted)

    @property
    def python_types(self) -> tuple[type, ...]:
        """The classes."""
        return self.python_type if isinstance(self.python_type, tuple) else (self.python_type,)

    @property
    def element_code(self) -> str | None:
        """The type code of the arrays of a vector of numbers; None for other types."""
        name, _, rest = self.cql_type.partition("<")
        return _NUMBERS.get(rest.partition(",")[0].rstrip(">")) if name == "vector" else None

    def __repr__(self) -> str:
        return f"Codec({self.cql_type!r}, {' | '.join([kind.__qualname__ for kind in self.python_types])})"


def enum_codec(
    enum: type[Enum], cql_type: str = "text", *, by_name: bool = False, columns: Collection[str] | None = ()
) -> Codec:
    """Return a codec for the members of an enum.

    Results are converted for row classes; for others, only in the given columns.

    Args:
        enum: The enum.
        cql_type: The type of the stored values.
        by_name: Store the members' names instead of their values.
        columns: As in ``Codec``.
    """
    if by_name:
        return Codec(cql_type, enum, attrgetter("name"), enum.__getitem__, columns=columns)
    return Codec(cql_type, enum, attrgetter("value"), enum, columns=columns)


def ip_address_codec(*, columns: Collection[str] | None = None) -> Codec:
    """Return a codec for ``inet`` as ``ipaddress.IPv4Address`` and ``IPv6Address``.

    Args:
        columns: As in ``Codec``.
    """
    from ipaddress import IPv4Address, IPv6Address, ip_address

    return Codec("inet", (IPv4Address, IPv6Address), from_cql=ip_address, columns=columns)


def time_zone_codec(zone: tzinfo, *, columns: Collection[str] | None = None) -> Codec:
    """Return a codec for ``timestamp`` as aware datetimes in a time zone.

    Values outside the years 1 to 9999 are returned as without it; values that only are in that zone, in UTC.

    Args:
        zone: The time zone, such as ``zoneinfo.ZoneInfo("Europe/Berlin")``.
        columns: As in ``Codec``.
    """
    import datetime as dt

    if not isinstance(zone, dt.tzinfo):
        raise _unusable("zone", zone, "a tzinfo, such as ZoneInfo('Europe/Berlin')")

    def in_zone(value: Any) -> Any:
        if not isinstance(value, dt.datetime):
            return value  # a coodie.types.Timestamp
        if value.tzinfo is None:
            value = value.replace(tzinfo=dt.timezone.utc)
        try:
            return value.astimezone(zone)
        except OverflowError:
            return value

    return Codec("timestamp", dt.datetime, from_cql=in_zone, columns=columns)


def vector_codec(
    python_type: type, element: str = "float", *, columns: Collection[str] | None = None
) -> Codec:
    """Return a codec for vectors of numbers as arrays, without a Python object for each number.

    Args:
        python_type: ``array.array``, ``memoryview`` or ``numpy.ndarray``.
        element: ``"float"``, ``"double"``, ``"int"`` or ``"bigint"``.
        columns: As in ``Codec``.
    """
    from array import array

    code = _NUMBERS.get(element)
    if code is None:
        raise _unusable("element", element, f"one of {', '.join(sorted(_NUMBERS))}")
    if python_type is array:
        convert: Callable[[Any], Any] = _itself
    elif python_type is memoryview:
        convert = memoryview
    elif (getattr(python_type, "__module__", ""), getattr(python_type, "__name__", "")) == (
        "numpy",
        "ndarray",
    ):
        from functools import partial
        from importlib import import_module

        convert = partial(import_module("numpy").frombuffer, dtype=code)
    else:
        raise _unusable("python_type", python_type, "array.array, memoryview or numpy.ndarray")
    return Codec(f"vector<{element}>", python_type, from_cql=convert, columns=columns, takes_array=True)


def _itself(value: Any) -> Any:
    return value


def _unusable(name: str, value: Any, wanted: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name}={value!r} can't be used in a codec.", hint=f"Give {wanted}.", option="codecs"
    )


def _normal_form(text: Any) -> str:
    """Return a type as results and bind markers name it: without ``frozen``, in lower case.

    Raises:
        ConfigurationError: It isn't a type, or one of counters.
    """
    wanted = "a CQL type, such as 'text', 'list<inet>' or 'vector<float>'"
    if not isinstance(text, str):
        raise _unusable("cql_type", text, wanted)
    tokens = _TOKEN.findall(text)[::-1]
    try:
        name = _type(tokens)
    except (IndexError, ValueError):
        raise _unusable("cql_type", text, wanted) from None
    if tokens or _TOKEN.sub("", text).strip():
        raise _unusable("cql_type", text, wanted)
    if name == "counter":
        raise _unusable(
            "cql_type", text, "another type: a counter's parameters are amounts, its results totals"
        )
    return name


def _type(tokens: list[str]) -> str:
    """Parse a type, and remove it from the tokens, which are in reverse order."""
    name = tokens.pop()
    if name in {"<", ">", ","}:
        raise ValueError(name)
    if name.startswith('"'):
        return name[1:-1].replace('""', '"')
    name = {"varchar": "text"}.get(name.lower(), name.lower())
    parts = []
    if tokens and tokens[-1] == "<":
        tokens.pop()
        parts.append(_type(tokens))
        while (separator := tokens.pop()) == ",":
            parts.append(_type(tokens))
        if separator != ">":
            raise ValueError(separator)
    count = _GENERIC.get(name)
    sizes = 1 if name == "vector" and parts[1:] and parts[-1].isdigit() else 0
    if (count is None) != (not parts) or count not in (None, 0, len(parts) - sizes):
        raise ValueError(name)
    return parts[0] if name == "frozen" else f"{name}<{', '.join(parts)}>" if parts else name
