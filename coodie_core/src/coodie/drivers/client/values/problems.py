"""What can be wrong with a parameter, and the public error for it."""

from __future__ import annotations

import re
import sys
from typing import Any, NamedTuple, NoReturn

from coodie._unset import UNSET
from coodie.exceptions import ParameterError, ParameterTypeError

__all__ = ["HINT_OWN_CODE", "BindingError", "Marker", "refuse", "type_name", "unreadable", "wrong_type"]

#: The hint if a method of a value's class raised an exception.
HINT_OWN_CODE = "Fix the methods of that class."

#: ``IN`` with a bind marker in parentheses.
_IN = re.compile(r"\bIN\s*\(\s*[?:]", re.IGNORECASE)

#: The types of pandas' missing values. NaT's is a subclass of datetime.
_MISSING = ("NAType", "NaTType")


class Marker(NamedTuple):
    """A bind marker in errors.

    Attributes:
        name: Its name.
        cql_type: Its type in CQL.
    """

    name: str
    cql_type: str


class BindingError(Exception):
    """A value is invalid for its type; ``refuse`` raises the public error. It never contains the value.

    Args:
        problem: The problem, such as "expected an int, got float" or "out of range".
        hint: How to fix it.
        value_type: The value's type, if that is the problem.
    """

    def __init__(self, problem: str, hint: str | None, *, value_type: type | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.value_type = value_type
        #: The path of the value within the parameter, outermost first: "an element", "field 'street'".
        self.path: tuple[str, ...] = ()

    def inside(self, place: str) -> BindingError:
        """Add the value's place in its container to the path; return self."""
        self.path = (place, *self.path)
        return self


def wrong_type(value: Any, expected: str, hint: str | None = None) -> BindingError:
    """Return the error of a value of the wrong type.

    Args:
        value: The value.
        expected: The expected types.
        hint: How to convert the value.
    """
    kind = type(value)
    if value is None:
        return BindingError("got None", "CQL collections can't contain nulls: leave it out.", value_type=kind)
    if value is UNSET:
        return BindingError(
            "got UNSET", "UNSET is for a whole column, not for a part of it.", value_type=kind
        )
    if kind.__name__ in _MISSING:
        hint = "Give None for a null."
    return BindingError(f"expected {expected}, got {type_name(kind)}", hint, value_type=kind)


def type_name(kind: type) -> str:
    """Return a type's name, with its module if that isn't of the standard library: numpy has a ``bool``."""
    name: str = kind.__name__
    return (
        name if kind.__module__.partition(".")[0] in sys.stdlib_module_names else f"{kind.__module__}.{name}"
    )


def refuse(
    error: BindingError, marker: Marker, index: int, statement: str | None, cause: BaseException | None = None
) -> NoReturn:
    """Raise the public error for an invalid value.

    Args:
        error: What is wrong with the value.
        marker: The bind marker.
        index: Its position, from 0.
        statement: The CQL text.
        cause: The exception that led to the error, if there is one.
    """
    name, cql_type = marker
    place = f", in {' of '.join(reversed(error.path))}" if error.path else ""
    message = f"Parameter {index + 1} ({name!r}, {cql_type}){place}: {error.problem}."
    if error.value_type is None:
        raise ParameterError(message, hint=error.hint, statement=statement) from cause
    hint = error.hint
    if issubclass(error.value_type, (list, tuple, set, frozenset)) and _IN.search(statement or ""):
        hint = "For several values, write IN ? without parentheses."
    raise ParameterTypeError(
        message,
        hint=hint,
        statement=statement,
        column=name,
        cql_type=cql_type,
        value_type=type_name(error.value_type),
    ) from cause


def unreadable(kind: type, exc: Exception) -> BindingError:
    """Return the error for a value whose own methods raised an exception."""
    problem = f"reading the {type_name(kind)} raised {type(exc).__name__}"
    return BindingError(problem, HINT_OWN_CODE, value_type=kind)
