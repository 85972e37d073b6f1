"""The node that executes a whole ``sync_table``, so that it reads its own changes."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.policies import HostDistance

from coodie.effects import Sleep, gather
from coodie.exceptions import (
    ConnectionFailedError,
    CoodieError,
    InvalidQueryError,
    OverloadedError,
    RequestTimeoutError,
    UnauthorizedError,
)
from coodie.schema.agreement import VERSION_QUERIES, Agreement
from coodie.schema.requests import Execute, Read, ReadNodes

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from cassandra.cluster import Session
    from cassandra.pool import Host

    from coodie.drivers.cassandra._schema_requests import SchemaRequests
    from coodie.effects import Effect
    from coodie.schema.requests import Query, Request
    from coodie.schema.syncoptions import SyncOptions

__all__ = ["Coordinator"]

logger = logging.getLogger("coodie.schema")

#: Seconds to wait for a new session to connect to the node.
_POOL_TIMEOUT = 2.0

#: Seconds between two polls.
_POLL_INTERVAL = 0.05

#: Minimum timeout of a read: a busy node shouldn't be given up, since it serialises the changes.
_MIN_READ_TIMEOUT = 2.0

#: Errors after which another node is tried.
_NODE_ERRORS = (ConnectionFailedError, RequestTimeoutError, OverloadedError)


class Coordinator:
    """Execute the planner's requests on one node, which is the same for all clients.

    Nodes accept schema changes independently of one another. If all clients use the same node, it serialises
    the changes. It is the node with the smallest host id, of those that are up and that the session's policy
    allows.

    Args:
        session: The backend's session.
        requests: Executes the requests.
        timeout: The timeout of each request in seconds.
        options: The caller's options.
    """

    def __init__(
        self, session: Session, requests: SchemaRequests, timeout: float, options: SyncOptions
    ) -> None:
        self._session = session
        self._requests = requests
        self._timeout = timeout
        given = options.agreement_timeout
        self._agreement = Agreement(session.cluster.max_schema_agreement_wait if given is None else given)
        self._host: Host | None = None
        self._chosen = False
        self._given_up: set[Host] = set()
        #: Whether the schema is being changed, by this client or by others.
        self._is_changing = False
        #: Warnings for the caller, in addition to the planner's.
        self.warnings: list[str] = []

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)
            logger.warning("%s", warning)

    def answer(self, request: Request) -> Generator[Effect, Any, Any]:
        """Execute a request of the planner."""
        if not self._chosen:
            yield from self._choose()
        if isinstance(request, Read):
            return (yield from self._read(request.queries))
        if isinstance(request, ReadNodes):
            return (yield from self._read_nodes(request.query))
        if isinstance(request, Execute):
            self._is_changing = True
            yield from self._requests.change_schema(request.cql, self._timeout, self._host)
        elif isinstance(request, Sleep):
            yield request
        elif request.query is not None:
            return (yield from self._await_table(request.query))
        return None  # after a change, the next read waits for agreement

    # --- the node -----------------------------------------------------------------------

    def _choose(self) -> Generator[Effect, Any, None]:
        """Choose a node that hasn't failed; None for the choice of the session's policy."""
        waited = 0.0
        while True:
            candidates = self._candidates()
            self._host = candidates[0] if candidates else None
            reachable = self._session.get_pool_state()
            if self._host is None or self._host in reachable:
                break
            if waited >= _POOL_TIMEOUT:
                self._host = next((host for host in candidates if host in reachable), None)
                break
            yield Sleep(_POLL_INTERVAL)
            waited += _POLL_INTERVAL
        self._chosen = True

    def _candidates(self) -> list[Host]:
        """Return the nodes that are up and haven't failed."""
        return [host for host in self._hosts() if host.is_up is not False and host not in self._given_up]

    def _hosts(self) -> list[Host]:
        """Return the nodes that the session's policy allows, in the same order for all clients."""
        policy = self._session.get_execution_profile(EXEC_PROFILE_DEFAULT).load_balancing_policy
        hosts = self._session.cluster.metadata.all_hosts()
        usable = [host for host in hosts if policy.distance(host) != HostDistance.IGNORED]
        return sorted(usable, key=lambda host: (str(host.host_id), str(host.endpoint)))

    # --- reads --------------------------------------------------------------------------

    def _read(self, queries: Sequence[Query]) -> Generator[Effect, Any, list[Any]]:
        """Read concurrently, with the schema versions; read again after waiting for agreement."""
        rows = yield from self._read_together((*queries, *VERSION_QUERIES), self._timeout)
        answers, (local, peers) = rows[: len(queries)], rows[len(queries) :]
        if self._agreement.reached(local, self._up(peers)):
            return answers
        self._is_changing = True
        disagreement = yield from self._agreement.wait(self._look)
        if disagreement is not None:
            self._warn(disagreement)
        return (yield from self._read_together(queries, self._timeout))

    def _read_together(self, queries: Sequence[Query], timeout: float) -> Generator[Effect, Any, list[Any]]:
        """Read from the node, or from the next one if it fails.

        The timeout is for all nodes: each gets half of the remaining time, and the last one all of it.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            share = left / 2 if len(self._candidates()) > 1 else left
            seconds = max(share, min(_MIN_READ_TIMEOUT, self._timeout))
            try:
                reads = [self._requests.read(query, seconds, self._host) for query in queries]
                return (yield from gather(reads))
            except _NODE_ERRORS as exc:
                if self._host is None:
                    raise
                silent = self._host
                self._given_up.add(silent)
                yield from self._choose()
                if self._host is None:
                    raise
                if isinstance(exc, RequestTimeoutError):
                    self._warn(f"{silent.endpoint} didn't respond within {seconds:g} s; using another node")

    def _look(self, left: float) -> Generator[Effect, Any, tuple[list[Any], list[Any]]]:
        local, peers = yield from self._read_together(VERSION_QUERIES, min(left, self._timeout))
        return local, self._up(peers)

    def _up(self, peers: list[Any]) -> list[Any]:
        """Return the rows without the nodes that are down, which can't agree."""
        hosts = self._session.cluster.metadata.all_hosts()
        down = {host.host_id for host in hosts if host.is_up is False}
        return [row for row in peers if row["host_id"] not in down]

    # --- the table on all nodes ---------------------------------------------------------

    def _await_table(self, query: Query) -> Generator[Effect, Any, str | None]:
        """Wait until each node that the session uses can execute the query.

        Nodes show a new table in system_schema before it can be used. So neither the system tables nor schema
        agreement show that the table can be used.

        Returns:
            None; or a sentence that names the nodes on which the table can't be used, or that didn't respond.
        """
        if self._agreement.seconds <= 0:
            return None
        started = time.monotonic()
        deadline, pools_by = started + self._agreement.seconds, started + _POOL_TIMEOUT
        waiting, silent = self._candidates() or [self._host], []
        while True:
            found = yield from gather([self._probe(query, host, pools_by) for host in waiting])
            silent += [host for host, known in zip(waiting, found, strict=True) if known is None]
            waiting = [host for host, known in zip(waiting, found, strict=True) if known is False]
            if not waiting or time.monotonic() >= deadline:
                break
            yield Sleep(_POLL_INTERVAL)
        down = [host for host in self._hosts() if host.is_up is False and self._is_changing]
        groups = ((waiting, "don't know it"), (silent, "didn't respond"), (down, "down"))
        named = [f"{', '.join(_name(host) for host in hosts)} ({why})" for hosts, why in groups if hosts]
        return f"the table isn't usable on all nodes: {'; '.join(named)}" if named else None

    def _probe(self, query: Query, host: Host | None, pools_by: float) -> Generator[Effect, Any, bool | None]:
        """Return whether a node can execute a query; None if that is unknown.

        Args:
            query: The query.
            host: The node.
            pools_by: Until when a new session may still connect to the node, on the monotonic clock.
        """
        if host is not None and host not in self._session.get_pool_state():
            return False if time.monotonic() < pools_by else None
        try:
            yield from self._requests.read(query, min(_MIN_READ_TIMEOUT, self._timeout), host)
        except InvalidQueryError:
            self._is_changing = True
            return False
        except UnauthorizedError:  # the node knows the table
            return True
        except CoodieError:
            return None
        return True

    def _read_nodes(self, query: Query) -> Generator[Effect, Any, list[Any]]:
        """Read from each node that the session is connected to."""
        reads = [self._requests.read(query, self._timeout, host) for host in self._connected()]
        return (yield from gather(reads))

    def _connected(self) -> list[Host | None]:
        reachable = self._session.get_pool_state()
        hosts: list[Host | None] = [host for host in self._candidates() if host in reachable]
        return hosts or [self._host]


def _name(host: Host | None) -> str:
    return "the node of the request" if host is None else str(host.endpoint)
