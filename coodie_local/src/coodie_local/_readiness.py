"""When nodes that were started count as ready, and what is said where they never are."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from coodie.protocol.codec import Consistency
from coodie_local._jvm import last_lines
from coodie_local._native import is_ready, rows_or_none
from coodie_local._protection import BUILT_IN, load_access
from coodie_local.errors import NodeStartError, PortInUseError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from coodie_local._access import Access
    from coodie_local._attempt import Attempt
    from coodie_local._jvm import Jvm
    from coodie_local._native import Rows
    from coodie_local._running import RunningCluster

__all__ = ["await_ready"]

_POLL = 0.05
_PORT_TAKEN = re.compile(r"Address already in use|Failed to bind port|is in use by another process")

#: Of a keyspace that every Cassandra replicates three times, over all of the ring: who can read
#: it at a level sees as many nodes up.
_REPLICATED = "SELECT keyspace_name FROM system_distributed.view_build_status"
_PEERS = "SELECT peer FROM system.peers_v2"
_SCHEMA = "SELECT schema_version FROM system.local"
_REPLICAS = 3


def await_ready(running: RunningCluster, attempt: Attempt, launched: Iterable[int] = ()) -> None:
    """Wait until nodes answer CQL and see each other up.

    Args:
        running: The cluster; all nodes of it that live are waited for.
        attempt: Until when.
        launched: Those whose JVMs this process has just started.

    Raises:
        NodeStartError: A JVM died, or it took too long.
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
            waiting = _at_odds(running, expected, access)
            if not waiting:
                break
        for index in launched:
            if running.jvms[index].wait(_POLL / len(launched)):
                raise _died(_log(running, index), running.jvms[index])
        if time.monotonic() > attempt.deadline:
            raise _never_ready(_log(running, waiting[0]), attempt.request.timeout)
        attempt.cancellation.sleep(0 if launched else _POLL)
    attempt.cancellation.check()


def _set_password(hosts: list[str], port: int, access: Access) -> None:
    """Give the role that everybody knows a password of the cluster's own, once every node has it."""
    assert access.credentials is not None  # noqa: S101 - the caller looked
    known = replace(access, credentials=BUILT_IN)
    if all(is_ready(host, port, known) for host in hosts):
        mine = access.credentials
        rows_or_none(hosts[0], port, f"ALTER ROLE {mine.username} WITH PASSWORD = '{mine.password}'", known)


def _at_odds(running: RunningCluster, living: list[int], access: Access) -> list[int]:
    """List the nodes that don't know all others, don't see those that live, or have another schema."""
    if running.count == 1:
        return []
    level = _level(running.count, len(living))
    port = running.state.ports.native
    odd: list[int] = []
    schema: Rows | None = None
    for index in living:
        host = running.state.hosts[index]
        peers = rows_or_none(host, port, _PEERS, access)
        schema = schema or rows_or_none(host, port, _SCHEMA, access)
        if (
            peers is None
            or len(peers) != running.count - 1
            or rows_or_none(host, port, _SCHEMA, access) != schema
            or rows_or_none(host, port, _REPLICATED, access, consistency=level) is None
        ):
            odd.append(index)
    return odd


def _level(count: int, living: int) -> int:
    """Choose the highest level that so many living nodes can always answer."""
    if living == count:
        return Consistency.ALL if count >= _REPLICAS else Consistency.QUORUM
    return Consistency.QUORUM if count == _REPLICAS and living == count - 1 else Consistency.ONE


def _log(running: RunningCluster, index: int) -> Path:
    return running.state.log_of(running.directory, index)


def _died(log: Path, jvm: Jvm) -> NodeStartError:
    lines = last_lines(log)
    kind = PortInUseError if any(map(_PORT_TAKEN.search, last_lines(log, 400))) else NodeStartError
    msg = f"Cassandra ended with exit status {jvm.exit_code} before it was ready. {_shown(lines)}"
    return kind(msg, hint=f"The whole log: {log}", log_lines=lines, exit_code=jvm.exit_code)


def _never_ready(log: Path, timeout: float) -> NodeStartError:
    lines = last_lines(log)
    msg = f"Cassandra isn't ready after {timeout:g} s. {_shown(lines)}"
    return NodeStartError(msg, hint=f"Give it longer with timeout=. The whole log: {log}", log_lines=lines)


def _shown(lines: tuple[str, ...]) -> str:
    return "\n    ".join(["The log's last lines:", *(lines or ("(nothing)",)), ""]).rstrip(" ")
