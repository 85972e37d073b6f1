"""Write names and strings into CQL: the one place where anything is quoted.

Callers hold plain names, spelt as ``system_schema`` shows them. CQL folds unquoted names to lower
case, so a name is written bare only where that changes nothing (Cassandra 5.0, "CQL definitions:
identifiers and keywords").
"""

from __future__ import annotations

import re

from coodie.exceptions import ConfigurationError

__all__ = ["RESERVED", "check_schema_name", "qualify", "quote", "quote_literal"]

_BARE = re.compile(r"[a-z][a-z0-9_]*")
#: Cassandra's SchemaConstants.PATTERN_WORD_CHARS; columns and user-defined types are free of it.
_SCHEMA_NAME = re.compile(r"[A-Za-z0-9_]+")
_QUOTED = re.compile(r'"([A-Za-z0-9_]+)"')

#: Words that can't be names unless quoted, on any of the servers that are supported: those of
#: Cassandra 5.0's reserved_keywords.txt; true and false, which its lexer takes for constants; those
#: of Cassandra 3 and 4; and those of ScyllaDB's grammar. One word too many costs two quotes.
RESERVED = frozenset(
    (  # noqa: SIM905 - eighty lines otherwise
        "add allow alter and apply asc authorize batch begin by columnfamily create delete desc describe "
        "drop entries execute from full grant if in index infinity insert into is keyspace limit "
        "materialized modify nan norecursive not null of on or order primary rename revoke schema select "
        "set table to token truncate unlogged update use using view where with "
        "true false "
        "default mbean mbeans replace unset "
        "ann cast concurrency scylla_clustering_bound scylla_counter_shard_list "
        "scylla_timeuuid_list_index vector_search_indexing"
    ).split()
)


def quote(name: str) -> str:
    """Return the plain name as CQL, in double quotes where it must have them.

    Args:
        name: A keyspace, table, column, index or field name, as ``system_schema`` shows it.

    Returns:
        The name itself, or the name in double quotes with those inside it doubled.

    Raises:
        ConfigurationError: It isn't a str, is empty or holds a NUL character; no CQL name can.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise ConfigurationError(
            f"{name!r} can't be a CQL name.", hint="Give a str of at least one character, without NUL."
        )
    if _BARE.fullmatch(name) and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return the text as a CQL string literal: in single quotes, those inside it doubled.

    Only for what CQL doesn't let anyone bind: options of tables and indexes, names of types.

    Raises:
        ConfigurationError: It isn't a str.
    """
    if not isinstance(text, str):
        message = f"{text!r}, of type {type(text).__name__}, can't be a CQL string."
        raise ConfigurationError(message, hint="Give a str.")
    return "'" + text.replace("'", "''") + "'"


def qualify(keyspace: str, name: str) -> str:
    """Return ``keyspace.name``, each quoted where it must be."""
    return f"{quote(keyspace)}.{quote(name)}"


def check_schema_name(what: str, name: object) -> str:
    """Return the name of a keyspace, table or index if the server can hold it.

    Args:
        what: What the name is of, for the message: "keyspace", "table" or "index".
        name: The plain name.

    Raises:
        ConfigurationError: It isn't a string of ASCII letters, digits and underscores, which is all
            that Cassandra and ScyllaDB accept for these three, quoted or not.
    """
    if not isinstance(name, str):
        raise ConfigurationError(
            f"The {what} name is {name!r}, of type {type(name).__name__}.", hint="Give a string."
        )
    if _SCHEMA_NAME.fullmatch(name):
        return name
    if quoted := _QUOTED.fullmatch(name):
        hint = f"Give the plain name, {quoted[1]!r}; coodie quotes it where CQL needs that."
    else:
        hint = "The server takes only ASCII letters, digits and underscores here, quoted or not."
    raise ConfigurationError(f"{name!r} can't be used as {what} name.", hint=hint)
