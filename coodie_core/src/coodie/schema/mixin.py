"""``sync_table`` for a driver that can execute CQL, by inheritance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.schema.sync import sync_table, sync_table_async

if TYPE_CHECKING:
    from coodie.schema.requests import SyncResult
    from coodie.schema.syncoptions import SyncOptions

__all__ = ["SchemaSyncMixin"]


class SchemaSyncMixin:
    """Give a driver with ``execute`` and ``execute_async`` the whole of ``sync_table``.

    It goes before the contract: ``class MyDriver(SchemaSyncMixin, AbstractDriver)``. All it asks of
    the driver is ``execute(stmt, params)`` and its async twin, and ``timeout=`` where the caller gives
    one.

    A request costs a round trip, one after another. A table in order costs three; four where its
    definition has a vector or a storage-attached index. For what has to be changed there are, beside
    the statements, one more where the table isn't there, two after each statement (and two more each
    tenth of a second, until the nodes agree on the schema), and at the end the first three or four again.
    """

    def sync_table(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> SyncResult:
        """Idempotent CREATE TABLE + ALTER TABLE ADD for new columns; see ``AbstractDriver``."""
        return sync_table(
            self, table, keyspace, cols, table_options, dry_run, drop_removed_indexes, options=options
        )

    async def sync_table_async(
        self,
        table: str,
        keyspace: str,
        cols: list[Any],
        table_options: dict[str, Any] | None = None,
        dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
        drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        options: SyncOptions | None = None,
    ) -> SyncResult:
        """Async version of :meth:`sync_table`."""
        return await sync_table_async(
            self, table, keyspace, cols, table_options, dry_run, drop_removed_indexes, options=options
        )
