"""Quote names and strings for CQL, and validate names of the schema.

Callers use plain names, as in ``system_schema``. CQL converts unquoted names to lower case, so a name is only
left unquoted if that doesn't change it (Cassandra 5.0, "CQL definitions: identifiers and keywords").
"""

from __future__ import annotations

import re

from coodie.cql import quoted_name
from coodie.exceptions import ConfigurationError

__all__ = ["RESERVED", "check_schema_name", "qualify", "quote", "quote_literal"]

_BARE = re.compile(r"[a-z][a-z0-9_]*")
#: Cassandra's SchemaConstants.PATTERN_WORD_CHARS; it doesn't apply to columns and user-defined types.
_SCHEMA_NAME = re.compile(r"[A-Za-z0-9_]+")
_QUOTED = re.compile(r'"([A-Za-z0-9_]+)"')

#: Words that are only names in quotes, on any supported server: those of Cassandra 5.0's
#: reserved_keywords.txt; true and false, which its lexer reads as constants; those of Cassandra 3 and 4; and
#: those of ScyllaDB's grammar. Quoting a word unnecessarily is harmless.
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
    """Return a plain name as CQL, in double quotes if necessary.

    Args:
        name: The name of a keyspace, table, column, index or field, as in ``system_schema``.

    Returns:
        The name, or the name in double quotes, with inner quotes doubled.

    Raises:
        ConfigurationError: The name isn't a str, is empty or contains a NUL character.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise ConfigurationError(
            f"{name!r} isn't a valid CQL name.", hint="Give a non-empty str without NUL."
        )
    if _BARE.fullmatch(name) and name not in RESERVED:
        return name
    return quoted_name(name)


def quote_literal(text: str) -> str:
    """Return a text as a CQL string literal: in single quotes, with inner quotes doubled.

    Only for values that can't be bound: options of tables and indexes, and names of types.

    Raises:
        ConfigurationError: The text isn't a str.
    """
    if not isinstance(text, str):
        message = f"{text!r} can't be a CQL string: expected str, got {type(text).__name__}."
        raise ConfigurationError(message)
    return "'" + text.replace("'", "''") + "'"


def qualify(keyspace: str, name: str) -> str:
    """Return ``keyspace.name``, each quoted if necessary."""
    return f"{quote(keyspace)}.{quote(name)}"


def check_schema_name(what: str, name: object) -> str:
    """Validate the name of a keyspace, table or index, and return it.

    Args:
        what: The kind of name for the message: "keyspace", "table" or "index".
        name: The plain name.

    Raises:
        ConfigurationError: The name isn't a str of ASCII letters, digits and underscores, the only characters
            that Cassandra and ScyllaDB accept here, quoted or not.
    """
    if not isinstance(name, str):
        raise ConfigurationError(f"The {what} name is {name!r}: expected str, got {type(name).__name__}.")
    if _SCHEMA_NAME.fullmatch(name):
        return name
    if quoted := _QUOTED.fullmatch(name):
        hint = f"Give the plain name, {quoted[1]!r}; coodie quotes it if necessary."
    else:
        hint = "The server only accepts ASCII letters, digits and underscores here, quoted or not."
    raise ConfigurationError(f"{name!r} can't be used as {what} name.", hint=hint)
