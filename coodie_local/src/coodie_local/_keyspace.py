"""Creating a keyspace on a cluster, without a driver."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError, ConnectionFailedError
from coodie.schema.identifiers import quote
from coodie_local._native import RefusedError, rows_or_none, run_statement
from coodie_local._protection import load_access

if TYPE_CHECKING:
    from coodie_local._running import RunningCluster

__all__ = ["create_keyspace", "replication_factor"]

_SCHEMA = "SELECT schema_version FROM system.local"
_REPLICAS = 3
_PATIENCE = 10.0
_POLL = 0.05


def replication_factor(nodes: int) -> int:
    """Choose how many replicas a keyspace has on so many nodes: one on each, three at most."""
    return min(_REPLICAS, nodes)


def create_keyspace(running: RunningCluster, keyspace: str) -> None:
    """Create a keyspace where it is missing; return when every living node has it.

    Args:
        running: The cluster.
        keyspace: Its plain name.

    Raises:
        ConfigurationError: The cluster refuses it.
        ConnectionFailedError: No node answers.
    """
    state = running.state
    access = load_access(running.directory, state.security)
    hosts = [state.hosts[index] for index in running.living]
    factor = replication_factor(running.count)
    statement = (
        f"CREATE KEYSPACE IF NOT EXISTS {quote(keyspace)} "
        f"WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': {factor}}}"
    )
    try:
        run_statement(hosts[0] if hosts else state.hosts[0], state.ports.native, statement, access)
    except RefusedError as exc:
        msg = f"The keyspace {keyspace!r} can't be created: {exc}."
        raise ConfigurationError(msg, hint="Give another keyspace=.", option="keyspace") from exc
    except OSError as exc:
        msg = f"The local node {state.name!r} stopped answering: {exc}."
        raise ConnectionFailedError(msg, hint=f"Its log: {state.log_of(running.directory, 0)}") from exc
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        # no two nodes that differ; one that doesn't answer is the driver's to find
        versions = [rows_or_none(host, state.ports.native, _SCHEMA, access) for host in hosts]
        if all(version in (versions[0], None) for version in versions):
            return
        time.sleep(_POLL)
