"""A batch as one CQL text, for backends without a BATCH message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from coodie.cql import Kind, inspect_statement
from coodie.exceptions import ConfigurationError, ParameterError
from coodie.parameters import positional
from coodie.requests import BatchType

if TYPE_CHECKING:
    from coodie.requests import Params

__all__ = ["BatchItem", "batch_text", "check_batch"]

#: A statement without parameters, or a pair of a statement and its parameters.
BatchItem = str | tuple[str, Sequence[Any] | Mapping[str, Any]]

_OPENINGS = {
    BatchType.LOGGED: "BEGIN BATCH",
    BatchType.UNLOGGED: "BEGIN UNLOGGED BATCH",
    BatchType.COUNTER: "BEGIN COUNTER BATCH",
}


def check_batch(statements: Iterable[BatchItem]) -> list[tuple[str, Params]]:
    """Return the batch's statements, each with its parameters.

    Args:
        statements: Statements, or pairs of statement and parameters.

    Raises:
        ConfigurationError: The argument isn't an iterable or is empty, or an item is invalid.
        ParameterError: A statement isn't an INSERT, UPDATE or DELETE.
    """
    if not isinstance(statements, Iterable):
        message = f"The batch: expected an iterable of statements, got {type(statements).__name__}."
        raise ConfigurationError(message, option="statements")
    checked: list[tuple[str, Params]] = []
    for position, item in enumerate(statements):
        stmt, params = (item, ()) if isinstance(item, str) else _pair(item, position)
        if inspect_statement(stmt).kind is not Kind.WRITE:
            message = f"Statement {position} of the batch isn't an INSERT, UPDATE or DELETE."
            raise ParameterError(message, hint="CQL batches only contain writes.", statement=stmt)
        checked.append((stmt, params))
    if not checked:
        message = "The batch has no statements."
        raise ConfigurationError(message, hint="Give at least one.", option="statements")
    return checked


def _pair(item: Any, position: int) -> tuple[str, Params]:
    if isinstance(item, Sequence) and len(item) == 2 and isinstance(item[0], str):  # noqa: PLR2004 - a pair
        return item[0], item[1]
    message = (
        f"Item {position} of the batch: expected a statement, or a pair of a statement and its parameters, "
        f"got {type(item).__name__}."
    )
    raise ConfigurationError(message, option="statements")


def batch_text(items: list[tuple[str, Params]], batch_type: BatchType) -> tuple[str, list[Any]]:
    """Return ``BEGIN … APPLY BATCH`` with the parameters of all statements in one list.

    Args:
        items: The statements, from ``check_batch``.
        batch_type: The type of the batch.

    Returns:
        The text, with ``?`` for each value, and the values.

    Raises:
        ParameterError: Parameters of a statement are missing, unknown or too many.
        ParameterTypeError: The container of the parameters is neither a sequence nor a mapping.
    """
    lines = [_OPENINGS[batch_type]]
    values: list[Any] = []
    for stmt, params in items:
        text, given = positional(stmt, params)
        values += given
        # A semicolon is optional here (Cassandra's Parser.g); the newline ends a comment.
        lines.append(text)
    lines.append("APPLY BATCH")
    return "\n".join(lines), values
