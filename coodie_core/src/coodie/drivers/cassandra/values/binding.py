"""Validate a statement's parameters, and convert them for the drivers' serializers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from coodie._unset import UNSET
from coodie.cql import with_positional_markers
from coodie.drivers.cassandra.values.collections import binder
from coodie.drivers.cassandra.values.types import cql_name, value_type
from coodie.drivers.client.values.problems import (
    HINT_OWN_CODE,
    BindingError,
    Marker,
    refuse,
    type_name,
    unreadable,
)
from coodie.exceptions import ParameterError, ParameterTypeError

if TYPE_CHECKING:
    from coodie.codec_registry import Codecs
    from coodie.drivers.client.values.scalars import Binder

__all__ = ["bind_values", "binders"]


def binders(columns: Sequence[Any], policy: Any = None, codecs: Codecs | None = None) -> tuple[Binder, ...]:
    """Return the binder of each bind marker of a prepared statement.

    Args:
        columns: The statement's bind markers, ``PreparedStatement.column_metadata``.
        policy: Its ``column_encryption_policy``: to the server, an encrypted column is a blob.
        codecs: The driver's codecs.
    """
    return tuple([binder(value_type(policy, column), codecs) for column in columns])


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
        column_binders: Their binders, from ``binders``.
        params: A sequence with a value for each marker, or a mapping by the markers' names; None for no
            parameters. A value of None is a null; ``coodie.UNSET`` leaves the column unchanged.
        statement: The CQL text, for errors.
        key_indexes: The indexes of the partition key's markers, ``PreparedStatement.routing_key_indexes``;
            the drivers raise errors of their own for a null there.

    Raises:
        ParameterError: Parameters are missing, unknown or too many; a value is out of range; a part of the
            partition key has no value.
        ParameterTypeError: A value, or the container of the values, has the wrong type. These errors never
            contain a value.
    """
    if type(params) is not list and type(params) is not tuple:
        params = _read(columns, params, statement)
    if len(params) != len(columns):
        message = f"The statement has {_count(len(columns), 'bind marker')}, and {_given(len(params))}."
        hint = "Give one value for each; UNSET leaves a column unchanged."
        raise ParameterError(message, hint=hint, statement=statement)
    for index in key_indexes or ():
        if params[index] is None or params[index] is UNSET:
            missing = BindingError(f"got {params[index]}", "A part of the partition key needs a value.")
            refuse(missing, _marker(columns[index]), index, statement)
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
        refuse(error, _marker(columns[len(bound)]), len(bound), statement, error.__cause__)
    except Exception as exc:  # noqa: BLE001 - the methods of a value's class may raise anything
        index = len(bound)
        refuse(unreadable(type(params[index]), exc), _marker(columns[index]), index, statement, exc)
    return bound


@cache
def _unset_value() -> Any:
    from cassandra.query import UNSET_VALUE

    return UNSET_VALUE


def _read(columns: Sequence[Any], params: Any, statement: str | None) -> Sequence[Any]:
    """Return the values in the order of the markers; report exceptions of the container's own methods."""
    try:
        return _in_order(columns, params, statement)
    except ParameterError:
        raise
    except Exception as exc:  # the methods of the container may raise anything
        name = type_name(type(params))
        message = f"Reading the parameters, a {name}, raised {type(exc).__name__}."
        raise ParameterTypeError(message, hint=HINT_OWN_CODE, statement=statement, value_type=name) from exc


def _in_order(columns: Sequence[Any], params: Any, statement: str | None) -> Sequence[Any]:
    """Return the values in the order of the markers."""
    if params is None:
        return ()
    if isinstance(params, Mapping):
        return _by_name(columns, params, statement)
    if isinstance(params, Sequence) and not isinstance(params, (str, bytes, bytearray, memoryview)):
        return list(params)
    name = type_name(type(params))
    message = f"The parameters: expected a list, a tuple or a dict, got {name}."
    hint = "Give a list or tuple with one value for each ?, or a dict for :names."
    raise ParameterTypeError(message, hint=hint, statement=statement, value_type=name)


def _by_name(columns: Sequence[Any], params: Mapping[Any, Any], statement: str | None) -> Sequence[Any]:
    names = [column.name for column in columns]
    for given in params:
        if given not in names:
            from difflib import get_close_matches  # for the error alone

            close = get_close_matches(str(given), names, 1)
            known = ", ".join(map(repr, names)) or "none"
            hint = f"Did you mean {close[0]!r}?" if close else f"It has {known}."
            message = f"The statement has no bind marker {given!r}."
            raise ParameterError(message, hint=hint, statement=statement)
    missing = [name for name in dict.fromkeys(names) if name not in params]
    if missing:
        message = f"Missing parameters: {', '.join(map(repr, missing))}."
        hint = "Give None for a null, UNSET to leave a column unchanged."
        raise ParameterError(message, hint=hint, statement=statement)
    twice = next((name for name in names if names.count(name) > 1), None)
    # A :name used twice is one value. Two ? that the server names after the same column may be two.
    if twice is not None and len(with_positional_markers(statement or "")[1]) < len(names):
        message = f"Several ? markers have the name {twice!r}, so a dict is ambiguous."
        raise ParameterError(message, hint="Give a list, or use :names.", statement=statement)
    return [params[name] for name in names]


def _marker(column: Any) -> Marker:
    return Marker(column.name, cql_name(column.type))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _given(number: int) -> str:
    return f"{_count(number, 'parameter')} {'was' if number == 1 else 'were'} given"
