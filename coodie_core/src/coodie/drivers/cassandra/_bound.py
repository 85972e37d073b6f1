"""Bound statements and batches of the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cassandra.query import BatchStatement, BoundStatement

from coodie.drivers.cassandra.values.binding import bind_values
from coodie.exceptions import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coodie.drivers.cassandra._prepared import SessionStatement

__all__ = ["batch_statement", "bound_statement"]


class _Bound(BoundStatement):  # type: ignore[misc]  # the drivers have no types
    """A bound statement with an optional routing key, for statements whose values don't contain one."""

    @property
    def routing_key(self) -> Any:
        """The key that was set, or else the key in the values."""
        return self._routing_key or super().routing_key

    @routing_key.setter
    def routing_key(self, key: bytes) -> None:
        self._routing_key = key


def bound_statement(entry: SessionStatement, stmt: str, params: Any) -> BoundStatement:
    """Bind the parameters of a statement.

    Args:
        entry: The prepared statement.
        stmt: The CQL text, for errors.
        params: As in ``bind_values``.

    Raises:
        ParameterError: As in ``bind_values``; or the driver can't encode a value.
    """
    keys = entry.prepared.routing_key_indexes or ()
    values = bind_values(entry.columns, entry.binders, params, stmt, key_indexes=keys)
    try:
        return _Bound(entry.prepared).bind(values)
    except Exception as exc:
        # A value that the binders accept, and the driver's serialiser doesn't.
        message = f"The parameters can't be encoded: {type(exc).__name__}."
        raise ParameterError(message, statement=stmt) from exc


def batch_statement(kind: Any, parts: Iterable[tuple[SessionStatement, Any]], stmt: str) -> BatchStatement:
    """Bind the parameters of a batch's statements.

    Args:
        kind: The driver's batch type.
        parts: The prepared statements, each with its parameters.
        stmt: The text of the batch in errors.

    Raises:
        ParameterError: As in ``bound_statement``; or there are too many statements.
    """
    batch = BatchStatement(kind)
    for entry, params in parts:
        bound = bound_statement(entry, entry.stmt, params)
        try:
            batch.add(bound)
        except ValueError as exc:
            message = f"The batch is too large for the protocol: {exc}."
            raise ParameterError(message, hint="Split it.", statement=stmt) from exc
    return batch
