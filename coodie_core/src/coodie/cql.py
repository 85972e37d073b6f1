"""Find the kind and the table of a CQL statement, which decide how it is sent.

Only tokens are parsed, without a grammar: comments, strings, quoted names, words and symbols (Cassandra's
Lexer.g). Only ``with_positional_markers``, ``qualified`` and ``terminated`` return changed statements.
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
    "prefix_of",
    "qualified",
    "quoted_name",
    "terminated",
    "tokens",
    "unqualified",
    "used_keyspace",
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

#: These write the permissions of a role, then the roles of a permission.
_OF_PERMISSIONS = ("GRANT", "REVOKE")

#: The words between BEGIN and BATCH, for batches whose parts are written one after another.
_WITHOUT_LOG = ("UNLOGGED", "COUNTER")


class Kind(Enum):
    """The kind of a statement, which decides how it is sent."""

    #: SELECT: prepared, idempotent.
    READ = auto()
    #: INSERT, UPDATE, DELETE: prepared.
    WRITE = auto()
    #: BEGIN … APPLY BATCH as one text: prepared, but not cached.
    BATCH = auto()
    #: Schema and role statements: sent as text, without parameters.
    SCHEMA = auto()
    #: TRUNCATE, LIST, DESCRIBE: sent as text, without a schema change.
    PLAIN = auto()
    #: USE: would change the session for all its users.
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

#: The keyword before the table's name, for each kind of statement.
_TABLE_AFTER = {"SELECT": "FROM", "DELETE": "FROM", "INSERT": "INTO", "UPDATE": "UPDATE"}


class StatementShape(NamedTuple):
    """The properties of a statement that its tokens show.

    Attributes:
        kind: The kind. An unknown statement is prepared like a write, and the server decides.
        keyspace: The keyspace written before the table's name, as the server stores it, or None.
        table: The table's name, as the server stores it, or None.
        conditional: Whether it is a lightweight transaction, or a batch with one.
        parted: Whether it may write to several partitions one after another: an unlogged or counter batch,
            an UPDATE or DELETE with IN for any column, or a change of the schema or of permissions.
    """

    kind: Kind
    keyspace: str | None
    table: str | None
    conditional: bool = False
    parted: bool = False


def tokens(stmt: str) -> Iterator[tuple[str, str]]:
    """Yield (group, text) of each token, without white space and comments."""
    for match in _TOKEN.finditer(stmt):
        group = match.lastgroup or "symbol"
        if group != "skip":
            yield group, match.group()


def identifier(group: str, text: str) -> str | None:
    """Return a name as the server stores it; None if the token isn't a name."""
    if group == "word":
        return text.lower()
    if group == "quoted":
        return text[1:-1].replace('""', '"')
    return None


@lru_cache(maxsize=4)  # until a statement is prepared, each step of its first request asks
def inspect_statement(stmt: str) -> StatementShape:
    """Return the kind and the table of a statement.

    Args:
        stmt: CQL text; comments before it are skipped.

    Returns:
        The statement's shape. A batch has no table, since its statements may have several.
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
    """Return whether a statement contains a reserved word, which can't be an unquoted name."""
    if word.search(stmt) is None:  # most have none, also where it would mean nothing
        return False
    return any(group == "word" and word.fullmatch(text) for group, text in tokens(stmt))


def with_positional_markers(stmt: str) -> tuple[str, list[str]]:
    """Replace each ``:name`` of a statement by ``?``.

    In braces, a colon after a value separates a key or a field from its value; elsewhere, it starts a bind
    marker.

    Args:
        stmt: CQL text.

    Returns:
        The text with ``?`` markers, and the markers' names in order, as the server stores them.
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


def quoted_name(name: str) -> str:
    """Return a name in double quotes, with inner quotes doubled."""
    return '"' + name.replace('"', '""') + '"'


def prefix_of(keyspace: str) -> str:
    """Return what ``qualified`` adds before a table's name."""
    return f"{quoted_name(keyspace)}."


@lru_cache(_QUALIFIED)
def qualified(stmt: str, keyspace: str) -> str:
    """Qualify each unqualified table name with a keyspace.

    Args:
        stmt: A SELECT, INSERT, UPDATE, DELETE, or a batch of these.
        keyspace: The keyspace's name, without quotes.
    """
    prefix = prefix_of(keyspace)
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


def unqualified(stmt: str, keyspace: str) -> str:
    """Remove what ``qualified`` has added.

    Args:
        stmt: CQL text.
        keyspace: The keyspace's name, without quotes.
    """
    prefix = prefix_of(keyspace)
    starts = [match.start() for match in _TOKEN.finditer(stmt) if match.lastgroup == "quoted"]
    for start in reversed(starts):
        if stmt.startswith(prefix, start):
            stmt = stmt[:start] + stmt[start + len(prefix) :]
    return stmt


def used_keyspace(stmt: str) -> str | None:
    """Return the keyspace of a USE; None for any other statement."""
    stream = tokens(stmt)
    _, verb = next(stream, ("", ""))
    return identifier(*next(stream, ("", ""))) if verb.upper() == "USE" else None


def terminated(text: str) -> str:
    """Append a line break to a text that ends with a line comment; servers require it."""
    last = ""
    for match in _TOKEN.finditer(text):
        last = match.group()
    return f"{text}\n" if last.startswith(("--", "//")) else text


def foreign_marker(stmt: str) -> str | None:
    """Return the first marker in the form of other drivers, ``%s`` or ``%(name)s``; None without one."""
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
    """Return the number of ``?`` in a statement."""
    return sum(token == ("symbol", "?") for token in tokens(stmt))
