"""The keyspaces and tables of a fake server, and their rows in its system tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from coodie_testing.fake.cqltypes import CqlType, parse_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Schema", "Table"]

_NAMESPACE = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")

#: The options of all tables.
_TABLE_OPTIONS: dict[str, Any] = {
    "additional_write_policy": "99p",
    "bloom_filter_fp_chance": 0.01,
    "caching": {"keys": "ALL", "rows_per_partition": "NONE"},
    "cdc": False,
    "comment": "",
    "compaction": {"class": "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy"},
    "compression": {"class": "org.apache.cassandra.io.compress.LZ4Compressor"},
    "crc_check_chance": 1.0,
    "dclocal_read_repair_chance": 0.0,
    "default_time_to_live": 0,
    "flags": {"compound"},
    "gc_grace_seconds": 864000,
    "max_index_interval": 2048,
    "memtable_flush_period_in_ms": 0,
    "min_index_interval": 128,
    "read_repair": "BLOCKING",
    "read_repair_chance": 0.0,
    "speculative_retry": "99p",
}


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        keyspace: Its keyspace.
        name: Its name.
        columns: The columns' types.
        partition_key: The columns of its partition key, in order.
        clustering_key: Its clustering columns, in order.
        version: The number of its changes.
    """

    keyspace: str
    name: str
    columns: Mapping[str, CqlType]
    partition_key: Sequence[str]
    clustering_key: Sequence[str] = ()
    version: int = 0

    def __post_init__(self) -> None:
        """Check that the key's columns exist.

        Raises:
            ValueError: A column is missing, or there is no partition key.
        """
        missing = [name for name in (*self.partition_key, *self.clustering_key) if name not in self.columns]
        if missing or not self.partition_key:
            what = f"no column {missing[0]!r}" if missing else "no partition key"
            raise ValueError(f"{self.keyspace}.{self.name} has {what}.")

    @property
    def identity(self) -> UUID:
        """Its id."""
        return uuid5(_NAMESPACE, f"{self.keyspace}.{self.name}.{self.version}")

    def row(self) -> dict[str, Any]:
        """Return its row of ``system_schema.tables``."""
        names = {"keyspace_name": self.keyspace, "table_name": self.name}
        return _TABLE_OPTIONS | names | {"id": self.identity}

    def column_rows(self) -> Iterable[dict[str, Any]]:
        """Return its rows of ``system_schema.columns``."""
        for name, kind in self.columns.items():
            position, what, order = -1, "regular", "none"
            if name in self.partition_key:
                position, what = self.partition_key.index(name), "partition_key"
            elif name in self.clustering_key:
                position, what, order = self.clustering_key.index(name), "clustering", "asc"
            yield {
                "keyspace_name": self.keyspace,
                "table_name": self.name,
                "column_name": name,
                "clustering_order": order,
                "kind": what,
                "position": position,
                "type": str(kind),
            }


