"""Apply ``RequestOptions.keyspace`` to statements."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from coodie.cql import Kind, inspect_statement, prefix_of, qualified, unqualified
from coodie.exceptions import ConfigurationError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.effects import Steps
    from coodie.requests import Params, Request, RequestOptions

__all__ = ["as_given", "qualified_items", "qualified_request", "without_keyspace"]

T = TypeVar("T")

#: Kinds of statements whose table names are qualified.
_QUALIFIED = frozenset({Kind.READ, Kind.WRITE, Kind.BATCH})
#: A position in a server's message.
_POSITION = re.compile(r"\bline (\d+):(\d+)")


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


def as_given(
    make: Callable[[Request], Steps[T]], options: RequestOptions | None
) -> Callable[[Request], Steps[T]]:
    """Let the errors of a request with a keyspace have the caller's statement, and positions in it.

    Args:
        make: Returns the steps of a request; returned as it is if the request has no keyspace.
        options: The request's.
    """
    keyspace = None if options is None else options.keyspace
    return make if keyspace is None else partial(_as_given, make, keyspace)


def _as_given(make: Callable[[Request], Steps[T]], keyspace: str, request: Request) -> Steps[T]:
    try:
        return (yield from make(request))
    except RequestError as exc:
        if exc.statement is not None:
            sent = exc.statement
            is_request = sent == qualified(request.stmt, keyspace)
            exc.statement = request.stmt if is_request else unqualified(sent, keyspace)
            given = exc.statement
            message = _POSITION.sub(partial(_position, sent, given, prefix_of(keyspace)), str(exc))
            exc.args = (message, *exc.args[1:])
        raise


def _position(sent: str, given: str, prefix: str, found: re.Match[str]) -> str:
    """Return a position in the caller's statement: in the one that was sent, prefixes precede it."""
    line, column = int(found[1]), int(found[2])
    start = sum(map(len, sent.splitlines(keepends=True)[: line - 1]))
    before = sent[start : start + column]
    added = before.count(prefix) - "\n".join(given.splitlines()[line - 1 : line])[:column].count(prefix)
    return f"line {line}:{max(0, column - added * len(prefix))}"
