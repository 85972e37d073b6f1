"""Read just enough of a CQL statement to know how to send it: its kind and its table.

No grammar, only tokens: comments, strings and quoted names are told apart, the rest is words and
symbols (Cassandra's Lexer.g). Nothing here changes a statement but ``with_positional_markers``,
``qualified`` and ``terminated``.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Kind",
    "StatementShape",
    "count_positional_markers",
    "foreign_marker",
    "identifier",
    "inspect_statement",
    "qualified",
    "terminated",
    "tokens",
    "with_positional_markers",
]

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n\r]*|//[^\n\r]*|/\*.*?\*/)
    |(?P<string>'(?:[^']|'')*'|\$\$.*?\$\$)
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9][0-9A-Za-z_.]*)
    |(?P<symbol>.)""",
    re.VERBOSE | re.DOTALL,
)


_IF = re.compile(r"\bif\b", re.IGNORECASE)
_IN = re.compile(r"\bin\b", re.IGNORECASE)

#: They write a role's permissions, and then who has a permission.
_OF_PERMISSIONS = ("GRANT", "REVOKE")

#: What stands between BEGIN and BATCH of one whose parts are written one after the other.
_WITHOUT_LOG = ("UNLOGGED", "COUNTER")


class Kind(Enum):
    """How a statement has to be sent."""

    #: SELECT: prepared; repeating it does no harm.
    READ = auto()
    #: INSERT, UPDATE, DELETE: prepared.
    WRITE = auto()
    #: BEGIN … APPLY BATCH in one text: prepared, but not worth keeping.
    BATCH = auto()
    #: Schema and role statements: the server doesn't prepare them usefully, and they take no values.
    SCHEMA = auto()
    #: TRUNCATE, LIST, DESCRIBE: as SCHEMA, but the schema stays as it is.
    PLAIN = auto()
    #: USE: changes the session for everybody who shares it.
    USE = auto()


_KINDS = {
    "SELECT": Kind.READ,
    "INSERT": Kind.WRITE,
    "UPDATE": Kind.WRITE,
    "DELETE": Kind.WRITE,
    "BEGIN": Kind.BATCH,
    "CREATE": Kind.SCHEMA,
    "ALTER": Kind.SCHEMA,
    "DROP": Kind.SCHEMA,
    "ADD": Kind.SCHEMA,
    "COMMENT": Kind.SCHEMA,
    "GRANT": Kind.PLAIN,
    "REVOKE": Kind.PLAIN,
    "LIST": Kind.PLAIN,
    "TRUNCATE": Kind.PLAIN,
    "DESCRIBE": Kind.PLAIN,
    "DESC": Kind.PLAIN,
    "USE": Kind.USE,
}

#: The cache size of ``qualified``.
_QUALIFIED = 4096

#: Keywords that precede a table's name.
_BEFORE_TABLES = frozenset({"FROM", "INTO", "UPDATE"})

#: The word after which each kind of statement names its table.
_TABLE_AFTER = {"SELECT": "FROM", "DELETE": "FROM", "INSERT": "INTO", "UPDATE": "UPDATE"}


class StatementShape(NamedTuple):
    """What a statement's tokens tell.

    Attributes:
        kind: How to send it. What isn't known is prepared as a write: the server has the last word.
        keyspace: The keyspace written before the table's name, as the server stores it, or None.
        table: The table's name, as the server stores it; None where none is named.
        conditional: It is a write with IF: a lightweight transaction, or a batch with one.
        parted: It may write to several partitions one after the other: a batch without a log or of counters,
            an UPDATE or DELETE with IN, of whatever column, or a change of the schema or of permissions.
    """

    kind: Kind
    keyspace: str | None
    table: str | None
    conditional: bool = False
    parted: bool = False


def tokens(stmt: str) -> Iterator[tuple[str, str]]:
    """Yield (group, text) of each token that isn't space or comment."""
    for match in _TOKEN.finditer(stmt):
        group = match.lastgroup or "symbol"
        if group != "skip":
            yield group, match.group()


def identifier(group: str, text: str) -> str | None:
    """Return a name as the server stores it, or None where the token isn't one."""
    if group == "word":
        return text.lower()
    if group == "quoted":
        return text[1:-1].replace('""', '"')
    return None


