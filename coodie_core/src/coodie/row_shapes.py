"""Row shapes: the types of rows that ``rows=`` requests instead of dicts.

A ``RowShape`` checks a result's columns against the requested type, and generates the code for one row.
Decoders that generate code include it in theirs; for all others, rows are converted here.
"""

from __future__ import annotations

import inspect
from dataclasses import fields
from functools import lru_cache, partial
from keyword import iskeyword
from operator import itemgetter
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

from coodie._arrow import arrow_module
from coodie.exceptions import ConfigurationError, CoodieError, InvalidQueryError, RequestError
from coodie.rows import Rows, check_column_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from coodie.rows import Column

__all__ = ["RowShape", "ShapedRows", "build_tuples", "parse_rows", "row_code"]

#: Cached shapes, and cached builders; each is a few hundred bytes.
_CACHE_SIZE = 256

#: The column that the server adds to the result of a conditional write (CQL reference, "INSERT").
_APPLIED = "[applied]"

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class ShapedRows(Rows[Any]):
    """Rows that aren't dicts."""

    __slots__ = ()

    #: The shape of the rows.
    shape: RowShape

    def scalar(self) -> Any:
        """Return the first column of the first row; None where there is no row."""
        return self.shape.first_column(self)(self[0]) if self else None

    def scalars(self) -> list[Any]:
        """Return the first column of each row."""
        return list(map(self.shape.first_column(self), self))

    @property
    def applied(self) -> bool | None:
        """Whether a lightweight transaction took effect; None for any other statement."""
        known: bool | None = self.__dict__.get("was_applied")
        if known is not None:
            return known
        return self.scalar() if self.columns and self.columns[0].name == _APPLIED else None


