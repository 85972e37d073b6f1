"""One node that a whole sync goes through, so that it reads what it has written."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.policies import HostDistance

from coodie.effects import Sleep, gather
from coodie.exceptions import ConnectionFailedError, OverloadedError, RequestTimeoutError
from coodie.schema.agreement import VERSION_QUERIES, Agreement
from coodie.schema.requests import Execute, Read, ReadNodes

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from cassandra.cluster import Session
    from cassandra.pool import Host

    from coodie.drivers.cassandra._observing import ObservedRequests
    from coodie.drivers.cassandra._requests import Requests
    from coodie.effects import Effect
    from coodie.schema.requests import Query, Request
    from coodie.schema.syncoptions import SyncOptions

__all__ = ["Coordinator"]

logger = logging.getLogger("coodie.schema")

#: Seconds that a session which has just connected is given to reach the node.
_POOL_PATIENCE = 2.0

#: Seconds between two looks.
_POLL_INTERVAL = 0.05

#: Seconds that a node has at least: one that is only busy isn't to be given up, since it orders the changes.
_SHORTEST_READ = 2.0

#: What says that a node can't be asked now, and another might.
_ELSEWHERE = (ConnectionFailedError, RequestTimeoutError, OverloadedError)


class Coordinator:
    """Carry out what the planner asks for through one node, the same for everybody.

    Nodes accept schema changes independently of one another. Where all who change a table ask the same
    one, it puts them in order. It is the one with the smallest host id, of those that are up and that
    this session's policy lets it use.

    Args:
        session: The backend's session.
        requests: What can be asked through it.
        timeout: Seconds for each request.
        options: What else the caller asks for.
    """

    def __init__(
        self, session: Session, requests: Requests | ObservedRequests, timeout: float, options: SyncOptions
    ) -> None:
        self._session = session
        self._requests = requests
        self._timeout = timeout
        given = options.agreement_timeout
        self._agreement = Agreement(session.cluster.max_schema_agreement_wait if given is None else given)
        self._host: Host | None = None
        self._chosen = False
        self._given_up: set[Host] = set()
        #: What the caller should know beside what the planner says.
        self.warnings: list[str] = []

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)
            logger.warning("%s", warning)

    def answer(self, request: Request) -> Generator[Effect, Any, Any]:
        """Carry one request out."""
        if not self._chosen:
            yield from self._choose()
        if isinstance(request, Read):
            return (yield from self._read(request.queries))
        if isinstance(request, ReadNodes):
            return (yield from self._read_nodes(request.query))
        if isinstance(request, Execute):
            yield from self._requests.change_schema(request.cql, self._timeout, self._host)
        elif isinstance(request, Sleep):
            yield request
        return None  # AwaitAgreement: the next read, which is of the same node, waits for the others

    # --- the node -----------------------------------------------------------------------

    def _choose(self) -> Generator[Effect, Any, None]:
        """Choose among the nodes that haven't failed; None leaves it to the session's policy."""
        waited = 0.0
        while True:
            candidates = self._candidates()
            self._host = candidates[0] if candidates else None
            reachable = self._session.get_pool_state()
            if self._host is None or self._host in reachable:
                break
            if waited >= _POOL_PATIENCE:
                self._host = next((host for host in candidates if host in reachable), None)
                break
            yield Sleep(_POLL_INTERVAL)
            waited += _POLL_INTERVAL
        self._chosen = True

    def _candidates(self) -> list[Host]:
        """Return the nodes that are up and not for others to use, in the order that everybody has."""
        policy = self._session.get_execution_profile(EXEC_PROFILE_DEFAULT).load_balancing_policy
        hosts = [
            host
            for host in self._session.cluster.metadata.all_hosts()
            if host.is_up is not False
            and host not in self._given_up
            and policy.distance(host) != HostDistance.IGNORED
        ]
        return sorted(hosts, key=lambda host: (str(host.host_id), str(host.endpoint)))

    # --- reads --------------------------------------------------------------------------

    def _read(self, queries: Sequence[Query]) -> Generator[Effect, Any, list[Any]]:
        """Read all at once, with the schema's versions; once more where the nodes had to agree first."""
        rows = yield from self._read_together((*queries, *VERSION_QUERIES), self._timeout)
        answers, (local, peers) = rows[: len(queries)], rows[len(queries) :]
        if self._agreement.reached(local, self._up(peers)):
            return answers
        disagreement = yield from self._agreement.wait(self._look)
        if disagreement is not None:
            self._warn(disagreement)
        return (yield from self._read_together(queries, self._timeout))

    def _read_together(self, queries: Sequence[Query], timeout: float) -> Generator[Effect, Any, list[Any]]:
        """Read from the node, or from the next one if it can't be asked: nothing is changed by that.

        The time is for all nodes that are asked: where there is another one, half of what is left.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            share = left / 2 if len(self._candidates()) > 1 else left
            seconds = max(share, min(_SHORTEST_READ, self._timeout))
            try:
                reads = [self._requests.read(query, seconds, self._host) for query in queries]
                return (yield from gather(reads))
            except _ELSEWHERE as exc:
                if self._host is None:
                    raise
                silent = self._host
                self._given_up.add(silent)
                yield from self._choose()
                if self._host is None:
                    raise
                if isinstance(exc, RequestTimeoutError):
                    self._warn(
                        f"{silent.endpoint} gave no answer within {seconds:g} s; another node was asked"
                    )

    def _look(self, left: float) -> Generator[Effect, Any, tuple[list[Any], list[Any]]]:
        local, peers = yield from self._read_together(VERSION_QUERIES, min(left, self._timeout))
        return local, self._up(peers)

    def _up(self, peers: list[Any]) -> list[Any]:
        """Return the rows of the nodes that aren't known to be down: those can't agree."""
        hosts = self._session.cluster.metadata.all_hosts()
        down = {host.host_id for host in hosts if host.is_up is False}
        return [row for row in peers if row["host_id"] not in down]

    def _read_nodes(self, query: Query) -> Generator[Effect, Any, list[Any]]:
        """Read from every node that this session has a connection to."""
        hosts = [host for host in self._candidates() if host in self._session.get_pool_state()]
        reads = [self._requests.read(query, self._timeout, host) for host in hosts or [self._host]]
        return (yield from gather(reads))
