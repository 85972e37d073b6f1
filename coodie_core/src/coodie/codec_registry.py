"""The codecs of one driver, and which of them applies to a parameter or to a column of a result."""

from __future__ import annotations

import sys
from collections import ChainMap
from functools import lru_cache, partial
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from coodie._module_attribute import imported_attribute
from coodie.codecs import Codec
from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from coodie.row_shapes import RowShape

__all__ = ["Codecs", "ColumnCodecs", "element_hints", "parse_codecs"]

#: Cached types of row classes' fields.
_CACHE_SIZE = 256


class Codecs:
    """The codecs of a driver, by CQL type.

    Args:
        codecs: The codecs.

    Raises:
        ConfigurationError: Two are for the same CQL type and Python type, or for results in the same column.
    """

    def __init__(self, codecs: Iterable[Codec]) -> None:
        self._by_type: dict[str, list[Codec]] = {}
        for codec in codecs:
            known = self._by_type.setdefault(codec.cql_type, [])
            for other in known:
                _check_pair(codec, other)
            known.append(codec)

    def __iter__(self) -> Iterator[Codec]:
        return (codec for codecs in self._by_type.values() for codec in codecs)

    def with_defaults(self, defaults: Iterable[Codec]) -> Codecs:
        """Return these codecs with others, except those that conflict with one of these."""
        kept = []
        for codec in defaults:
            try:
                for other in self._by_type.get(codec.cql_type, ()):
                    _check_pair(codec, other)
            except ConfigurationError:
                continue
            kept.append(codec)
        return Codecs([*self, *kept])

    def of_type(self, cql_type: str) -> Sequence[Codec]:
        """Return the codecs of a type; of vectors, those of exactly that size first."""
        found = self._by_type.get(cql_type, [])
        if cql_type.startswith("vector<"):
            return [*found, *self._by_type.get(f"{cql_type.rpartition(',')[0]}>", ())]
        return found

    def for_parameters(self, cql_type: str) -> dict[type, Codec]:
        """Return the codecs that convert parameters for a CQL type, by class."""
        codecs = [codec for codec in reversed(self.of_type(cql_type)) if codec.to_cql is not None]
        return {kind: codec for codec in codecs for kind in codec.python_types}

    def for_columns(self, names: Sequence[str], shape: RowShape | None) -> tuple[ColumnCodecs, ...]:
        """Return the codecs of a result's columns.

        Args:
            names: The columns' names.
            shape: The rows' shape; None for dicts.
        """
        hints = _hints(self, shape) if shape is not None and shape.factory is not None else {}
        return tuple([ColumnCodecs(self, name, hints.get(name)) for name in names])


class ColumnCodecs:
    """The codecs of one column of a result.

    Args:
        codecs: The driver's codecs.
        column: The column's name.
        hint: The type that the row class has for the column; None if it isn't known.
    """

    __slots__ = ("_codecs", "column", "hint")

    def __init__(self, codecs: Codecs, column: str, hint: Any) -> None:
        self._codecs = codecs
        self.column = column
        self.hint = hint

    def find(self, cql_type: str, hint: Any) -> Codec | None:
        """Return the codec for values of a type, which the column has or contains; None for none.

        Args:
            cql_type: The CQL type.
            hint: The type that the row class has for these values; None if it isn't known.
        """
        codecs = [codec for codec in self._codecs.of_type(cql_type) if codec.from_cql is not None]
        wanted = _classes(hint) if codecs else ()
        for codec in codecs:
            if wanted and set(wanted) <= set(codec.python_types):
                return codec
        named = [codec for codec in codecs if codec.columns is not None and self.column in codec.columns]
        everywhere = [codec for codec in codecs if codec.columns is None]
        for codec in (*named, *everywhere):
            # A field of another type, such as str for inet, gets the value without a codec.
            return codec if not wanted or _is_any_subclass(codec.python_types, wanted) else None
        return None