class RowShape:
    """The type of rows: tuples, scalars, or the objects that a factory returns.

    Args:
        given: ``"tuple"``, ``"scalar"``, or the factory.
    """

    #: Whether the result has columns instead of rows, see ``coodie.columnar``.
    is_columnar = False

    def __init__(self, given: str | Callable[..., Any]) -> None:
        self.given = given
        self.factory = None if isinstance(given, str) else given
        self.name = given if isinstance(given, str) else getattr(given, "__qualname__", type(given).__name__)
        self._parameters = None if self.factory is None else _parameters_of(self.factory)

    def __repr__(self) -> str:
        return f"<RowShape {self.name}>"

    @property
    def is_tuple(self) -> bool:
        """Whether a row is the tuple of its columns' values, and nothing else."""
        return self.given == "tuple"

    @property
    def annotations(self) -> dict[str, Any]:
        """The annotations of the factory's parameters."""
        found = (self._parameters or {}).items()
        return {name: one.annotation for name, one in found if one.annotation is not one.empty}

    def new_rows(self) -> ShapedRows:
        """Return an empty result."""
        rows = ShapedRows.__new__(ShapedRows)
        rows.shape = self
        return rows

    def first_column(self, rows: Rows[Any]) -> Callable[[Any], Any]:
        """Return the function that gets the first column of a row."""
        if self.given == "scalar":
            return _itself
        if self.factory is None:
            return itemgetter(0)
        names = [column.name for column in rows.columns or () if column.name != _APPLIED]
        return partial(_field, names[0]) if names else _itself

    # --- from rows that are decoded ---------------------------------------------------------

    def of_tuples(
        self, names: Sequence[str], rows: Iterable[Sequence[Any]], columns: tuple[Column, ...] | None = None
    ) -> ShapedRows:
        """Return rows of this shape.

        Args:
            names: The columns' names.
            rows: The values of each row, in the columns' order.
            columns: The columns with their types, if they are known.

        Raises:
            InvalidQueryError: The columns don't match the factory's parameters, or two have the same name.
            RequestError: The factory raised an exception, which is the cause.
        """
        return self.built(build_tuples, names, rows, columns)

    def built(
        self,
        make_builder: Callable[[tuple[str, ...], RowShape], Callable[[Iterable[Sequence[Any]]], list[Any]]],
        names: Sequence[str],
        rows: Iterable[Sequence[Any]],
        columns: tuple[Column, ...] | None,
    ) -> ShapedRows:
        """Return rows of this shape, as ``of_tuples`` does.

        Args:
            make_builder: Returns the function that builds the rows, given the columns' names.
            names: As in ``of_tuples``.
            rows: As in ``of_tuples``.
            columns: As in ``of_tuples``.
        """
        made = self.new_rows()
        made.columns = columns
        # A conditional write returns [applied], followed by the existing row's columns, if there is one.
        is_conditional = self.factory is not None and bool(names) and names[0] == _APPLIED
        if is_conditional:
            rows = list(rows)
            made.__dict__["was_applied"] = bool(rows[0][0]) if rows else None
            if len(names) == 1:
                return made
        self.check(names[1:] if is_conditional else names)
        builder = make_builder(tuple(names), self)
        try:
            made += builder(rows)
        except CoodieError:
            raise
        except Exception as exc:
            message = f"Could not create {self.name} from a row: {type(exc).__name__}."
            hint = "See the error's __cause__."
            raise RequestError(message, hint=hint) from exc
        return made

    def of_dicts(self, rows: list[dict[str, Any]]) -> ShapedRows:
        """Return rows of this shape, with the result's other attributes.

        Args:
            rows: The result of a driver without row shapes.
        """
        known = rows if isinstance(rows, Rows) else None
        columns = None if known is None else known.columns
        names = tuple(rows[0]) if rows else tuple([column.name for column in columns or ()])
        if names:
            made = self.of_tuples(names, [tuple(row.values()) for row in rows], columns)
            if rows and names[0] == _APPLIED:  # a client may give no columns
                made.__dict__["was_applied"] = bool(rows[0][_APPLIED])
        else:
            made = self.new_rows()
            made.columns = columns
        if known is not None:
            made.__dict__.update({name: value for name, value in vars(known).items() if name != "shape"})
        return made

    def slots(self, names: Sequence[str]) -> tuple[type, tuple[Any, ...]] | None:
        """Return the factory, and its slot for each column, if filling these is all that creates a row.

        A slot is the descriptor of a name in ``__slots__``. For anything else than a dataclass that only sets
        its slots, the result is None.

        Args:
            names: The columns' names, after ``check``.
        """
        factory: Any = self.factory
        is_complete = self._parameters is not None and set(self._parameters) == set(names)
        if not is_complete or _field_setters(factory) is None or inspect.isabstract(factory):
            return None
        found = tuple([_slot(factory, name) for name in names])
        return None if None in found else (factory, found)

    # --- code -------------------------------------------------------------------------------

    def check(self, names: Sequence[str]) -> None:
        """Check the columns against the factory's parameters.

        Raises:
            InvalidQueryError: Columns are missing, there are others, or two have the same name.
        """
        if self.factory is None:
            return
        check_column_names(names)
        if self._parameters is None:
            return
        taken = {name for name, one in self._parameters.items() if one.kind is not one.VAR_KEYWORD}
        takes_any = len(taken) < len(self._parameters)
        extra = [] if takes_any else [name for name in names if name not in taken]
        needed = (name for name, one in self._parameters.items() if one.default is one.empty)
        missing = [name for name in needed if name in taken and name not in names]
        if extra or missing:
            found = [f"unexpected {_listed(extra)}"] * bool(extra)
            found += [f"missing {_listed(missing)}"] * bool(missing)
            message = f"The result's columns don't match {self.name}: {', '.join(found)}."
            hint = "Select the columns by name, and rename them if necessary: SELECT column AS name."
            raise InvalidQueryError(message, hint=hint)

    def code(
        self, names: Sequence[str], items: Sequence[str], scope: dict[str, Any]
    ) -> tuple[list[str], str]:
        """Return the code for one row: statements, followed by the expression of the row.

        Args:
            names: The columns' names, after ``check``.
            items: The expression of each column's value.
            scope: The namespace for the objects that the code uses; their names start with ``row_``.
        """
        if self.given == "tuple":
            return [], f"({', '.join(items)}{',' * (len(items) == 1)})"
        if self.given == "scalar":
            return [], items[0] if items else "None"
        return self._object_code(dict(zip(names, items, strict=True)), scope)

    def _object_code(self, by_name: dict[str, str], scope: dict[str, Any]) -> tuple[list[str], str]:
        """Return the code that creates an object, without a call of the class if the result is the same."""
        factory: Any = self.factory
        scope["row_make"] = factory
        if _is_pydantic(factory):
            scope["row_make"] = factory.__pydantic_validator__.validate_python
            return [], f"row_make({_display(by_name)})"
        is_complete = self._parameters is not None and set(self._parameters) == set(by_name)
        if is_complete and _is_named_tuple(factory):
            scope["row_new"] = tuple.__new__
            return [], f"row_new(row_make, ({', '.join([by_name[name] for name in factory._fields])},))"
        setters = _field_setters(factory) if is_complete else None
        if setters is None:
            return [], f"row_make({self._arguments(by_name)})"
        scope["row_new"] = object.__new__
        steps = ["row = row_new(row_make)"]
        for number, (name, setter) in enumerate(setters.items()):
            if setter is None:
                steps.append(f"row.{name} = {by_name[name]}")
            else:
                scope[f"row_set{number}"] = setter
                steps.append(f"row_set{number}(row, {by_name[name]})")
        return steps, "row"

    def _arguments(self, by_name: Mapping[str, str]) -> str:
        """Return the arguments of a call of the factory; positional ones are faster."""
        left = dict(by_name)
        arguments = []
        for name, parameter in (self._parameters or {}).items():
            if parameter.kind not in _POSITIONAL or name not in left:
                break
            arguments.append(left.pop(name))
        if all(name.isascii() and name.isidentifier() and not iskeyword(name) for name in left):
            arguments += [f"{name}={item}" for name, item in left.items()]
        else:
            arguments.append(f"**{_display(left)}")
        return ", ".join(arguments)


