"""Tables: how to define them, and how they are brought about.

``ColumnDefinition`` says what a column is to be; a driver's ``sync_table`` makes the table so.
``plan_table`` is the planner behind it, without I/O, and ``sync_table``/``sync_table_async`` drive it
for a driver that has no such method of its own.
"""

from __future__ import annotations

from coodie.schema.definitions import ColumnDefinition
from coodie.schema.identifiers import quote, quote_literal
from coodie.schema.planner import plan_table
from coodie.schema.requests import Execute, Query, Read, SyncResult
from coodie.schema.sync import sync_table, sync_table_async

__all__ = [
    "ColumnDefinition",
    "Execute",
    "Query",
    "Read",
    "SyncResult",
    "plan_table",
    "quote",
    "quote_literal",
    "sync_table",
    "sync_table_async",
]
