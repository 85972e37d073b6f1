"""Read a table's key columns and size, and the ring's ranges or the table's tablets, before a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.effects import Call
from coodie.exceptions import InvalidQueryError, UnauthorizedError, UnsupportedError
from coodie.scan.query import ScanQuery
from coodie.scan.ring import SizeEstimate
from coodie.schema.introspection import table_from_rows, table_queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coodie.effects import Steps
    from coodie.scan.query import Selection

__all__ = ["ScannedTable", "read_query", "read_table"]

_LOCAL = "SELECT host_id, partitioner, tokens FROM system.local WHERE key = 'local'"
_PEERS = "SELECT host_id, tokens FROM system.peers"
_SIZES = (
    "SELECT range_start, range_end, partitions_count, mean_partition_size FROM system.size_estimates "
    "WHERE keyspace_name = ? AND table_name = ?"
)
_VIEW = "SELECT id FROM system_schema.views WHERE keyspace_name = ? AND view_name = ?"
#: Only ScyllaDB has it. A table without tablets has no rows in it; one that shares those of another table may
#: have a row without a token.
_TABLETS = "SELECT last_token FROM system.tablets WHERE table_id = ?"

#: The maximum number of reads of ``system.peers``.
_READS = 8

_PARTITIONER = "Murmur3Partitioner"

#: Keyspaces whose tables aren't distributed: each node has rows of its own.
_NODES_OWN = frozenset({"system", "system_metrics", "system_schema", "system_views", "system_virtual_schema"})


class ScannedTable(NamedTuple):
    """A table's properties that a scan uses.

    Attributes:
        query: The statement for a range of tokens.
        ends: The last tokens of the ranges whose tokens have the same replicas.
        size: The estimated size; None if the server has no estimate.
    """

    query: ScanQuery
    ends: Sequence[int]
    size: SizeEstimate | None


def read_query(driver: Any, selection: Selection) -> Steps[tuple[ScanQuery, Mapping[str, Any]]]:
    """Read what a statement for a range of tokens needs, with ``driver.execute``.

    Returns:
        The statement, and the row of ``system.local`` of one node.

    Raises:
        InvalidQueryError: The table or a column doesn't exist.
        UnsupportedError: The cluster's partitioner isn't Murmur3, or the table isn't distributed.
        CoodieError: A read failed.
    """
    keyspace, name = selection.keyspace, selection.table
    if keyspace in _NODES_OWN:
        message = f"scan doesn't support {keyspace}.{name}: each node has its own rows of this table."
        raise UnsupportedError(message, hint="Use stream(), which reads one node's rows.", feature="scan")
    (local,) = yield from _read(driver, _LOCAL)
    if not str(local["partitioner"]).endswith(_PARTITIONER):
        message = f"scan doesn't support the cluster's partitioner, {local['partitioner']}."
        hint = f"It requires {_PARTITIONER}. Use stream()."
        raise UnsupportedError(message, hint=hint, feature="scan")
    _, of_columns, _ = table_queries(keyspace, name)
    columns = yield from _read(driver, of_columns.cql, *of_columns.params)
    return ScanQuery(selection, table_from_rows(keyspace, name, {}, columns, ())), local


def read_table(driver: Any, selection: Selection) -> Steps[ScannedTable]:
    """Read a table's properties with ``driver.execute``.

    Raises:
        CoodieError: As ``read_query``.
    """
    query, local = yield from read_query(driver, selection)
    keyspace, name = selection.keyspace, selection.table
    of_table, _, _ = table_queries(keyspace, name)
    sizes = yield from _read_if_possible(driver, _SIZES, keyspace, name)
    tables = yield from _read(driver, of_table.cql, *of_table.params)
    if not tables:
        tables = yield from _read(driver, _VIEW, keyspace, name)
    ends = yield from _tablets(driver, tables)
    if not ends:
        ends = yield from _ring(driver, local)
    return ScannedTable(query, ends, SizeEstimate.of(sizes))


def _ring(driver: Any, local: Mapping[str, Any]) -> Steps[list[int]]:
    """Return the tokens of all nodes.

    ``system.local`` contains a node's own tokens, ``system.peers`` those of the other nodes, and each read
    may be executed by another node. So they are read until ``system.peers`` doesn't contain a known node,
    which must be the queried one. If that never happens, which is unlikely, tokens of a node may be missing,
    and some ranges are read from a node that isn't a replica.
    """
    nodes = {local["host_id"]: local["tokens"]}
    for _ in range(_READS):
        peers = yield from _read(driver, _PEERS)
        theirs = {row["host_id"]: row["tokens"] for row in peers}
        is_complete = not nodes.keys() <= theirs.keys()
        nodes |= theirs
        if is_complete:
            break
        (local,) = yield from _read(driver, _LOCAL)
        nodes[local["host_id"]] = local["tokens"]
        if local["host_id"] not in theirs:
            break
    return [int(token) for tokens in nodes.values() for token in tokens or ()]


def _tablets(driver: Any, tables: Sequence[Any]) -> Steps[list[int]]:
    """Return the last tokens of a table's tablets; an empty list if it has none."""
    if not tables:
        return []
    rows = yield from _read_if_possible(driver, _TABLETS, tables[0]["id"])
    return [int(row["last_token"]) for row in rows if row["last_token"] is not None]


def _read(driver: Any, cql: str, *params: Any) -> Steps[list[Any]]:
    extra = {} if getattr(driver, "_default_rows", None) is None else {"rows": dict}
    rows: list[Any] = yield Call(driver, "execute", cql, list(params), **extra)
    return rows


def _read_if_possible(driver: Any, cql: str, *params: Any) -> Steps[list[Any]]:
    """Read a table that may not exist on the server, or that the role may not read."""
    try:
        return (yield from _read(driver, cql, *params))
    except (InvalidQueryError, UnauthorizedError):
        return []
