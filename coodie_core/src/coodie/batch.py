"""A batch as one CQL text, for backends that have no batch message of their own."""

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

#: A statement without values, or one with its parameters.
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
        ConfigurationError: It isn't an iterable, it is empty, or an item is neither.
        ParameterError: A statement isn't an INSERT, UPDATE or DELETE.
    """
    if not isinstance(statements, Iterable):
        message = f"The batch is of type {type(statements).__name__}."
        raise ConfigurationError(message, hint="Give an iterable of statements.", option="statements")
    checked: list[tuple[str, Params]] = []
    for position, item in enumerate(statements):
        stmt, params = (item, ()) if isinstance(item, str) else _pair(item, position)
        if inspect_statement(stmt).kind is not Kind.WRITE:
            message = f"Statement {position} of the batch is not an INSERT, UPDATE or DELETE."
            raise ParameterError(message, hint="CQL batches hold writes alone.", statement=stmt)
        checked.append((stmt, params))
    if not checked:
        message = "The batch has no statements."
        raise ConfigurationError(message, hint="Give at least one.", option="statements")
    return checked


def _pair(item: Any, position: int) -> tuple[str, Params]:
    if isinstance(item, Sequence) and len(item) == 2 and isinstance(item[0], str):  # noqa: PLR2004 - a pair
        return item[0], item[1]
    message = f"Item {position} of the batch is of type {type(item).__name__}."
    hint = "Give a statement, or a pair of a statement and its parameters."
    raise ConfigurationError(message, hint=hint, option="statements")


def batch_text(items: list[tuple[str, Params]], batch_type: BatchType) -> tuple[str, list[Any]]:
    """Return ``BEGIN … APPLY BATCH`` with the parameters of all statements in one list.

    Args:
        items: What ``check_batch`` returned.
        batch_type: The kind of batch.

    Returns:
        The text, with ``?`` for each value, and the values.

    Raises:
        ParameterError: A statement has too few, too many or unknown parameters.
        ParameterTypeError: What holds the parameters is neither a sequence nor a mapping.
    """
    lines = [_OPENINGS[batch_type]]
    values: list[Any] = []
    for stmt, params in items:
        text, given = positional(stmt, params)
        values += given
        # A statement's semicolon may be left out here (Cassandra's Parser.g), and may be there; a line
        # of its own ends a comment.
        lines.append(text)
    lines.append("APPLY BATCH")
    return "\n".join(lines), values
