"""Apply ``RequestOptions.keyspace`` to statements, and check which options a statement supports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from coodie.cql import Kind, inspect_statement, qualified
from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from coodie.cql import StatementShape
    from coodie.requests import Params, Request, RequestOptions

__all__ = ["check_shape", "qualified_items", "qualified_request", "without_keyspace"]

#: Kinds of statements whose table names are qualified.
_QUALIFIED = frozenset({Kind.READ, Kind.WRITE, Kind.BATCH})


def qualified_request(request: Request) -> Request:
    """Return the request with its table names qualified; unchanged if it has no keyspace.

    Raises:
        ConfigurationError: The statement's kind doesn't support a keyspace.
    """
    keyspace = getattr(request.options, "keyspace", None)
    if keyspace is None or not isinstance(request.stmt, str):
        return request
    return without_keyspace(request)._replace(stmt=_qualified(request.stmt, keyspace))


def qualified_items(
    items: list[tuple[str, Params]], options: RequestOptions | None
) -> list[tuple[str, Params]]:
    """Return a batch's statements with their table names qualified."""
    keyspace = getattr(options, "keyspace", None)
    if keyspace is None:
        return items
    return [(_qualified(stmt, keyspace), params) for stmt, params in items]


def without_keyspace(request: Request) -> Request:
    """Return the request without its keyspace, after its table names were qualified."""
    options = request.options
    if options is None or getattr(options, "keyspace", None) is None:
        return request
    return request._replace(options=replace(options, keyspace=None))


def check_shape(options: RequestOptions, shape: StatementShape) -> None:
    """Raise if an option isn't supported for this kind of statement.

    Raises:
        ConfigurationError: An option isn't supported.
    """
    if options.timestamp is None:
        return
    if shape.kind not in (Kind.WRITE, Kind.BATCH):
        message = "timestamp= is only supported for INSERT, UPDATE, DELETE and batches."
        raise ConfigurationError(message, hint="Leave it out.", option="timestamp")
    if shape.conditional:
        message = "timestamp= isn't supported for lightweight transactions, whose timestamp the server sets."
        raise ConfigurationError(message, hint="Leave it out.", option="timestamp")


def _qualified(stmt: str, keyspace: str) -> str:
    if inspect_statement(stmt).kind not in _QUALIFIED:
        message = "keyspace= is only supported for SELECT, INSERT, UPDATE, DELETE and batches."
        hint = "Qualify the name in the statement."
        raise ConfigurationError(message, hint=hint, option="keyspace")
    return qualified(stmt, keyspace)