class Schema:
    """All tables, of all nodes of a cluster."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, str], Table] = {}
        #: All keyspaces, also without tables.
        self.keyspaces: set[str] = set()
        self._changes = 0

    @property
    def version(self) -> UUID:
        """The schema version."""
        return uuid5(_NAMESPACE, f"schema {self._changes}")

    def put(self, table: Table) -> None:
        """Add a table, or change it."""
        self._tables[table.keyspace, table.name] = table
        self.keyspaces.add(table.keyspace)
        self._changes += 1

    def find(self, keyspace: str | None, name: str | None) -> Table | None:
        """Return a table; without a keyspace, the only table with the name."""
        if keyspace is not None:
            return self._tables.get((keyspace, name or ""))
        found = [table for (_, other), table in self._tables.items() if other == name]
        return found[0] if len(found) == 1 else None

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table of ``system_schema``."""
        if table == "keyspaces":
            replication = {"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "1"}
            return [
                {"keyspace_name": name, "durable_writes": True, "replication": replication}
                for name in sorted(self.keyspaces)
            ]
        tables = list(self._tables.values())
        if table == "tables":
            return [one.row() for one in tables]
        return [row for one in tables for row in one.column_rows()] if table == "columns" else []


def _columns(text: str) -> dict[str, CqlType]:
    """Read ``name type; name type``."""
    pairs = (one.strip().split(" ", 1) for one in text.split(";"))
    return {name: parse_type(kind) for name, kind in pairs}


#: The system tables that drivers read, with their columns.
SYSTEM_TABLES: dict[tuple[str, str], dict[str, CqlType]] = {
    ("system", "local"): _columns(
        "key text; bootstrapped text; broadcast_address inet; broadcast_port int; cluster_name text; "
        "cql_version text; data_center text; gossip_generation int; host_id uuid; listen_address inet; "
        "listen_port int; native_protocol_version text; partitioner text; rack text; release_version text; "
        "rpc_address inet; rpc_port int; schema_version uuid; tokens set<text>"
    ),
    ("system", "peers"): _columns(
        "peer inet; data_center text; host_id uuid; preferred_ip inet; rack text; release_version text; "
        "rpc_address inet; schema_version uuid; tokens set<text>"
    ),
    ("system", "peers_v2"): _columns(
        "peer inet; peer_port int; data_center text; host_id uuid; native_address inet; native_port int; "
        "preferred_ip inet; preferred_port int; rack text; release_version text; schema_version uuid; "
        "tokens set<text>"
    ),
    ("system_schema", "keyspaces"): _columns(
        "keyspace_name text; durable_writes boolean; replication map<text,text>"
    ),
    ("system_schema", "tables"): _columns(
        "keyspace_name text; table_name text; additional_write_policy text; bloom_filter_fp_chance double; "
        "caching map<text,text>; cdc boolean; comment text; compaction map<text,text>; "
        "compression map<text,text>; crc_check_chance double; dclocal_read_repair_chance double; "
        "default_time_to_live int; extensions map<text,blob>; flags set<text>; gc_grace_seconds int; "
        "id uuid; max_index_interval int; memtable text; memtable_flush_period_in_ms int; "
        "min_index_interval int; read_repair text; read_repair_chance double; speculative_retry text"
    ),
    ("system_schema", "columns"): _columns(
        "keyspace_name text; table_name text; column_name text; clustering_order text; kind text; "
        "position int; type text"
    ),
    ("system_schema", "dropped_columns"): _columns(
        "keyspace_name text; table_name text; column_name text; type text"
    ),
    ("system_schema", "types"): _columns(
        "keyspace_name text; type_name text; field_names list<text>; field_types list<text>"
    ),
    ("system_schema", "functions"): _columns(
        "keyspace_name text; function_name text; argument_types list<text>; argument_names list<text>; "
        "body text; called_on_null_input boolean; language text; return_type text"
    ),
    ("system_schema", "aggregates"): _columns(
        "keyspace_name text; aggregate_name text; argument_types list<text>; final_func text; "
        "initcond text; return_type text; state_func text; state_type text"
    ),
    ("system_schema", "triggers"): _columns(
        "keyspace_name text; table_name text; trigger_name text; options map<text,text>"
    ),
    ("system_schema", "indexes"): _columns(
        "keyspace_name text; table_name text; index_name text; kind text; options map<text,text>"
    ),
    ("system_schema", "views"): _columns(
        "keyspace_name text; view_name text; base_table_id uuid; base_table_name text; id uuid; "
        "include_all_columns boolean; where_clause text"
    ),
    ("system_virtual_schema", "keyspaces"): _columns("keyspace_name text"),
    ("system_virtual_schema", "tables"): _columns("keyspace_name text; table_name text; comment text"),
    ("system_virtual_schema", "columns"): _columns(
        "keyspace_name text; table_name text; column_name text; clustering_order text; kind text; "
        "position int; type text"
    ),
}
