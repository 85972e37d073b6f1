"""Tables: how to define them, and how they are brought about.

``ColumnDefinition`` says what a column is to be; a driver's ``sync_table`` makes the table so, and
``SyncOptions`` says what else it is to do. A driver that can execute CQL gets the method from
``SchemaSyncMixin``; ``sync_table``/``sync_table_async`` do the same for an object that isn't a class of
yours. ``plan_table`` is the planner behind them, without I/O.
"""

from __future__ import annotations

from coodie.schema.definitions import ColumnDefinition
from coodie.schema.identifiers import quote, quote_literal
from coodie.schema.mixin import SchemaSyncMixin
from coodie.schema.planner import plan_table
from coodie.schema.replication import NetworkTopologyStrategy, SimpleStrategy
from coodie.schema.requests import Execute, Pause, Query, Read, ReadNodes, Settle, SyncResult
from coodie.schema.sync import sync_table, sync_table_async
from coodie.schema.syncoptions import SyncOptions
from coodie.schema.tabledefinition import TableDefinition

__all__ = [
    "ColumnDefinition",
    "Execute",
    "NetworkTopologyStrategy",
    "Pause",
    "Query",
    "Read",
    "ReadNodes",
    "SchemaSyncMixin",
    "Settle",
    "SimpleStrategy",
    "SyncOptions",
    "SyncResult",
    "TableDefinition",
    "plan_table",
    "quote",
    "quote_literal",
    "sync_table",
    "sync_table_async",
]
