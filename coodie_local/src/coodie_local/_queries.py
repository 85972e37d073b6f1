"""The CQL that starting a cluster takes: are its nodes ready, do they agree, create a keyspace."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError, ConnectionFailedError
from coodie.protocol.codec import Consistency
from coodie.schema.identifiers import quote
from coodie_local._native import SCHEMA_TIMEOUT, RefusedError, is_ready, rows_or_none, run_statement
from coodie_local._node_log import cause_of_death, last_lines, quote_lines
from coodie_local._security import BUILT_IN, load_access
from coodie_local.errors import NodeStartError, PortInUseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from coodie_local._jvm import Jvm
    from coodie_local._running import RunningCluster
    from coodie_local._security import Access
    from coodie_local._start_attempt import StartAttempt

__all__ = ["await_ready", "create_keyspace"]

_POLL_INTERVAL = 0.05
#: Seconds until the nodes must agree on a new keyspace; afterwards it is the driver that notices.
_AGREEMENT_TIMEOUT = 10.0
_PORT_TAKEN = re.compile(r"Address already in use|Failed to bind port|is in use by another process")

#: Of a keyspace that every Cassandra replicates three times: a node that can read it at a high consistency
#: level sees the other nodes up.
_REPLICATED = "SELECT keyspace_name FROM system_distributed.view_build_status"
_PEERS = "SELECT peer FROM system.peers_v2"
_SCHEMA = "SELECT schema_version FROM system.local"
_REPLICAS = 3


def await_ready(running: RunningCluster, attempt: StartAttempt, launched: Iterable[int] = ()) -> None:
    """Wait until all living nodes answer CQL and see each other up.

    Args:
        running: The cluster.
        attempt: Has the deadline.
        launched: Those nodes whose JVMs this process has just started.

    Raises:
        NodeStartError: A JVM died, or the time is over.
    """
    launched = tuple(launched)
    expected = sorted({*launched, *running.living})
    access = load_access(running.directory, running.state.security)
    port = running.state.ports.native
    waiting = expected
    while True:
        attempt.cancellation.check()
        waiting = [index for index in waiting if not is_ready(running.state.hosts[index], port, access)]
        if waiting and access.credentials is not None:
            _set_password([running.state.hosts[index] for index in waiting], port, access)
        if not waiting:
            waiting = _disagreement(running, expected, access)
            if not waiting:
                break
        for index in launched:
            if running.jvms[index].wait(_POLL_INTERVAL / len(launched)):
                raise _died(running.log_of(index), running.jvms[index])
        if time.monotonic() > attempt.deadline:
            raise _never_ready(running.log_of(waiting[0]), attempt.request.timeout)
        attempt.cancellation.sleep(0 if launched else _POLL_INTERVAL)
    attempt.cancellation.check()


def create_keyspace(running: RunningCluster, keyspace: str) -> None:
    """Create a keyspace if it doesn't exist; return when every living node knows it.

    On a node that never starts again with its data, the keyspace isn't written to the commit log: for each
    table that is dropped, Cassandra flushes all that is in the log, which takes longer than all else.

    Raises:
        ConfigurationError: The cluster refuses it.
        ConnectionFailedError: No node answers.
    """
    state = running.state
    access = load_access(running.directory, state.security)
    hosts = [state.hosts[index] for index in running.living] or [state.hosts[0]]
    statement = (
        f"CREATE KEYSPACE IF NOT EXISTS {quote(keyspace)} WITH replication = "
        f"{{'class': 'SimpleStrategy', 'replication_factor': {min(_REPLICAS, running.count)}}}"
    )
    if state.plan(running.directory, 0).forgetful:
        statement += " AND durable_writes = false"
    try:
        run_statement(hosts[0], state.ports.native, statement, access, timeout=SCHEMA_TIMEOUT)
    except RefusedError as exc:
        msg = f"Could not create the keyspace {keyspace!r}: {exc}."
        raise ConfigurationError(msg, hint="Give another keyspace=.", option="keyspace") from exc
    except OSError as exc:
        msg = f"The local node {state.name!r} doesn't respond: {exc}."
        raise ConnectionFailedError(msg, hint=f"Its log: {running.log_of(0)}") from exc
    deadline = time.monotonic() + _AGREEMENT_TIMEOUT
    # a node that doesn't answer has no version
    while len({*_schema_versions(hosts, state.ports.native, access)} - {None}) > 1:
        if time.monotonic() > deadline:
            return
        time.sleep(_POLL_INTERVAL)


def _schema_versions(hosts: Iterable[str], port: int, access: Access) -> list[bytes | None]:
    """Read the schema version of each node; None for one that doesn't answer."""
    answers = (rows_or_none(host, port, _SCHEMA, access) for host in hosts)
    return [rows[0][0] if rows else None for rows in answers]


def _set_password(hosts: Sequence[str], port: int, access: Access) -> None:
    """Replace the well-known password of the built-in role, once every node has the role."""
    assert access.credentials is not None  # noqa: S101 - checked by the caller
    known = replace(access, credentials=BUILT_IN)
    if all(is_ready(host, port, known) for host in hosts):
        own = access.credentials
        rows_or_none(hosts[0], port, f"ALTER ROLE {own.username} WITH PASSWORD = '{own.password}'", known)


def _disagreement(running: RunningCluster, living: Sequence[int], access: Access) -> list[int]:
    """List the living nodes that don't know all others, don't see the living ones, or have another schema."""
    if running.count == 1:
        return []
    level = _level(running.count, len(living))
    port = running.state.ports.native
    hosts = [running.state.hosts[index] for index in living]
    versions = _schema_versions(hosts, port, access)
    return [
        index
        for index, host, version in zip(living, hosts, versions, strict=True)
        if version is None
        or version != versions[0]
        or len(rows_or_none(host, port, _PEERS, access) or ()) != running.count - 1
        or rows_or_none(host, port, _REPLICATED, access, consistency=level) is None
    ]


def _level(count: int, living: int) -> int:
    """Choose the highest consistency level at which this many living nodes can always answer."""
    if living == count:
        return Consistency.ALL if count >= _REPLICAS else Consistency.QUORUM
    return Consistency.QUORUM if count == _REPLICAS and living == count - 1 else Consistency.ONE


def _died(log: Path, jvm: Jvm) -> NodeStartError:
    lines = last_lines(log)
    kind = PortInUseError if any(map(_PORT_TAKEN.search, last_lines(log, 400))) else NodeStartError
    ended = f"Cassandra exited with status {jvm.exit_code} before it was ready."
    msg = " ".join(filter(None, (ended, cause_of_death(log), quote_lines(lines))))
    return kind(msg, hint=f"The whole log: {log}", log_lines=lines, exit_code=jvm.exit_code)


def _never_ready(log: Path, timeout: float) -> NodeStartError:
    lines = last_lines(log)
    msg = f"Cassandra isn't ready after {timeout:g} s. {quote_lines(lines)}"
    return NodeStartError(msg, hint=f"Give a longer timeout=. The whole log: {log}", log_lines=lines)