def parse_rows(rows: Any) -> RowShape | None:
    """Return the shape that ``rows=`` requests; None for dicts.

    Args:
        rows: ``dict``, ``tuple``, ``"dict"``, ``"tuple"``, ``"scalar"``, ``"arrow"``, a class or another
            callable; or a shape.

    Raises:
        ConfigurationError: The value is none of these; or coodie-arrow isn't installed.
    """
    if isinstance(rows, RowShape):
        return rows
    try:
        return _parse_rows(rows)
    except TypeError:  # unhashable
        return _parse_rows.__wrapped__(rows)


@lru_cache(_CACHE_SIZE)
def _parse_rows(rows: Any) -> RowShape | None:
    if rows is None or rows is dict or rows == "dict":
        return None
    if rows is tuple or rows == "tuple":
        return _TUPLE
    if rows == "scalar":
        return _SCALAR
    if rows == "arrow":
        return _arrow_shape()
    if not callable(rows):
        message = f"Invalid rows={rows!r}."
        hint = "Use dict, tuple, 'scalar', 'arrow', a class such as a dataclass, or another callable."
        raise ConfigurationError(message, hint=hint, option="rows")
    return RowShape(rows)


_TUPLE, _SCALAR = RowShape("tuple"), RowShape("scalar")


def _arrow_shape() -> RowShape:
    shape: RowShape = arrow_module("rows='arrow'", "rows").ArrowShape()
    return shape


def row_code(
    names: Sequence[str], items: Sequence[str], shape: RowShape | None, scope: dict[str, Any]
) -> tuple[list[str], str]:
    """Return the code for one row: statements, followed by the expression of the row.

    Args:
        names: The columns' names.
        items: The expression of each column's value.
        shape: The row's shape; None for a dict.
        scope: The namespace for the objects that the code uses.
    """
    if shape is None:
        return [], _display(dict(zip(names, items, strict=True)))
    return shape.code(names, items, scope)


@lru_cache(_CACHE_SIZE)
def build_tuples(names: tuple[str, ...], shape: RowShape) -> Callable[[Iterable[Sequence[Any]]], list[Any]]:
    """Return the function that converts tuples to rows."""
    return row_builder(names, [None] * len(names), shape)


def row_builder(
    names: tuple[str, ...], converters: Sequence[Callable[[Any], Any] | None], shape: RowShape | None
) -> Callable[[Iterable[Sequence[Any]]], list[Any]]:
    """Return the function that converts a driver's tuples to rows.

    Args:
        names: The columns' names.
        converters: The columns' converters, or None.
        shape: The rows' shape; None for dicts.
    """
    wanted = tuple([index for index, convert in enumerate(converters) if convert is not None])
    builder = _row_builder(names, wanted, shape)
    chosen = [converters[index] for index in wanted]
    return partial(_converted, builder, chosen) if chosen else builder


def _converted(
    builder: Callable[..., list[Any]], converters: Sequence[Any], rows: Iterable[Any]
) -> list[Any]:
    return builder(rows, *converters)


