"""Requests as those see them who observe; not in the way where nobody does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from coodie.drivers.cassandra._sending import Answer, InFlight
from coodie.drivers.cassandra.fast.exchange import Exchange
from coodie.effects import resume
from coodie.observers.events import Host
from coodie.observers.observation import batch_part, observe_request
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from cassandra.pool import Host as DriverHost

    from coodie.batch import BatchItem
    from coodie.drivers.cassandra._requests import Requests
    from coodie.drivers.cassandra.fast.settled import Begun
    from coodie.effects import Effect
    from coodie.observers.request import ObservedRequest, Part
    from coodie.requests import BatchType, RequestOptions
    from coodie.rows import Rows
    from coodie.schema.requests import Query

__all__ = ["ObservedRequests"]

T = TypeVar("T")

#: The level at which the server's own tables are read: they aren't replicated.
_LOCAL_ONE = "LOCAL_ONE"


class ObservedRequests:
    """The same requests as ``Requests`` makes, each in core's context manager.

    Args:
        driver: Whose they are.
        requests: What makes their steps.
        part: What they are a part of.
    """

    def __init__(self, driver: object, requests: Requests, part: Part | None = None) -> None:
        self._driver = driver
        self._requests = requests
        self._part = part

    def send(self, stmt: str, params: Any, consistency: str | None, timeout: float | None) -> None:
        """Send nothing: each request is told by itself."""

    def rows(
        self,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        fetch_size: int | None,
        paging_state: bytes | None,
        options: RequestOptions | None,
        begun: Begun | None = None,
    ) -> Generator[Effect, Any, Rows]:
        """As ``Requests.rows``."""
        steps = self._requests.rows(
            stmt, params, consistency, timeout, fetch_size, paging_state, options, begun
        )
        request = observe_request(
            self._driver,
            stmt,
            params,
            consistency=self._requests.level(consistency),
            fetch_size=fetch_size,
            timeout=timeout,
            options=options,
            part=self._part,
        )
        return _observed(request, steps)

    def first_value(
        self,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        options: RequestOptions | None,
        begun: Begun | None = None,
    ) -> Generator[Effect, Any, Any]:
        """As ``Requests.first_value``."""
        steps = self._requests.first_value(stmt, params, consistency, timeout, options, begun)
        level = self._requests.level(consistency)
        request = observe_request(
            self._driver, stmt, params, consistency=level, timeout=timeout, options=options
        )
        return _observed(request, steps)

    def batch(
        self,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str,
        consistency: str | None,
        timeout: float | None,
        options: RequestOptions | None,
    ) -> Generator[Effect, Any, Rows]:
        """As ``Requests.batch``; the statements are drawn before the request is told to start."""
        statements = list(statements)
        steps = self._requests.batch(statements, batch_type, consistency, timeout, options)
        request = observe_request(
            self._driver,
            "",
            (),
            consistency=self._requests.level(consistency),
            timeout=timeout,
            options=options,
            part=batch_part(statements),
        )
        return _observed(request, steps)

    def read(
        self, query: Query, timeout: float | None, host: DriverHost | None
    ) -> Generator[Effect, Any, list[dict[str, Any]]]:
        """As ``Requests.read``."""
        steps = self._requests.read(query, timeout, host)
        request = observe_request(
            self._driver, query.cql, query.params, consistency=_LOCAL_ONE, timeout=timeout
        )
        return _observed(request, steps)

    def change_schema(
        self, stmt: str, timeout: float | None, host: DriverHost | None
    ) -> Generator[Effect, Any, None]:
        """As ``Requests.change_schema``."""
        steps = self._requests.change_schema(stmt, timeout, host)
        request = observe_request(
            self._driver, stmt, (), consistency=self._requests.level(None), timeout=timeout
        )
        return _observed(request, steps)


def _observed(request: ObservedRequest, steps: Generator[Effect, Any, T]) -> Generator[Effect, Any, T]:
    """Drive a request's steps on to their end, and note the pages that pass by."""

    def seen(wait: Effect, answer: Any) -> None:
        if isinstance(wait, Exchange):
            request.tried(_described(wait.host))
            # The rows are counted where they are decoded, which is what comes next.
            wait.noted = lambda rows, host: request.add_page(rows, _described(host))
        elif isinstance(wait, Wait) and isinstance(
            wait.future, InFlight
        ):  # else a statement that was prepared
            host = _host(wait.future)
            if isinstance(answer, Answer):
                request.add_page(len(answer.rows), host)
            else:
                request.tried(host)

    with request:
        try:
            wait = next(steps)
        except StopIteration as stop:
            value: T = stop.value
            return value
        return (yield from resume(steps, wait, seen))


def _host(in_flight: InFlight) -> Host | None:
    """Return the node that answered, or else the last that was asked: what ResponseFuture documents."""
    response = in_flight.response
    if response is None:
        return None
    host = response.coordinator_host
    if host is None:
        if not response.attempted_hosts:
            return None
        host = response.attempted_hosts[-1]
    return _described(host)


def _described(host: DriverHost | None) -> Host | None:
    if host is None:
        return None
    return Host(
        address=str(host.endpoint.address),
        port=host.endpoint.port,
        datacenter=host.datacenter,
        rack=host.rack,
        host_id=host.host_id,
    )