def inspect_statement(stmt: str) -> StatementShape:
    """Tell the kind of a statement and the table it is about.

    Args:
        stmt: CQL text; comments before it are skipped.

    Returns:
        Its shape. A batch has no table, since it may have several.
    """
    stream = tokens(stmt)
    group, text = next(stream, ("", ""))
    verb = text.upper() if group == "word" else ""
    kind = _KINDS.get(verb, Kind.WRITE)
    conditional = kind in {Kind.WRITE, Kind.BATCH} and _has_word(stmt, _IF)
    if kind is Kind.BATCH:
        parted = next(stream, ("", ""))[1].upper() in _WITHOUT_LOG
    elif kind is Kind.WRITE:
        parted = verb != "INSERT" and _has_word(stmt, _IN)
    else:
        parted = kind is Kind.SCHEMA or verb in _OF_PERMISSIONS
    marker = _TABLE_AFTER.get(verb)
    if marker is None:
        return StatementShape(kind, None, None, conditional, parted)
    if marker != verb:
        for group, text in stream:
            if group == "word" and text.upper() == marker:
                break
    first = identifier(*next(stream, ("", "")))
    if first is not None and next(stream, ("", "")) == ("symbol", "."):
        return StatementShape(kind, first, identifier(*next(stream, ("", ""))), conditional, parted)
    return StatementShape(kind, None, first, conditional, parted)


def _has_word(stmt: str, word: re.Pattern[str]) -> bool:
    """Tell whether a statement has a reserved word, as which no name is spelled unquoted."""
    if word.search(stmt) is None:  # most have none, also where it would mean nothing
        return False
    return any(group == "word" and word.fullmatch(text) for group, text in tokens(stmt))


def with_positional_markers(stmt: str) -> tuple[str, list[str]]:
    """Replace each ``:name`` of a statement by ``?``.

    Inside braces a colon after a value separates a map's key from its value, or a field from
    its value; anywhere else it starts a bind marker.

    Args:
        stmt: CQL text.

    Returns:
        The text with ``?`` alone, and the markers' names in order, as the server stores them.
    """
    parts: list[str] = []
    names: list[str] = []
    braces = 0
    after_value = False
    # Where in the parts a colon stands that starts a marker if a name follows.
    colon: int | None = None
    for match in _TOKEN.finditer(stmt):
        group, text = match.lastgroup or "symbol", match.group()
        name = identifier(group, text)
        if group == "skip":
            parts.append(text)
            continue
        if colon is not None and name is not None:
            parts[colon] = "?"
            names.append(name)
            colon, after_value = None, True
            continue
        colon = len(parts) if text == ":" and not (braces and after_value) else None
        parts.append(text)
        braces += (text == "{") - (text == "}")
        after_value = group != "symbol" or text in ")]}?"
    return "".join(parts), names


@lru_cache(_QUALIFIED)
def qualified(stmt: str, keyspace: str) -> str:
    """Qualify each unqualified table name with a keyspace.

    Args:
        stmt: A SELECT, INSERT, UPDATE, DELETE, or a batch of these.
        keyspace: The keyspace's name, without quotes.
    """
    prefix = '"{}".'.format(keyspace.replace('"', '""'))
    found = [match for match in _TOKEN.finditer(stmt) if match.lastgroup != "skip"]
    names = [
        name
        for marker, name, following in zip(found, found[1:], [*found[2:], None], strict=False)
        # Reserved words: an unquoted name can't be one of them.
        if marker.lastgroup == "word"
        and marker.group().upper() in _BEFORE_TABLES
        and identifier(name.lastgroup or "", name.group()) is not None
        and (following is None or following.group() != ".")
    ]
    for name in reversed(names):
        stmt = stmt[: name.start()] + prefix + stmt[name.start() :]
    return stmt


def terminated(text: str) -> str:
    """End a line comment that ends the text: servers require a line break, also at a statement's end."""
    last = ""
    for match in _TOKEN.finditer(text):
        last = match.group()
    return f"{text}\n" if last.startswith(("--", "//")) else text


def foreign_marker(stmt: str) -> str | None:
    """Return a bind marker of Python's other database drivers, ``%s`` or ``%(name)s``, where there is one."""
    stream = tokens(stmt)
    for token in stream:
        if token == ("symbol", "%"):
            following = next(stream, ("", ""))
            if following == ("word", "s"):
                return "%s"
            if following == ("symbol", "("):
                group, name = next(stream, ("", ""))
                return f"%({name})s" if group == "word" else "%s"
    return None


def count_positional_markers(stmt: str) -> int:
    """Return how many ``?`` the statement has."""
    return sum(token == ("symbol", "?") for token in tokens(stmt))
