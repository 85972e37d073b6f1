"""Write table definitions as Python code."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from coodie.schema.definitions import ColumnDefinition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from coodie.schema.definitions import TableDefinition

__all__ = ["python_source"]

#: The maximum length of a line; a longer column or map has one argument or entry per line.
_WIDTH = 100

_HEAD = "from coodie.schema import ColumnDefinition, TableDefinition\n\nALL = [\n"


def python_source(definitions: Iterable[TableDefinition]) -> str:
    """Return a module whose variable ``ALL`` is a list of the definitions.

    Arguments with their default values are left out; warnings become comments.

    Args:
        definitions: Definitions, from ``describe``.
    """
    return _HEAD + "".join(map(_table, definitions)) + "]\n"


def _table(definition: TableDefinition) -> str:
    lines = [f"# {_printable(warning)}" for warning in definition.warnings]
    lines.append("TableDefinition(")
    lines.append(f"    table={_literal(definition.table)},")
    if definition.keyspace is not None:
        lines.append(f"    keyspace={_literal(definition.keyspace)},")
    lines += ["    columns=[", *(line for column in definition.columns for line in _column(column)), "    ],"]
    if definition.table_options:
        lines += ["    table_options={", *_entries(definition.table_options), "    },"]
    lines.append("),")
    return "".join(f"    {line}\n" for line in lines)


def _column(column: ColumnDefinition) -> Iterator[str]:
    arguments = [_literal(column.name), _literal(column.cql_type)]
    for field in fields(ColumnDefinition):
        value = getattr(column, field.name)
        if field.default is not MISSING and value != field.default:
            arguments.append(f"{field.name}={_literal(value)}")
    line = f"        ColumnDefinition({', '.join(arguments)}),"
    if len(line) + len("    ") <= _WIDTH:
        yield line
        return
    yield "        ColumnDefinition("
    yield from (f"            {argument}," for argument in arguments)
    yield "        ),"


def _entries(options: Mapping[str, Any], indent: str = "        ") -> Iterator[str]:
    for name, value in options.items():
        line = f"{indent}{_literal(name)}: {_literal(value)},"
        if len(line) + len("    ") <= _WIDTH or not isinstance(value, dict):
            yield line
            continue
        yield f"{indent}{_literal(name)}: {{"
        yield from _entries(value, f"{indent}    ")
        yield f"{indent}}},"


def _literal(value: Any) -> str:
    """Return a literal, with double quotes where ``repr`` has single ones."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    text = repr(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text


def _printable(text: str) -> str:
    """Escape what would end a comment or can't be seen."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
