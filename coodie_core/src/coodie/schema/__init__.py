"""Table definitions, and ``sync_table``, which creates and alters tables to match them.

``ColumnDefinition`` defines a column; a driver's ``sync_table`` creates or alters the table, with the options
of ``SyncOptions``. ``SchemaSyncMixin`` implements the method for any driver that executes CQL;
``sync_table`` and ``sync_table_async`` do the same for any object with ``execute``. ``plan_table`` is the
planner, without I/O. Each name is imported on first use, since every driver imports this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie._lazy_imports import lazy_attributes

if TYPE_CHECKING:
    from coodie.effects import Sleep
    from coodie.schema.apply import plan_table
    from coodie.schema.definitions import ColumnDefinition, TableDefinition
    from coodie.schema.identifiers import quote, quote_literal
    from coodie.schema.replication import NetworkTopologyStrategy, SimpleStrategy
    from coodie.schema.requests import AwaitAgreement, Execute, Query, Read, ReadNodes, SyncResult
    from coodie.schema.sync import SchemaSyncMixin, sync_table, sync_table_async
    from coodie.schema.syncoptions import SyncOptions

__all__ = [
    "AwaitAgreement",
    "ColumnDefinition",
    "Execute",
    "NetworkTopologyStrategy",
    "Query",
    "Read",
    "ReadNodes",
    "SchemaSyncMixin",
    "SimpleStrategy",
    "Sleep",
    "SyncOptions",
    "SyncResult",
    "TableDefinition",
    "plan_table",
    "quote",
    "quote_literal",
    "sync_table",
    "sync_table_async",
]

if not TYPE_CHECKING:  # type checkers would accept any name
    _HOMES = {
        **dict.fromkeys(("ColumnDefinition", "TableDefinition"), "definitions"),
        **dict.fromkeys(("NetworkTopologyStrategy", "SimpleStrategy"), "replication"),
        **dict.fromkeys(
            ("AwaitAgreement", "Execute", "Query", "Read", "ReadNodes", "SyncResult"), "requests"
        ),
        **dict.fromkeys(("SchemaSyncMixin", "sync_table", "sync_table_async"), "sync"),
        **dict.fromkeys(("quote", "quote_literal"), "identifiers"),
        "Sleep": ".effects",
        "SyncOptions": "syncoptions",
        "plan_table": "apply",
    }
    __getattr__, __dir__ = lazy_attributes(globals(), _HOMES, ("definitions", "requests"))
