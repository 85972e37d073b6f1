"""Apply codecs to parameters and results, and the driver's options for values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from coodie._unset import UNSET
from coodie.drivers.cassandra.values.types import cql_name, unwrapped
from coodie.drivers.client.values.problems import BindingError
from coodie.exceptions import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from coodie.codec_registry import Codecs, ColumnCodecs
    from coodie.codecs import Codec
    from coodie.drivers.client.values.scalars import Binder
    from coodie.row_shapes import RowShape

__all__ = [
    "CodecBinder",
    "ValueOptions",
    "column_codec",
    "first_hint",
    "part_hints",
    "result_converter",
    "with_codecs",
]


#: The keyspaces of Cassandra, ScyllaDB and Amazon Keyspaces. Others may be a user's, whatever their names.
_SERVER_KEYSPACES = frozenset(
    {
        "system",
        *(
            f"system_{name}"
            for name in (
                "accord",
                "auth",
                "cluster_metadata",
                "distributed",
                "distributed_everywhere",
                "mcs",
                "metrics",
                "replicated_keys",
                "schema",
                "schema_mcs",
                "traces",
                "views",
                "virtual_schema",
            )
        ),
    }
)


class ValueOptions(NamedTuple):
    """The driver's options for values.

    Attributes:
        aware_timestamps: Return timestamps as aware datetimes in UTC.
        codecs: The driver's codecs; None if it has none.
    """

    aware_timestamps: bool = False
    codecs: Codecs | None = None

    def in_keyspace(self, keyspace: str | None) -> ValueOptions:
        """Return the options for a keyspace's tables; codecs don't apply to those that servers own."""
        if self.codecs is None or keyspace not in _SERVER_KEYSPACES:
            return self
        return self._replace(codecs=None)

    def for_columns(
        self, names: Sequence[str], shape: RowShape | None = None
    ) -> Sequence[ColumnCodecs] | None:
        """Return the codecs of a result's columns; None if the driver has none."""
        return None if self.codecs is None else self.codecs.for_columns(names, shape)


# --- parameters -------------------------------------------------------------------------


class CodecBinder:
    """The binder of a type with codecs.

    Args:
        bind: The binder without codecs.
        codecs: The codecs by class.
    """

    __slots__ = ("_bind", "_codecs")

    def __init__(self, bind: Binder, codecs: Mapping[type, Codec]) -> None:
        self._bind = bind
        self._codecs = codecs

    def __call__(self, value: Any) -> Any:
        """Return the value to serialize."""
        codec = self.codec_of(type(value))
        if codec is None or codec.to_cql is None:
            return self._bind(value)
        try:
            converted = codec.to_cql(value)
        except Exception as exc:
            raise BindingError(
                f"{codec!r} raised {type(exc).__name__}", "See the error's __cause__."
            ) from exc
        if converted is None or converted is UNSET:
            raise BindingError(f"{codec!r} returned {converted}", "Only a whole parameter can be UNSET.")
        try:
            return self._bind(converted)
        except BindingError as error:
            error.problem = f"{codec!r} returned an invalid value: {error.problem}"
            raise

    def codec_of(self, kind: type) -> Codec | None:
        """Return the codec for instances of a class: its own, or that of the nearest base class."""
        for base in kind.__mro__:
            codec = self._codecs.get(base)
            if codec is not None:
                return codec
        return None


def with_codecs(bind: Binder, typ: Any, codecs: Codecs | None) -> Binder:
    """Return a binder that converts values with the codecs of a type; the given one if it has none."""
    found = {} if codecs is None else codecs.for_parameters(cql_name(typ))
    return CodecBinder(bind, found) if found else bind


# --- results ----------------------------------------------------------------------------


def column_codec(typ: Any, codecs: ColumnCodecs | None, hint: Any, *, hashable: bool) -> Codec | None:
    """Return the codec for a type in a column; None for none.

    Args:
        typ: The type.
        codecs: The column's codecs.
        hint: The type that the row class has for the values.
        hashable: The values must be hashable, so that codecs for other classes don't apply.
    """
    codec = None if codecs is None else codecs.find(cql_name(unwrapped(typ)), hint)
    if codec is None or not hashable:
        return codec
    is_hashable = not codec.takes_array and all(kind.__hash__ is not None for kind in codec.python_types)
    return codec if is_hashable else None


def result_converter(
    codec: Codec,
    typ: Any,
    column: str,
    convert: Callable[[Any], Any] | None = None,
    *,
    hashable: bool = False,
) -> Callable[[Any], Any]:
    """Return the function that converts a decoded value.

    Args:
        codec: A codec with ``from_cql``.
        typ: The type.
        column: The column's name, for errors.
        convert: Converts the driver's value to that of the contract; None if they are the same.
        hashable: The value must be hashable.
    """
    from_cql: Any = codec.from_cql

    def converted(value: Any) -> Any:
        if convert is not None:
            value = convert(value)
        try:
            made = from_cql(value)
            if hashable:
                hash(made)
        except Exception as exc:
            name = cql_name(typ)
            message = f"{codec!r} raised {type(exc).__name__} for a value of the column {column!r} ({name})."
            raise RequestError(message, hint="See the error's __cause__.") from exc
        return made

    return converted


def part_hints(hint: Any, count: int) -> Sequence[Any]:
    """Return the type hints of a map's key and value, or of a tuple's components; None for each unknown one.

    Args:
        hint: The type hint of the map or tuple.
        count: The number of its types.
    """
    if hint is None:
        return (None,) * count
    from coodie.codec_registry import element_hints

    found = element_hints(hint)
    if found[1:] == (Ellipsis,):  # tuple[int, ...]
        return found[:1] * count
    return found if len(found) == count else (None,) * count


def first_hint(hint: Any) -> Any:
    """Return the type hint of a list's, set's or vector's elements; None if it isn't known."""
    return part_hints(hint, 1)[0]
