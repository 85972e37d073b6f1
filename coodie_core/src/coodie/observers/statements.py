"""Describe statements for observers, by their tokens, without a grammar."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from coodie.cql import Kind, identifier, inspect_statement, tokens
from coodie.observers.events import SchemaChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.observers.events import RequestEvent

__all__ = ["Described", "SchemaTarget", "describe", "describe_request", "schema_target", "without_literals"]

#: The number of cached descriptions.
_CACHE_SIZE = 1024

#: The maximum number of different statements of a batch that are examined.
_SHOWN = 50

#: Literals, and tokens that aren't literals (Cassandra's Lexer.g): quoted names, words.
_LITERAL = re.compile(
    r"""(?P<skip>(?:\s+|--[^\n\r]*|//[^\n\r]*|/\*.*?\*/)+)
    |(?P<string>'(?:[^']|'')*'|\$\$.*?\$\$)
    |(?P<open>'.*|\$\$.*|/\*.*)
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<uuid>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})
    |(?P<duration>P[0-9][0-9A-Za-z:-]*)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9][0-9A-Za-z_.]*(?:(?<=[eE])[+-][0-9]+)?)
    |(?P<symbol>.)""",
    re.VERBOSE | re.DOTALL,
)

_LITERALS = frozenset({"string", "open", "uuid", "duration", "number"})

_CHANGES = {
    "CREATE": SchemaChange.CREATED,
    "ALTER": SchemaChange.UPDATED,
    "DROP": SchemaChange.DROPPED,
    "COMMENT": SchemaChange.UPDATED,
}

#: The keyword of a schema statement → the kind of its object; roles, users and identities aren't schema.
_TARGETS = {
    "KEYSPACE": "keyspace",
    "SCHEMA": "keyspace",
    "TABLE": "table",
    "COLUMNFAMILY": "table",
    "TYPE": "type",
    "INDEX": "index",
    "VIEW": "materialized view",
    "FUNCTION": "function",
    "AGGREGATE": "aggregate",
    "TRIGGER": "trigger",
}

#: Words that may stand between the verb and the name.
_BETWEEN = frozenset({"OR", "REPLACE", "CUSTOM", "MATERIALIZED", "ON"})


#: Words that may stand before it.
_CONDITION = frozenset({"IF", "NOT", "EXISTS"})

#: The token after the last one.
_END = ("", "")


class Described(NamedTuple):
    """A short description of a statement.

    Attributes:
        operation: "SELECT", "INSERT", "CREATE TABLE"…; "BATCH" for one written as text.
        collection: The table as it is written, with or without its keyspace; None if the statement names no
            table, or several.
        text: The statement on one line, without comments, ``?`` in place of each literal.
    """

    operation: str
    collection: str | None
    text: str


class SchemaTarget(NamedTuple):
    """The object of a schema statement; see ``SchemaChanged``."""

    change: SchemaChange
    target: str
    keyspace: str | None
    name: str | None


@lru_cache(_CACHE_SIZE)
def describe(stmt: str) -> Described:
    """Return a short description of a statement."""
    kind, keyspace, name, *_ = inspect_statement(stmt)
    words = [text.upper() for group, text in islice(tokens(stmt), 2) if group == "word"]
    operation = words[0] if words else ""
    if kind is Kind.BATCH:
        operation = "BATCH"
    elif kind is Kind.SCHEMA:
        target = schema_target(stmt)
        operation = " ".join(words) if target is None else f"{operation} {target.target.upper()}"
        if target is not None and target.target in ("table", "materialized view"):
            keyspace, name = target.keyspace, target.name
    collection = name if name is None or keyspace is None else f"{keyspace}.{name}"
    return Described(operation, collection, without_literals(stmt))


def describe_request(event: RequestEvent) -> Described:
    """Return a short description of a request; for a batch, what its statements have in common."""
    if not event.batch_size:
        return describe(event.statement)
    each = [describe(text) for text in event.statements[:_SHOWN]]
    operations = {one.operation for one in each}
    collections = {one.collection for one in each}
    alike = len(event.statements) <= _SHOWN
    return Described(
        f"BATCH {operations.pop()}" if alike and len(operations) == 1 else "BATCH",
        collections.pop() if alike and len(collections) == 1 else None,
        "; ".join(one.text for one in each) + ("" if alike else "; …"),
    )


def without_literals(stmt: str) -> str:
    """Return the statement on one line, without comments, with ``?`` in place of each literal.

    An unterminated string ends at the end of the text. Named constants (true, null, NaN) are kept.
    """
    parts = []
    for match in _LITERAL.finditer(stmt):
        group = match.lastgroup or "symbol"
        parts.append(" " if group == "skip" else "?" if group in _LITERALS else match.group())
    return "".join(parts).strip()


def schema_target(stmt: str) -> SchemaTarget | None:
    """Return the object of a schema statement; None for other statements."""
    stream = tokens(stmt)
    change = _CHANGES.get(next(stream, _END)[1].upper())
    target = None if change is None else _target(stream)
    if change is None or target is None:
        return None
    word = next(stream, _END)
    while word[0] == "word" and word[1].upper() in _CONDITION:
        word = next(stream, _END)
    if target == "index" and word[0] == "word" and word[1].upper() == "ON":
        # An index without a name; its keyspace is its table's.
        return SchemaTarget(change, target, _qualified(next(stream, _END), stream)[0], None)
    keyspace, name = _qualified(word, stream)
    if target == "keyspace":
        keyspace = name
    elif target in ("index", "trigger") and keyspace is None:
        # CREATE INDEX name ON keyspace.table; the ON has been read.
        keyspace = _qualified(next(stream, _END), stream)[0]
    return SchemaTarget(change, target, keyspace, name)


def _target(stream: Iterator[tuple[str, str]]) -> str | None:
    """Read on to what a schema statement is about; None for roles, users and the like."""
    for _, text in stream:
        if text.upper() not in _BETWEEN:
            return _TARGETS.get(text.upper())
    return None


def _qualified(word: tuple[str, str], stream: Iterator[tuple[str, str]]) -> tuple[str | None, str | None]:
    """Read a name, of which the first token is given, and one token more; return keyspace and name."""
    first = identifier(*word)
    if first is None or next(stream, _END) != ("symbol", "."):
        return None, first
    return first, identifier(*next(stream, _END))