@lru_cache(4 * _CACHE_SIZE)
def _row_builder(
    names: tuple[str, ...], converted: tuple[int, ...], shape: RowShape | None
) -> Callable[..., list[Any]]:
    """Generate the function that builds the rows; a dict display is twice as fast as zip.

    A column's name is only inserted as its repr, or as it is if it is an identifier.
    """
    if shape is None:
        check_column_names(names)
    values = [f"v{index}" for index in range(len(names))]
    items = list(values)
    for index in converted:
        items[index] = f"None if v{index} is None else c{index}(v{index})"
    start = 0
    if shape is not None and shape.factory is not None and names and names[0] == _APPLIED:
        start = 1
    scope: dict[str, Any] = {"__builtins__": {}}
    steps, row = row_code(names[start:], items[start:], shape, scope)
    parameters = "".join([f", c{index}" for index in converted])
    targets = f"{', '.join(values)}," if values else "_"
    if not steps:
        body = f"return [{row} for {targets} in rows]"
    else:
        loop = "\n        ".join([*steps, f"made.append({row})"])
        body = f"made = []\n    for {targets} in rows:\n        {loop}\n    return made"
    exec(f"def build(rows{parameters}):\n    {body}", scope)  # noqa: S102 - as above
    builder: Callable[..., list[Any]] = scope["build"]
    return builder


# --- factories -------------------------------------------------------------------------


def _parameters_of(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    """Return the parameters that can take columns; None if the factory has no signature."""
    try:
        found = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return None
    return {name: one for name, one in found.items() if one.kind is not one.VAR_POSITIONAL}


def _is_pydantic(factory: Any) -> bool:
    """Return whether the factory is a pydantic class, which validates a dict faster than keywords."""
    return hasattr(factory, "model_validate") and hasattr(factory, "__pydantic_validator__")


def _is_named_tuple(factory: Any) -> bool:
    """Return whether the factory is a NamedTuple; a subclass of one may override ``__new__``."""
    return isinstance(factory, type) and issubclass(factory, tuple) and "_fields" in vars(factory)


def _field_setters(factory: Any) -> Mapping[str, Any] | None:
    """Return the setters of a dataclass's fields if its ``__init__`` only sets these; otherwise, None.

    The setter None is an assignment. Calling ``__init__`` would take half of a row's time.
    """
    if not isinstance(factory, type) or "__dataclass_params__" not in vars(factory):
        return None
    own: Any = vars(factory)
    params, declared = own["__dataclass_params__"], own["__dataclass_fields__"]
    # A handwritten __init__ is always called.
    code = getattr(own.get("__init__"), "__code__", None)
    is_plain = (
        code is not None
        and code.co_filename == "<string>"
        and code.co_names in (tuple(declared), ("__setattr__",))
        and not hasattr(factory, "__post_init__")
        and getattr(factory, "__new__", None) is object.__new__
        and type(factory).__call__ is type.__call__
        and len(fields(factory)) == len(declared)  # neither ClassVar nor InitVar
        and all(one.init for one in declared.values())
    )
    if not is_plain:
        return None
    if not params.frozen:
        is_usual = getattr(factory, "__setattr__", None) is object.__setattr__
        return dict.fromkeys(declared) if is_usual else None
    setters = {name: getattr(own.get(name), "__set__", None) for name in declared}
    return None if None in setters.values() else setters


def _slot(factory: type, name: str) -> MemberDescriptorType | None:
    """Return the descriptor of a class's slot; None if the attribute isn't one of a class's ``__slots__``."""
    owner = next((one for one in factory.__mro__ if name in vars(one)), object)
    found = vars(owner).get(name)
    is_slot = isinstance(found, MemberDescriptorType) and found.__objclass__ is owner
    return found if is_slot and name in vars(owner).get("__slots__", ()) else None


def _display(by_name: Mapping[str, str]) -> str:
    """Return a dict display; names are only inserted as literals."""
    return f"{{{', '.join([f'{name!r}: {item}' for name, item in by_name.items()])}}}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _field(name: str, row: Any) -> Any:
    try:
        return row[name] if isinstance(row, dict) else getattr(row, name)
    except (AttributeError, KeyError) as exc:
        message = f"{type(row).__qualname__} has no attribute {name!r}, the name of the first column."
        raise RequestError(message, hint="Use rows='scalar' for the first column.") from exc


def _itself(row: Any) -> Any:
    return row
