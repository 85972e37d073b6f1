"""Execute the requests of a plan as calls of a driver, one after another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from coodie.effects import Call, Sleep
from coodie.exceptions import InvalidQueryError
from coodie.schema.agreement import AGREEMENT_TIMEOUT, POLL_INTERVAL, VERSION_QUERIES, Agreement
from coodie.schema.requests import Execute, Read, ReadNodes
from coodie.schema.syncoptions import SyncOptions, check_sync_options

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from coodie.effects import Effect
    from coodie.schema.requests import Query, Request

__all__ = ["calls"]


def calls(driver: Any, options: SyncOptions | None) -> Callable[[Request], Generator[Effect, Any, Any]]:
    """Return the function that executes a request of a plan, for ``drive``.

    Args:
        driver: The driver.
        options: The caller's options.
    """
    return _Calls(driver, check_sync_options(options)).answer


class _Calls:
    """Execute the requests of a plan as calls of a driver, one after another.

    Args:
        driver: The driver.
        options: The caller's options.
    """

    def __init__(self, driver: Any, options: SyncOptions) -> None:
        self._driver = driver
        self._timeout = options.timeout
        given = options.agreement_timeout
        self._agreement = Agreement(AGREEMENT_TIMEOUT if given is None else given)

    def answer(self, request: Request) -> Generator[Effect, Any, Any]:
        """Execute one request."""
        if isinstance(request, Read):
            return (yield from self._rows(request.queries, self._timeout))
        if isinstance(request, ReadNodes):
            return (yield from self._rows([request.query], self._timeout))
        if isinstance(request, Execute):
            yield from self._execute(request.cql, (), self._timeout)
            return None
        if isinstance(request, Sleep):
            yield request
            return None
        if request.query is not None:
            yield from self._await_table(request.query)
        return (yield from self._agreement.wait(self._look))

    def _await_table(self, query: Query) -> Generator[Effect, Any, None]:
        """Wait until the queried node knows the table.

        Raises:
            InvalidQueryError: The node didn't know the table in time.
        """
        deadline = time.monotonic() + self._agreement.seconds
        while True:
            try:
                yield from self._execute(query.cql, (), self._timeout)
            except InvalidQueryError:
                if time.monotonic() >= deadline:
                    raise
            else:
                return
            yield Sleep(POLL_INTERVAL)

    def _execute(self, cql: str, params: Sequence[str], timeout: float | None) -> Generator[Effect, Any, Any]:
        extra: dict[str, Any] = {} if timeout is None else {"timeout": timeout}
        if getattr(self._driver, "_default_rows", None) is not None:
            extra["rows"] = dict
        return (yield Call(self._driver, "execute", cql, list(params), **extra))

    def _rows(self, queries: Sequence[Query], timeout: float | None) -> Generator[Effect, Any, list[Any]]:
        found = []
        for query in queries:
            rows = yield from self._execute(query.cql, query.params, timeout)
            found.append(rows)
        return found

    def _look(self, left: float) -> Generator[Effect, Any, list[Any]]:
        timeout = None if self._timeout is None else min(self._timeout, left)
        return (yield from self._rows(VERSION_QUERIES, timeout))