def parse_codecs(value: Any) -> Codecs | None:
    """Return the codecs of the option; None for none.

    Args:
        value: Codecs, and texts ``module:attribute`` for a codec or several.

    Raises:
        ConfigurationError: An item is something else, can't be imported, or conflicts with another.
    """
    if isinstance(value, Codecs):
        return value
    if isinstance(value, (str, Codec)) or not hasattr(value, "__iter__"):
        raise _no_codec(value)
    found: list[Codec] = []
    for item in value:
        several = _imported(item) if isinstance(item, str) else item
        for codec in several if isinstance(item, str) and isinstance(several, (list, tuple)) else [several]:
            if not isinstance(codec, Codec):
                raise _no_codec(item)
            found.append(codec)
    return Codecs(found) if found else None


def _imported(name: str) -> Any:
    error = partial(ConfigurationError, option="codecs")
    return imported_attribute(name, "codec", "shop.values:CODECS", error)


def _no_codec(value: Any) -> ConfigurationError:
    hint = "Give a list of coodie.Codec, or of texts such as 'shop.values:CODECS'."
    return ConfigurationError(f"codecs: {value!r} can't be used.", hint=hint, option="codecs")


def _check_pair(codec: Codec, other: Codec) -> None:
    """Raise an exception if two codecs of a CQL type can't be used together."""
    same = [kind.__qualname__ for kind in codec.python_types if kind in other.python_types]
    if same:
        message = f"Two codecs convert between {codec.cql_type} and {same[0]}."
        raise ConfigurationError(message, hint="Give one of them.", option="codecs")
    if codec.from_cql is None or other.from_cql is None:
        return
    if codec.columns is None and other.columns is None:
        message = f"{codec!r} and {other!r} both convert all results of type {codec.cql_type}."
        hint = "Give columns= for one of them: names of columns, or () for row classes only."
        raise ConfigurationError(message, hint=hint, option="codecs")
    both = sorted(set(codec.columns or ()) & set(other.columns or ()))
    if both:
        message = f"{codec!r} and {other!r} both convert the column {both[0]!r}."
        raise ConfigurationError(message, hint="Name the column in one of them.", option="codecs")


# --- the types of a row class's fields --------------------------------------------------


@lru_cache(_CACHE_SIZE)
def _hints(codecs: Codecs, shape: RowShape) -> Mapping[str, Any]:
    """Return the types of a factory's parameters; without those that can't be evaluated.

    Names that the factory's module doesn't have, such as those of a local enum, may be those of codecs.
    """
    factory: Any = shape.factory
    known = {kind.__name__: kind for codec in codecs for kind in codec.python_types}
    modules = [getattr(kind, "__module__", None) for kind in getattr(factory, "__mro__", (factory,))]
    scope = ChainMap(*[vars(sys.modules[name]) for name in modules if name in sys.modules], known)
    found = {}
    for name, annotation in shape.annotations.items():
        text = getattr(annotation, "__forward_arg__", annotation)
        try:
            found[name] = eval(text, {}, scope) if isinstance(text, str) else text  # noqa: S307 - as typing does
        except Exception:  # noqa: BLE001, S112 - such as a name that is only imported for type checkers
            continue
    return found


def _alternatives(hint: Any) -> Sequence[Any]:
    """Return the types of a union without None; a single one for any other hint."""
    hint = getattr(hint, "__supertype__", hint)
    if get_origin(hint) is Annotated:
        return _alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [one for arg in get_args(hint) if arg is not NoneType for one in _alternatives(arg)]
    return [hint]


def _classes(hint: Any) -> tuple[type, ...]:
    """Return the classes of a type hint; none if it allows any class, or isn't known."""
    found = [get_origin(one) or one for one in _alternatives(hint)]
    return tuple(found) if all(isinstance(one, type) and one is not Any for one in found) else ()


def element_hints(hint: Any) -> tuple[Any, ...]:
    """Return the type hints of a collection's elements, or of a tuple's components; none if not known."""
    alternatives = _alternatives(hint)
    return get_args(alternatives[0]) if len(alternatives) == 1 else ()


def _is_any_subclass(kinds: Iterable[type], bases: tuple[type, ...]) -> bool:
    try:
        return any(issubclass(kind, bases) for kind in kinds)
    except TypeError:  # a protocol
        return True
