"""Calls of a driver, and their outcomes, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple
from uuid import UUID

from coodie import ColumnDefinition, CoodieError, Rows, exceptions
from coodie.rows import Column
from coodie.schema import SyncResult
from coodie_replay.values import from_json, parameter_as_json, text_of, value_as_json

__all__ = ["Call", "batch_call", "error_as_json", "execute_call", "outcome_of", "result_as_json", "sync_call"]

#: The outcome of a call: the rows, or the statements of a sync.
Result = list[Any]


class Call(NamedTuple):
    """A call of a driver's method.

    Attributes:
        statement: The CQL text, for messages; of a batch, all of its statements.
        content: The arguments as JSON, without the timeout. Calls with the same content are equal.
    """

    statement: str
    content: dict[str, Any]

    @property
    def key(self) -> str:
        """The content as text."""
        return text_of(self.content)


def execute_call(
    stmt: str,
    params: Any,
    consistency: str | None,
    fetch_size: int | None,
    paging_state: bytes | str | None,
    options: Any,
) -> Call:
    """Return a call of ``execute``."""
    more = {
        "consistency": consistency,
        "fetch_size": fetch_size,
        "paging_state": parameter_as_json(paging_state),
        "options": _options(options),
    }
    return Call(str(stmt), {"execute": parameter_as_json(stmt), "params": _params(params), **_given(more)})


def batch_call(statements: Any, batch_type: Any, consistency: str | None, options: Any) -> Call:
    """Return a call of ``execute_batch``."""
    items = [_batch_item(item) for item in statements] if isinstance(statements, Iterable) else []
    kind = getattr(batch_type, "value", batch_type)
    more = {"consistency": consistency, "options": _options(options)}
    text = "; ".join(str(item[0] if isinstance(item, list) else item) for item in items)
    return Call(text, {"batch": items, "type": parameter_as_json(kind), **_given(more)})


def sync_call(table: str, keyspace: str, cols: Any, arguments: tuple[Any, bool, bool], options: Any) -> Call:
    """Return a call of ``sync_table``; ``arguments`` are its last three positional ones."""
    columns = [_attributes(column) for column in cols] if isinstance(cols, Iterable) else []
    table_options, dry_run, drop_removed_indexes = arguments
    content = {
        "sync_table": [keyspace, table],
        "columns": columns,
        "table_options": parameter_as_json(table_options),
        "dry_run": dry_run or None,
        "drop_removed_indexes": drop_removed_indexes or None,
        "options": _options(options),
    }
    return Call(f"sync_table {keyspace}.{table}", _given(content))


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _params(params: Any) -> Any:
    """Return parameters: an array, or an object with the names in order, as for equal dicts."""
    if isinstance(params, Mapping):
        return {str(name): parameter_as_json(params[name]) for name in sorted(params, key=str)}
    if isinstance(params, Sequence) and not isinstance(params, (str, bytes)):
        return [parameter_as_json(value) for value in params]
    return parameter_as_json(params)


def _batch_item(item: Any) -> Any:
    if isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 2:  # noqa: PLR2004 - a pair
        return [parameter_as_json(item[0]), _params(item[1])]
    return parameter_as_json(item)


def _options(options: Any) -> Any:
    """Return what isn't a default; a limit of time isn't part of a request."""
    if not is_dataclass(options):
        return None if options is None else parameter_as_json(options)
    return {
        entry.name: parameter_as_json(value)
        for entry in fields(options)
        if (value := getattr(options, entry.name)) != entry.default and entry.name != "total_timeout"
    } or None


def _attributes(column: Any) -> Any:
    """Return a column's attributes that aren't defaults."""
    known = {entry.name: entry.default for entry in fields(ColumnDefinition)}
    found = {name: getattr(column, name) for name in known if hasattr(column, name)}
    return {name: parameter_as_json(value) for name, value in found.items() if value != known[name]}


# --- outcomes ---------------------------------------------------------------------------


def result_as_json(rows: Any) -> dict[str, Any]:
    """Return the result of a call.

    Raises:
        TypeError: A value can't be recorded.
    """
    items = [
        {name: value_as_json(value) for name, value in row.items()} if isinstance(row, dict) else row
        for row in rows
    ]
    if isinstance(rows, SyncResult):
        return {"executed": items, **_given({"warnings": list(rows.warnings) or None})}
    if not isinstance(rows, Rows):
        return {"list": items}
    trace_id = None if rows.trace_id is None else str(rows.trace_id)
    more = {
        "columns": None if rows.columns is None else [list(column) for column in rows.columns],
        "paging_state": None if rows.paging_state is None else rows.paging_state.hex(),
        "warnings": list(rows.warnings) or None,
        "trace_id": trace_id,
    }
    return {"rows": items, **_given(more)}


def error_as_json(error: CoodieError) -> dict[str, Any]:
    """Return an error: the next class of coodie's tree, the message and the attributes."""
    kind = next(cls for cls in type(error).__mro__ if cls.__module__ == exceptions.__name__)
    state = {}
    for name, value in vars(error).items():
        if hasattr(kind, name) and not name.startswith("_"):
            with suppress(TypeError):  # an object that only makes sense in this process
                state[name] = value_as_json(dict(value) if isinstance(value, Mapping) else value)
    return {"error": kind.__name__, "message": str(error), "attributes": state}


def outcome_of(content: Mapping[str, Any]) -> Result | CoodieError:
    """Return a new result or error from JSON.

    Raises:
        ValueError: It isn't an outcome.
    """
    if "error" in content:
        return _error(content)
    if "executed" in content:
        return SyncResult(content["executed"], warnings=content.get("warnings", ()))
    if "list" in content:
        return [_row(item) for item in content["list"]]
    state, trace_id = content.get("paging_state"), content.get("trace_id")
    rows = Rows(
        [_row(item) for item in content["rows"]],
        paging_state=None if state is None else bytes.fromhex(state),
        warnings=content.get("warnings", ()),
        trace_id=None if trace_id is None else UUID(trace_id),
    )
    if "columns" in content:
        rows.columns = tuple(Column(*column) for column in content["columns"])
    return rows


def _row(item: Any) -> Any:
    return {name: from_json(value) for name, value in item.items()} if isinstance(item, dict) else item


def _error(content: Mapping[str, Any]) -> CoodieError:
    cls = getattr(exceptions, content["error"], None)
    if not (isinstance(cls, type) and issubclass(cls, CoodieError)):
        raise ValueError(f"unknown error {content['error']!r}")  # noqa: TRY004 - of a file
    error: CoodieError = cls(content["message"])
    for name, value in content["attributes"].items():
        setattr(error, name, from_json(value))
    return error
