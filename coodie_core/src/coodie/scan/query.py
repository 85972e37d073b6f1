"""The statement of a scan: a SELECT for a range of tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coodie.cql import terminated, tokens
from coodie.exceptions import ConfigurationError, InvalidQueryError, ParameterError
from coodie.parameters import positional
from coodie.requests import Params
from coodie.schema.identifiers import check_schema_name, qualify, quote
from coodie.schema.tables import Kind

if TYPE_CHECKING:
    from coodie.scan.ring import TokenRange
    from coodie.schema.tables import Table

__all__ = ["Condition", "ScanQuery", "Selection", "split_name"]

#: The words that begin what follows a condition in a SELECT; the words of a pair only as such.
_AFTER_CONDITION = (("limit",), ("allow",), ("group", "by"), ("order", "by"), ("per", "partition"))

#: A condition in CQL, or a pair of a condition and its values.
Condition = str | tuple[str, Params]


def split_name(table: str, default_keyspace: str | None) -> tuple[str, str]:
    """Split a table's name into keyspace and table.

    Args:
        table: ``name``, or ``keyspace.name``; plain names, unquoted.
        default_keyspace: The connection's keyspace.

    Raises:
        ConfigurationError: The name is invalid, or has no keyspace.
    """
    if not isinstance(table, str):
        message = f"table: expected a str, got {type(table).__name__}."
        raise ConfigurationError(message, hint="Give 'keyspace.table' or 'table'.", option="table")
    keyspace, dot, name = table.rpartition(".")
    if not dot:
        if default_keyspace is None:
            message = f"{table!r} has no keyspace, and the connection has no default keyspace."
            raise ConfigurationError(message, hint="Give 'keyspace.table'.", option="table")
        keyspace = default_keyspace
    return check_schema_name("keyspace", keyspace), check_schema_name("table", name)


@dataclass(frozen=True, slots=True)
class Selection:
    """The table, columns and condition of a scan.

    Args:
        keyspace: The table's keyspace.
        table: The table's name.
        columns: The columns' names; None for all columns.
        condition: A condition in CQL, as after WHERE, with ``?`` as bind markers; "" for none.
        params: The condition's values.
    """

    keyspace: str
    table: str
    columns: tuple[str, ...] | None = None
    condition: str = ""
    params: tuple[Any, ...] = ()

    @classmethod
    def of(cls, name: tuple[str, str], columns: Iterable[str] | None, where: Condition | None) -> Selection:
        """Validate a selection.

        Args:
            name: The table's keyspace and name.
            columns: The columns' names; None for all columns.
            where: The condition, or a pair of the condition and its values.

        Raises:
            ConfigurationError: The columns or the condition are invalid.
        """
        pair = where if isinstance(where, tuple) else ("" if where is None else where, ())
        condition, params = pair if len(pair) == 2 else (None, ())  # noqa: PLR2004 - a pair
        if not isinstance(condition, str):
            message = "where= isn't a condition, or a pair of a condition and its values."
            raise ConfigurationError(message, hint="Give ('v > ?', [1]).", option="where")
        condition = _checked_condition(condition)
        try:
            condition, params = positional(condition, params)
        except ParameterError as exc:
            message = f"The values of where= don't fit its bind markers. {exc}"
            raise ConfigurationError(message, option="where") from exc
        if columns is None:
            return cls(*name, None, condition, params)
        named = tuple(columns) if isinstance(columns, Iterable) and not isinstance(columns, str) else ()
        if not named or not all(isinstance(column, str) and column for column in named):
            message = "columns= isn't a non-empty list of names."
            raise ConfigurationError(
                message, hint="Give ['a', 'b'], or leave it out for all columns.", option="columns"
            )
        return cls(*name, tuple(dict.fromkeys(named)), condition, params)


def _checked_condition(condition: str) -> str:
    """Check that a condition ends where the statement's own clauses follow; return "" if it is empty.

    Raises:
        ConfigurationError: It contains a semicolon; or LIMIT or another clause, which would apply to each
            request.
    """
    found = list(tokens(condition))
    if ("symbol", ";") in found:
        message = "where= contains a semicolon, but the statement continues after it."
        raise ConfigurationError(message, hint="Leave it out.", option="where")
    words = [text.lower() if group == "word" else "" for group, text in found]
    for clause in _AFTER_CONDITION:
        for at in range(len(words)):
            if tuple(words[at : at + len(clause)]) == clause:
                name = " ".join(clause).upper()
                message = f"where= contains {name}, which would apply to each request of the scan."
                hint = "Give only a condition. The scan adds ALLOW FILTERING; to read fewer rows, stop it."
                raise ConfigurationError(message, hint=hint, option="where")
    return condition if found else ""


class ScanQuery:
    """A statement for a range of tokens of a table.

    Args:
        selection: The table, columns and condition.
        table: The server's table.

    Raises:
        InvalidQueryError: The table or a column doesn't exist.
    """

    def __init__(self, selection: Selection, table: Table) -> None:
        name = qualify(selection.keyspace, selection.table)
        partition_key = [column.name for column in table.key(Kind.PARTITION_KEY)]
        if not partition_key:
            message = f"The table {name} doesn't exist."
            hint = "Check the names: they are unquoted and case-sensitive."
            raise InvalidQueryError(message, hint=hint)
        known = [column.name for column in table.columns]
        for column in selection.columns or ():
            if column not in known:
                message = f"The table {name} has no column {column!r}."
                raise InvalidQueryError(message, hint=f"It has {', '.join(sorted(known))}.")
        #: The columns of the primary key, which identify the rows.
        self.key = key = [*partition_key, *(column.name for column in table.key(Kind.CLUSTERING))]
        #: Key columns that the caller didn't select, which are removed.
        self.hidden: tuple[str, ...] = ()
        columns = "*"
        if selection.columns is not None:
            self.hidden = tuple(column for column in key if column not in selection.columns)
            columns = ", ".join(map(quote, (*selection.columns, *self.hidden)))
        self._params = selection.params
        # Before the tokens, so that errors number the condition's parameters as the caller does.
        condition = f"{terminated(selection.condition)} AND " if selection.condition else ""
        token = f"token({', '.join(map(quote, partition_key))})"
        self.cql = f"SELECT {columns} FROM {name} WHERE {condition}{token} >= ? AND {token} <= ?"  # noqa: S608 - quoted
        if condition:
            self.cql += " ALLOW FILTERING"

    def params(self, tokens: TokenRange) -> list[Any]:
        """Return the statement's values for a range."""
        return [*self._params, tokens.first, tokens.last]
