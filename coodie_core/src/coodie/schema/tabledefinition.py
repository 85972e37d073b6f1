"""A whole table's definition, for those who keep all of theirs in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["TableDefinition"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TableDefinition:
    """What ``sync_table`` takes, as one object.

    Args:
        table: The table's plain name.
        columns: Objects with the attributes of ``ColumnDefinition``.
        keyspace: The keyspace's plain name; None means the connection's.
        table_options: Option → value, as in ``CREATE TABLE … WITH``.
    """

    table: str
    columns: Sequence[Any]
    keyspace: str | None = None
    table_options: Mapping[str, Any] | None = None
