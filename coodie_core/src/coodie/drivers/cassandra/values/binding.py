"""Check a statement's parameters and turn them into what the driver's serialisers take."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, NoReturn

from coodie.cql import with_positional_markers
from coodie.drivers.cassandra.values.collections import binder
from coodie.drivers.cassandra.values.scalars import Binder, BindingError, type_name
from coodie.drivers.cassandra.values.types import cql_name, value_type
from coodie.exceptions import ParameterError, ParameterTypeError
from coodie.types import UNSET

__all__ = ["Binder", "bind_values", "binders"]

_ITS_OWN_CODE = "The fault is in the code of that class."

#: A list of single markers.
_IN = re.compile(r"\bIN\s*\(\s*[?:]", re.IGNORECASE)


def binders(columns: Sequence[Any], policy: Any = None) -> tuple[Binder, ...]:
    """Choose what checks and converts each parameter of a prepared statement; once per statement.

    Args:
        columns: Its bind markers, ``PreparedStatement.column_metadata``.
        policy: Its ``column_encryption_policy``: the server knows an encrypted column only as a blob.
    """
    return tuple([binder(value_type(policy, column)) for column in columns])


def bind_values(
    columns: Sequence[Any],
    column_binders: Sequence[Binder],
    params: Any,
    statement: str | None = None,
    key_indexes: Iterable[int] | None = (),
) -> list[Any]:
    """Return the values for ``PreparedStatement.bind``, one for each bind marker.

    Args:
        columns: The statement's bind markers.
        column_binders: What ``binders`` chose for them.
        params: A sequence with a value for each marker, or a mapping from the markers' names; None is an
            empty one. None in it is a null, ``coodie.UNSET`` leaves the column as it is.
        statement: The CQL text, for errors.
        key_indexes: Which markers are parts of the partition key, ``PreparedStatement.routing_key_indexes``:
            the drivers fail in their own code over a null there.

    Raises:
        ParameterError: Too few, too many, unknown or missing ones; a value out of range; a partition key
            without a value.
        ParameterTypeError: A value, or what holds the values, is of the wrong type. No error of these
            contains a value.
    """
    if type(params) is not list and type(params) is not tuple:
        params = _read(columns, params, statement)
    if len(params) != len(columns):
        message = f"The statement has {_count(len(columns), 'bind marker')}, and {_given(len(params))}."
        hint = "Give a value for each; UNSET leaves a column alone."
        raise ParameterError(message, hint=hint, statement=statement)
    for index in key_indexes or ():
        if params[index] is None or params[index] is UNSET:
            missing = BindingError(f"got {params[index]}", "It is part of the partition key: give a value.")
            _refuse(missing, columns[index], index, statement)
    bound: list[Any] = []
    try:
        for bind, value in zip(column_binders, params, strict=True):
            if value is None:
                bound.append(None)
            elif value is UNSET:
                bound.append(_unset_value())
            else:
                bound.append(bind(value))
    except BindingError as error:
        _refuse(error, columns[len(bound)], len(bound), statement)
    except Exception as exc:  # noqa: BLE001 - the methods of a value's class may raise anything
        index = len(bound)
        kind = type(params[index])
        problem = f"got a value of type {type_name(kind)}, which raised {type(exc).__name__} when it was read"
        unreadable = BindingError(problem, _ITS_OWN_CODE, value_type=kind)
        _refuse(unreadable, columns[index], index, statement, exc)
    return bound


@cache
def _unset_value() -> Any:
    from cassandra.query import UNSET_VALUE

    return UNSET_VALUE


def _read(columns: Sequence[Any], params: Any, statement: str | None) -> Sequence[Any]:
    """Return the values in the order of the markers, whatever holds them."""
    try:
        return _in_order(columns, params, statement)
    except ParameterError:
        raise
    except Exception as exc:  # as of a value
        name = type_name(type(params))
        message = f"The parameters are a {name}, which raised {type(exc).__name__} when it was read."
        raise ParameterTypeError(message, hint=_ITS_OWN_CODE, statement=statement, value_type=name) from exc


def _in_order(columns: Sequence[Any], params: Any, statement: str | None) -> Sequence[Any]:
    """Return the values in the order of the markers."""
    if params is None:
        return ()
    if isinstance(params, Mapping):
        return _by_name(columns, params, statement)
    if isinstance(params, Sequence) and not isinstance(params, (str, bytes, bytearray, memoryview)):
        return list(params)
    name = type_name(type(params))
    hint = "Give a list or tuple with a value for each ?, or a dict for :names."
    raise ParameterTypeError(f"The parameters are a {name}.", hint=hint, statement=statement, value_type=name)


def _by_name(columns: Sequence[Any], params: Mapping[Any, Any], statement: str | None) -> Sequence[Any]:
    names = [column.name for column in columns]
    for given in params:
        if given not in names:
            close = get_close_matches(str(given), names, 1)
            known = ", ".join(map(repr, names)) or "none"
            hint = f"Did you mean {close[0]!r}?" if close else f"It has {known}."
            message = f"The statement has no bind marker {given!r}."
            raise ParameterError(message, hint=hint, statement=statement)
    missing = [name for name in dict.fromkeys(names) if name not in params]
    if missing:
        message = f"The parameters lack {', '.join(map(repr, missing))}."
        hint = "Give None for a null, UNSET to leave a column alone."
        raise ParameterError(message, hint=hint, statement=statement)
    twice = next((name for name in names if names.count(name) > 1), None)
    # One :name in two places is one value; two ? that the server names after one column may not be.
    if twice is not None and len(with_positional_markers(statement or "")[1]) < len(names):
        message = f"Several markers ? go by the name {twice!r}, so that a dict can't tell them apart."
        raise ParameterError(message, hint="Give a list, or write :names.", statement=statement)
    return [params[name] for name in names]


def _refuse(
    error: BindingError, column: Any, index: int, statement: str | None, cause: Exception | None = None
) -> NoReturn:
    """Raise the public error for a value that doesn't fit."""
    name, cql_type = column.name, cql_name(column.type)
    place = f" in {' of '.join(reversed(error.path))}" if error.path else ""
    message = f"Parameter {index + 1}, {name!r} of type {cql_type}, {error.problem}{place}."
    if error.value_type is None:
        raise ParameterError(message, hint=error.hint, statement=statement) from None
    hint = error.hint
    if issubclass(error.value_type, (list, tuple, set, frozenset)) and _IN.search(statement or ""):
        hint += " For several values, write IN ? without parentheses."
    raise ParameterTypeError(
        message,
        hint=hint,
        statement=statement,
        column=name,
        cql_type=cql_type,
        value_type=type_name(error.value_type),
    ) from cause


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _given(number: int) -> str:
    return f"{_count(number, 'parameter')} {'was' if number == 1 else 'were'} given"
