"""Tables: how to define them, and how ``sync_table`` creates and alters them.

``ColumnDefinition`` says what a column is to be; a driver's ``sync_table`` makes the table so, and
``SyncOptions`` says what else it is to do. A driver that can execute CQL gets the method from
``SchemaSyncMixin``; ``sync_table``/``sync_table_async`` do the same for an object that isn't a class of
yours. ``plan_table`` is the planner behind them, without I/O.
"""

from __future__ import annotations

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
