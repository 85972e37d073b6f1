"""The contract's method that reads a table's definition, based on ``execute``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.contract.rows_argument import dicts_argument
from coodie.effects import run_async, run_sync

if TYPE_CHECKING:
    from coodie.effects import Steps
    from coodie.schema.definitions import TableDefinition

__all__ = ["Descriptions"]


class Descriptions:
    """``describe`` and its async version, for drivers with ``execute`` and ``execute_async``."""

    def describe(self, table: str, *, timeout: float | None = None) -> TableDefinition:
        """Return the definition of a table, as ``sync_table`` takes it.

        It has the columns, keys, indexes, and the options whose values aren't the default of all servers.
        What a definition can't express is in its ``warnings``, and logged.

        Args:
            table: ``keyspace.table``, or a table of the connection's keyspace; plain names, unquoted.
            timeout: The timeout of each request in seconds; None for the connection's default.

        Raises:
            ConfigurationError: The name is invalid, or has no keyspace.
            InvalidQueryError: There is no such table, or it is a view.
            CoodieError: As in ``execute``.
        """
        return run_sync(self._description(table, timeout))

    async def describe_async(self, table: str, *, timeout: float | None = None) -> TableDefinition:
        """Async version of :meth:`describe`."""
        return await run_async(self._description(table, timeout))

    def _description(self, table: str, timeout: float | None) -> Steps[TableDefinition]:
        from coodie.scan.query import split_name  # both are used by few programs
        from coodie.schema.description import read_definition

        keyspace, name = split_name(table, getattr(self, "_default_keyspace", None))
        terms: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        return read_definition(self, keyspace, name, terms | dicts_argument(self))
