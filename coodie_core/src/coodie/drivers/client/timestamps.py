"""Check ``RequestOptions.timestamp``, which a server ignores for writes whose timestamps it sets itself.

These are lightweight transactions, also as a part of a batch, and counters. The server reports only a ``USING
TIMESTAMP`` in their text as an error.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from coodie.cql import Kind, inspect_statement, tokens
from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from coodie.cql import StatementShape
    from coodie.requests import Params, RequestOptions

__all__ = ["check_items", "check_shape", "counter_error"]


def check_shape(options: RequestOptions, shape: StatementShape, stmt: str) -> None:
    """Raise if a timestamp isn't supported for a statement.

    Args:
        options: The request's options.
        shape: The statement's shape.
        stmt: The CQL text; of a batch, at least its beginning.

    Raises:
        ConfigurationError: The statement isn't a write, or the server would ignore the timestamp.
    """
    if options.timestamp is None:
        return
    if shape.kind not in (Kind.WRITE, Kind.BATCH):
        raise _error("timestamp= is only supported for INSERT, UPDATE, DELETE and batches.")
    if shape.conditional:
        raise _error(
            "timestamp= isn't supported for lightweight transactions, whose timestamp the server sets."
        )
    if shape.kind is Kind.BATCH and "COUNTER" in (text.upper() for _, text in islice(tokens(stmt), 2)):
        raise counter_error()


def check_items(items: list[tuple[str, Params]], options: RequestOptions | None) -> None:
    """Raise if a timestamp isn't supported for a statement of a batch.

    Raises:
        ConfigurationError: The server would ignore the timestamp.
    """
    if options is not None and options.timestamp is not None:
        for stmt, _ in items:
            check_shape(options, inspect_statement(stmt), stmt)


def counter_error() -> ConfigurationError:
    """Return the error of a timestamp for counters."""
    return _error("timestamp= isn't supported for counters, whose timestamp the server sets.")


def _error(message: str) -> ConfigurationError:
    return ConfigurationError(message, hint="Leave it out.", option="timestamp")
