"""Parameters in the order of a statement's bind markers, for backends that bind by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from coodie.cql import count_positional_markers, with_positional_markers
from coodie.exceptions import ParameterError, ParameterTypeError

__all__ = ["Positional", "positional"]


class Positional(NamedTuple):
    """A statement with ``?`` for each value, and the values."""

    text: str
    values: tuple[Any, ...]


def positional(stmt: str, params: Any) -> Positional:
    """Replace each ``:name`` by ``?`` and put the values in that order.

    Args:
        stmt: CQL text.
        params: A sequence with a value for each marker, or a mapping by the markers' names; None for no
            parameters.

    Raises:
        ParameterError: Parameters are missing, unknown or too many.
        ParameterTypeError: The container of the parameters is neither a sequence nor a mapping.
    """
    text, names = with_positional_markers(stmt)
    try:
        values = _in_order(params, names, stmt)
    except ParameterError:
        raise
    except Exception as exc:  # the methods of the parameters' class may raise anything
        kind = type(params).__name__
        message = f"Reading the parameters, a {kind}, raised {type(exc).__name__}."
        hint = "Fix the methods of that class."
        raise ParameterTypeError(message, hint=hint, statement=stmt, value_type=kind) from exc
    # Checked here, since in a batch an extra value would be bound to a marker of another statement.
    wanted = count_positional_markers(text)
    if len(values) != wanted:
        message = f"The statement has {wanted} bind markers and was given {len(values)} parameters."
        hint = "Give one value for each; UNSET leaves a column unchanged."
        raise ParameterError(message, hint=hint, statement=stmt)
    return Positional(text, values)


def _in_order(params: Any, names: list[str], stmt: str) -> tuple[Any, ...]:
    if params is None:
        return ()
    if isinstance(params, Mapping):
        missing = [name for name in dict.fromkeys(names) if name not in params]
        unknown = [name for name in params if name not in names]
        if missing or unknown:
            message = f"Missing parameters: {missing or 'none'}; unknown parameters: {unknown or 'none'}."
            raise ParameterError(message, hint=f"The statement has the markers {names}.", statement=stmt)
        return tuple([params[name] for name in names])
    if isinstance(params, Sequence) and not isinstance(params, (str, bytes, bytearray, memoryview)):
        return tuple(params)
    kind = type(params).__name__
    message = f"The parameters: expected a list, a tuple or a dict, got {kind}."
    hint = "Give a list or tuple with one value for each ?, or a dict for :names."
    raise ParameterTypeError(message, hint=hint, statement=stmt, value_type=kind)
