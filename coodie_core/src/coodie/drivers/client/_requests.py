"""The steps of a request through any client, as generators that the sync and the async shell drive alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from coodie.capabilities import Capability, check_request, require
from coodie.consistency import parse_consistency
from coodie.contract.checks import check_fetch_size, check_statement, refuse_parameters, refuse_use
from coodie.cql import Kind, inspect_statement, with_positional_markers
from coodie.drivers.client._prepared import PreparedStatements
from coodie.drivers.client.client import ClientRequest, StaleStatementError
from coodie.exceptions import CoodieError, ServerError
from coodie.observers.observation import observe_request
from coodie.paging import open_paging_state, seal_paging_state
from coodie.parameters import positional
from coodie.requests import RequestOptions, check_options, check_timeout
from coodie.rows import Rows, first_item
from coodie.types import UNSET

if TYPE_CHECKING:
    from coodie.drivers._lifetime import Lifetime
    from coodie.drivers.client.client import Client, Page, Steps
    from coodie.observers.request import ObservedRequest

__all__ = ["ClientRequests"]

#: Rows to a page where all are wanted.
_PAGE = 5000

#: Seconds where neither the call nor the connection has a limit: none is never meant.
_TIMEOUT = 10.0

#: How often a statement is sent that the server doesn't know, each time prepared anew. Cassandra, once its
#: cache of statements is full, may drop a new one at once in favour of those that are used more.
_ATTEMPTS = 5

_DEFAULTS = RequestOptions()


class _Ready(NamedTuple):
    """A request before its first page."""

    stmt: str
    params: Any
    kind: Kind
    #: Whether it starts as CQL does.
    recognised: bool
    request: ClientRequest
    #: Who is told of its pages.
    seen: ObservedRequest


class ClientRequests:
    """What can be asked through one client.

    Args:
        client: The client.
        lifetime: The driver's.
        capabilities: What the driver declares; a request that asks for more is refused.
        name: How errors call the driver.
        request_timeout: Seconds for requests that name none.
        consistency: The level of requests that name none.
        statement_cache_size: How many prepared statements to keep.
        statement_lifetime: Seconds after which one is prepared anew, or None.
    """

    def __init__(
        self,
        client: Client,
        lifetime: Lifetime,
        capabilities: frozenset[Capability],
        *,
        name: str,
        request_timeout: float | None,
        consistency: str | None,
        statement_cache_size: int,
        statement_lifetime: float | None,
    ) -> None:
        self._client = client
        self._lifetime = lifetime
        self._capabilities = capabilities
        self._name = name
        self._timeout = check_timeout(request_timeout, "request_timeout") or _TIMEOUT
        self._consistency = consistency
        self.statements = PreparedStatements(statement_cache_size, statement_lifetime)

    def rows(
        self,
        driver: object,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        fetch_size: int | None,
        paging_state: bytes | None,
        options: RequestOptions | None,
    ) -> Steps[Rows]:
        """Execute and return all rows, or one page where fetch_size is given."""
        level = consistency or self._consistency
        with observe_request(
            driver, stmt, params, consistency=level, fetch_size=fetch_size, timeout=timeout, options=options
        ) as seen:
            ready = self._ready(stmt, params, consistency, timeout, fetch_size, paging_state, options, seen)
            request, page = yield from self._first_page(ready)
            if fetch_size is not None:
                state = page.paging_state
                sealed = None if state is None else seal_paging_state(state, stmt)
                return Rows(page.rows, paging_state=sealed, warnings=page.warnings, trace_id=page.trace_id)
            rows = Rows(page.rows, warnings=page.warnings, trace_id=page.trace_id)
            while page.paging_state is not None:
                following = replace(request, paging_state=page.paging_state)
                request, page = yield from self._page(ready, following)
                rows.extend(page.rows)
            return rows

    def first_value(
        self,
        driver: object,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        options: RequestOptions | None,
    ) -> Steps[Any]:
        """Execute and return the first column of the first row, or None; no page after it is fetched."""
        level = consistency or self._consistency
        with observe_request(
            driver, stmt, params, consistency=level, timeout=timeout, options=options
        ) as seen:
            ready = self._ready(stmt, params, consistency, timeout, None, None, options, seen)
            request, page = yield from self._first_page(ready)
            # A page may be empty and not the last one.
            while not page.rows and page.paging_state is not None:
                following = replace(request, paging_state=page.paging_state)
                request, page = yield from self._page(ready, following)
            return first_item(page.rows)

    def check(self, need: Capability, name: str) -> None:
        """Refuse what the driver doesn't declare.

        Args:
            need: What it takes.
            name: What was asked for, as the caller wrote it: ``"fetch_size"``, ``"RequestOptions.trace"``…

        Raises:
            UnsupportedError: It isn't declared.
        """
        require(self._capabilities, need, name, self._name)

    # --- before sending -----------------------------------------------------------------

    def _ready(
        self,
        stmt: str,
        params: Any,
        consistency: str | None,
        timeout: float | None,
        fetch_size: int | None,
        paging_state: bytes | None,
        options: RequestOptions | None,
        seen: ObservedRequest,
    ) -> _Ready:
        """Check every argument; nothing has been sent before."""
        self._lifetime.check()
        check_options(options)
        check_statement(stmt)
        if fetch_size is not None:
            check_fetch_size(fetch_size)
        check_request(
            self._capabilities,
            self._name,
            consistency=consistency,
            fetch_size=fetch_size,
            paging_state=paging_state,
            options=options,
        )
        shape = inspect_statement(stmt)
        if shape.kind is Kind.USE:
            raise refuse_use(stmt)
        prepares = shape.kind not in (Kind.SCHEMA, Kind.PLAIN)
        if not prepares:
            refuse_parameters(params, stmt)
        request = ClientRequest(
            cql=with_positional_markers(stmt)[0] if prepares else stmt,
            prepared=None,
            values=(),
            consistency=self._consistency if consistency is None else parse_consistency(consistency),
            timeout=check_timeout(timeout) or self._timeout,
            page_size=fetch_size or _PAGE,
            paging_state=None if paging_state is None else open_paging_state(paging_state, stmt),
            repeatable=shape.kind is Kind.READ or (options is not None and options.idempotent),
            options=options or _DEFAULTS,
        )
        recognised = shape.kind is not Kind.WRITE or shape.table is not None
        return _Ready(stmt, params, shape.kind, recognised, request, seen)

    # --- sending ------------------------------------------------------------------------

    def _first_page(self, ready: _Ready) -> Steps[tuple[ClientRequest, Page]]:
        """Prepare where that has to be, and send; return what later pages are asked with, too."""
        if ready.kind in (Kind.SCHEMA, Kind.PLAIN):
            page = yield from self._sent(ready, ready.request)
            if ready.kind is Kind.SCHEMA:
                self.statements.clear()
            return ready.request, page
        request = yield from self._prepared(ready)
        return (yield from self._page(ready, request))

    def _page(self, ready: _Ready, request: ClientRequest) -> Steps[tuple[ClientRequest, Page]]:
        """Send, and again where the statement has gone stale; return what the next page is asked with."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return request, (yield from self._sent(ready, request))
            except StaleStatementError as exc:
                self.statements.forget(request.cql)
                if attempt == _ATTEMPTS:
                    message = f"The server refused the prepared statement {attempt} times."
                    hint = "Its table may be changing: try again."
                    raise ServerError(message, hint=hint, statement=ready.stmt) from exc
            fresh = yield from self._prepared(ready)
            request = replace(fresh, paging_state=request.paging_state)
        raise AssertionError  # the last attempt returns or raises

    def _prepared(self, ready: _Ready) -> Steps[ClientRequest]:
        stmt, request = ready.stmt, ready.request

        def prepare() -> Steps[Any]:
            try:
                return (yield from self._client.prepare(request.cql, request.timeout))
            except CoodieError:
                raise
            except Exception as exc:
                raise self._client.error(exc, stmt, request.timeout) from exc

        # A batch as one text is as good as never seen again.
        keep = ready.kind is not Kind.BATCH
        prepared = yield from self.statements.get(request.cql, request.timeout, prepare, keep=keep)
        # After the server has seen the statement: what isn't CQL has no parameters to be wrong. A client that
        # doesn't really prepare sends it, so that the server may say so.
        values = positional(stmt, ready.params).values if ready.recognised else ()
        if any(value is UNSET for value in values):
            self.check(Capability.UNSET_VALUES, "coodie.UNSET")
        return replace(request, prepared=prepared, values=values)

    def _sent(self, ready: _Ready, request: ClientRequest) -> Steps[Page]:
        # A request of several pages may meet the driver's end half-way.
        self._lifetime.check()
        try:
            page = yield from self._client.send(request)
        except (CoodieError, StaleStatementError):
            raise
        except Exception as exc:
            raise self._client.error(exc, ready.stmt, request.timeout) from exc
        ready.seen.add_page(len(page.rows), page.host)
        return page
