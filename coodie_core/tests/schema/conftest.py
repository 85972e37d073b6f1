"""A server made of rows: it answers the planner's reads as Cassandra 5.0.9 does, and notes the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import InvalidQueryError
from coodie.schema import Execute, Read, ReadNodes, Sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from coodie.schema import SyncResult

#: A row of system_schema.tables of a table that was created without options, as it comes back.
DEFAULT_OPTIONS: dict[str, Any] = {
    "additional_write_policy": "99p",
    "allow_auto_snapshot": None,
    "bloom_filter_fp_chance": 0.01,
    "caching": {"keys": "ALL", "rows_per_partition": "NONE"},
    "cdc": False,
    "comment": "",
    "compaction": {
        "class": "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy",
        "max_threshold": "32",
        "min_threshold": "4",
    },
    "compression": {"chunk_length_in_kb": "16", "class": "org.apache.cassandra.io.compress.LZ4Compressor"},
    "crc_check_chance": 1.0,
    "dclocal_read_repair_chance": 0.0,
    "default_time_to_live": 0,
    "extensions": {},
    "gc_grace_seconds": 864000,
    "incremental_backups": None,
    "max_index_interval": 2048,
    "memtable": None,
    "memtable_flush_period_in_ms": 0,
    "min_index_interval": 128,
    "read_repair": "BLOCKING",
    "read_repair_chance": 0.0,
    "speculative_retry": "99p",
}


class RowServer:
    """Rows of system_schema for one keyspace, ``ks``, and whatever the test puts into it."""

    def __init__(self) -> None:
        self.keyspaces = {"ks"}
        self.tables: list[dict[str, Any]] = []
        self.columns: list[dict[str, Any]] = []
        self.indexes: list[dict[str, Any]] = []
        #: How many Read requests came, each of one or more queries.
        self.reads = 0
        #: Statements that were asked for, the failing ones included.
        self.asked: list[str] = []
        #: Statement → what happens instead of executing it, once.
        self.failures: dict[str, Callable[[], Exception]] = {}
        #: Statement → what it changes.
        self.effects: dict[str, Callable[[], None]] = {}
        #: The row of system.local, and the schema versions of the other nodes.
        self.local: dict[str, Any] = {"release_version": "5.0.9", "host_id": 1, "schema_version": "a"}
        self.peers: list[dict[str, Any]] = []
        #: For each node, the indexes that it has built.
        self.built: list[set[str]] = [set()]
        self.replication = {"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "1"}
        #: What comes back for AwaitAgreement.
        self.disagreement: str | None = None
        #: How often the node that is asked doesn't know the table yet, which it shows.
        self.unknown_for = 0
        #: Seconds of all pauses.
        self.paused = 0.0

    def add_table(self, name: str, *columns: str, counter: bool = False, **options: Any) -> None:
        """Add a table; a column is "name type", with "static", "pk0", "ck0" or "ck0 desc" behind it."""
        flags = {"compound", "counter"} if counter else {"compound"}
        self.tables.append(
            {"keyspace_name": "ks", "table_name": name, "flags": flags, **DEFAULT_OPTIONS, **options}
        )
        for column in columns:
            self.add_column(name, column)

    def add_column(self, table: str, text: str) -> None:
        """Add a column, written as in ``add_table``."""
        name, cql_type, *rest = text.split("|") if "|" in text else text.split()
        kind, position, order = "regular", -1, "none"
        if rest[:1] == ["static"]:
            kind = "static"
        elif rest:
            kind = "partition_key" if rest[0].startswith("pk") else "clustering"
            position = int(rest[0][2:])
            if kind == "clustering":
                order = rest[1] if len(rest) > 1 else "asc"
        self.columns.append(
            {
                "keyspace_name": "ks",
                "table_name": table,
                "column_name": name,
                "type": cql_type,
                "kind": kind,
                "position": position,
                "clustering_order": order,
            }
        )

    def add_index(self, table: str, name: str, target: str, **options: str) -> None:
        """Add an index; with a class_name it is a custom one."""
        self.indexes.append(
            {
                "keyspace_name": "ks",
                "table_name": table,
                "index_name": name,
                "kind": "CUSTOM" if "class_name" in options else "COMPOSITES",
                "options": {"target": target, **options},
            }
        )

    def answer(self, cql: str, params: tuple[Any, ...]) -> list[dict[str, Any]]:
        """Return the rows of one of the planner's reads."""
        if " IN ()" in cql:
            if self.unknown_for:
                self.unknown_for -= 1
                message = "table t does not exist"
                raise InvalidQueryError(message)
            return []
        if "system_schema.keyspaces" in cql:
            found = {"replication": self.replication}
            return [{"keyspace_name": name, **found} for name in self.keyspaces if (name,) == params]
        if "IndexInfo" in cql:
            return [{"index_name": name} for name in self.built[0]]
        if "system.local" in cql:
            return [self.local]
        if "system.peers" in cql:
            return self.peers
        source = {"tables": self.tables, "columns": self.columns, "indexes": self.indexes}
        (rows,) = [rows for name, rows in source.items() if f"system_schema.{name} " in cql]
        names = ("keyspace_name", "table_name")
        return [row for row in rows if all(row[n] == p for n, p in zip(names, params, strict=False))]

    def execute(self, cql: str) -> None:
        """Note a statement, and change what the test says that it changes."""
        self.asked.append(cql)
        if (failure := self.failures.pop(cql, None)) is not None:
            raise failure()
        self.effects.get(cql, lambda: None)()

    def reply(self, request: Any) -> Any:
        """Answer one of the planner's requests."""
        if isinstance(request, Read):
            self.reads += 1
            return [self.answer(query.cql, query.params) for query in request.queries]
        if isinstance(request, ReadNodes):
            return [[{"index_name": name} for name in node] for node in self.built]
        if isinstance(request, Sleep):
            self.paused += request.seconds
        return self.execute(request.cql) if isinstance(request, Execute) else self.disagreement

    def drive(self, plan: Generator[Any, Any, SyncResult]) -> SyncResult:
        """Run a plan to its end."""
        try:
            request = next(plan)
            while True:
                try:
                    answer = self.reply(request)
                except Exception as exc:  # noqa: BLE001 - the plan decides what to do with it
                    request = plan.throw(exc)
                else:
                    request = plan.send(answer)
        except StopIteration as stop:
            result: SyncResult = stop.value
            return result


@pytest.fixture
def server() -> RowServer:
    """A server with an empty keyspace ``ks``."""
    return RowServer()
