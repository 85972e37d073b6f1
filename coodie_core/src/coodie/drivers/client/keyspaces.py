"""Apply ``RequestOptions.keyspace`` to statements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from coodie.cql import Kind, inspect_statement, qualified
from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from coodie.requests import Params, Request, RequestOptions

__all__ = ["qualified_items", "qualified_request", "without_keyspace"]

#: Kinds of statements whose table names are qualified.
_QUALIFIED = frozenset({Kind.READ, Kind.WRITE, Kind.BATCH})


def qualified_request(request: Request) -> Request:
    """Return the request with its table names qualified; unchanged if it has no keyspace.

    Raises:
        ConfigurationError: The statement's kind doesn't support a keyspace.
    """
    keyspace = None if request.options is None else request.options.keyspace
    if keyspace is None:
        return request
    return without_keyspace(request)._replace(stmt=_qualified(request.stmt, keyspace))


def qualified_items(
    items: list[tuple[str, Params]], options: RequestOptions | None
) -> list[tuple[str, Params]]:
    """Return a batch's statements with their table names qualified."""
    keyspace = None if options is None else options.keyspace
    if keyspace is None:
        return items
    return [(_qualified(stmt, keyspace), params) for stmt, params in items]


def without_keyspace(request: Request) -> Request:
    """Return the request without its keyspace, after its table names were qualified."""
    options = request.options
    if options is None or options.keyspace is None:
        return request
    return request._replace(options=replace(options, keyspace=None))


def _qualified(stmt: str, keyspace: str) -> str:
    if inspect_statement(stmt).kind not in _QUALIFIED:
        message = "keyspace= is only supported for SELECT, INSERT, UPDATE, DELETE and batches."
        hint = "Qualify the name in the statement."
        raise ConfigurationError(message, hint=hint, option="keyspace")
    return qualified(stmt, keyspace)
