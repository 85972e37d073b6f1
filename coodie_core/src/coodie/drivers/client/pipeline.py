"""The request pipeline of all drivers: check, prepare, bind, send, page, observe.

The steps are generators, which a thread or an event loop runs; ``Client`` has optional methods for them.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from coodie._bulk import in_bulk
from coodie._points import point
from coodie._unset import UNSET
from coodie.capabilities import Capability, check_capabilities, require
from coodie.contract.checks import check_request, refuse_parameters, refuse_use
from coodie.contract.operations import PROBE
from coodie.contract.total_timeout import within_total
from coodie.cql import Kind, inspect_statement
from coodie.drivers._last_page import remember_paging_state
from coodie.drivers.client.client import ClientRequest, First, Page, StaleStatementError, client_options
from coodie.drivers.client.gate import Ticket, gated
from coodie.drivers.client.keyspaces import as_given, qualified_items, qualified_request, without_keyspace
from coodie.drivers.client.pages import add_details, completed, extend, read_page, standing_still, with_shape
from coodie.drivers.client.pipeline_options import make_gate
from coodie.drivers.client.statements import StatementCache
from coodie.drivers.client.timestamps import check_items, check_shape, counter_error
from coodie.effects import Sleep, Started, Steps
from coodie.exceptions import CoodieError, ServerError
from coodie.observers.hub import request_observers
from coodie.observers.instrumentation import ONE_OF_MANY, batch_part, observe
from coodie.observers.request import UNOBSERVED
from coodie.observers.retryreason import RetryReason
from coodie.requests import BatchType, Request, parse_batch_type
from coodie.rows import Rows, new_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from coodie.batch import BatchItem
    from coodie.contract.driver import AbstractDriver
    from coodie.drivers._lifecycle import Lifecycle
    from coodie.drivers.client.client import Client
    from coodie.drivers.client.pipeline_options import PipelineOptions
    from coodie.drivers.client.statements import CachedStatement
    from coodie.observers.request import ObservedRequest, Part
    from coodie.requests import Params, RequestOptions

__all__ = ["Pipeline"]

T = TypeVar("T")

#: Rows per page of requests for all rows.
PAGE_SIZE = 5000

#: Attempts to execute a statement that the server reports as unprepared: a server whose cache is full may
#: evict a new one at once, several times in a row. And seconds before the third attempt, doubled for each
#: later one up to a maximum.
_MAX_ATTEMPTS = 10
_PAUSE = 0.02
_MAX_PAUSE = 0.2


class _Batch(NamedTuple):
    """A batch type, and the batch's statements with their values."""

    kind: BatchType
    items: list[tuple[str, Params]]


class Pipeline:
    """The requests of one driver.

    Args:
        client: The driver's client.
        lifecycle: The driver's lifecycle.
        options: The options of all requests.
    """

    def __init__(self, client: Client, lifecycle: Lifecycle, options: PipelineOptions) -> None:
        self._client = client
        self._lifecycle = lifecycle
        self._options = options
        self._timeout = options.timeout
        self._consistency = options.consistency
        needed_by_requests = frozenset(Capability) - {Capability.NATIVE_ASYNC}
        self._has_all_capabilities = options.capabilities >= needed_by_requests
        #: Limits requests; None without limits.
        self.gate = make_gate(options)
        self.statements = StatementCache(client, options.statement_cache_size, options.statement_lifetime)
        #: Requests in progress, also between two round trips.
        self._running: set[Ticket] = set()

    # --- the requests -------------------------------------------------------------------

    def rows(
        self,
        driver: AbstractDriver,
        request: Request,
        *,
        first: First | None = None,
        one_of_many: bool = False,
    ) -> Steps[Rows[Any]]:
        """Execute a request; return all rows, or one page if it has a fetch_size.

        Args:
            driver: The driver.
            request: The caller's request.
            first: Returns the first page of a request that has been sent already.
            one_of_many: The request is part of an ``execute_many``.
        """

        def steps(observed: ObservedRequest) -> Steps[Rows[Any]]:
            made = partial(self._rows, driver, observed=observed, first=first)
            return self._gated(made, request, first, patient=one_of_many)

        return self.observed(driver, request, steps, ONE_OF_MANY if one_of_many else None)

    def first_value(
        self, driver: AbstractDriver, request: Request, *, first: First | None = None
    ) -> Steps[Any]:
        """Execute a request; return the first column of the first row, or None.

        Args:
            driver: The driver.
            request: The caller's request.
            first: Returns the first page of a request that has been sent already.
        """

        def steps(observed: ObservedRequest) -> Steps[Any]:
            return self._gated(partial(self._first_value, observed=observed, first=first), request, first)

        return self.observed(driver, request, steps)

    def probe(self, driver: AbstractDriver, timeout: float | None) -> Steps[Rows[Any]]:
        """Execute the request of a probe, which is neither limited nor queued.

        Args:
            driver: The driver.
            timeout: The timeout in seconds; None for the default.
        """
        self._lifecycle.admit()
        request = Request(PROBE, timeout=timeout)

        def steps(observed: ObservedRequest) -> Steps[Rows[Any]]:
            check_request(request)
            return self._rows(driver, request, observed, None)

        return self.observed(driver, request, steps)

    def batch(
        self,
        driver: AbstractDriver,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str,
        request: Request,
    ) -> Steps[Rows[Any]]:
        """Execute several writes as one batch."""
        self.check(Capability.BATCHES, "execute_batch")
        items, part = statements, None
        if request_observers() and hasattr(statements, "__iter__"):
            items = list(statements)  # an iterable can only be read once
            part = batch_part(items)

        def steps(observed: ObservedRequest) -> Steps[Rows[Any]]:
            return self._gated(partial(self._batch, driver, items, batch_type, observed=observed), request)

        return self.observed(driver, request, steps, part)

    def _gated(
        self,
        make: Callable[[Request], Steps[T]],
        request: Request,
        first: First | None = None,
        *,
        patient: bool = False,
    ) -> Steps[T]:
        """Validate a request's arguments, and execute its steps, as the driver limits them.

        Args:
            make: Returns the steps of a request.
            request: The caller's request.
            first: Returns the first page, if the request has been sent already.
            patient: The request is one of many.
        """
        check_request(request)
        gate, options = self.gate, request.options
        if gate is None and options is None:
            return (yield from make(request))
        make, default = as_given(make, options), self.default_timeout()
        if gate is None or first is not None:
            steps = make(request)
        else:
            # Before the queue: what is queued when the driver starts to drain may finish.
            self._lifecycle.admit()
            steps = gated(gate, make, request, default, patient=patient or in_bulk.get())
        if options is None or options.total_timeout is None:
            return (yield from steps)
        return (yield from within_total(steps, request, options, default))

    @property
    def is_busy(self) -> bool:
        """Whether a request is in progress."""
        is_queued = self.gate is not None and self.gate.is_busy
        is_running = any(not ticket.is_over for ticket in tuple(self._running))
        return is_running or is_queued or self._client.is_busy()

    def observed(
        self,
        driver: AbstractDriver,
        request: Request,
        steps: Callable[[ObservedRequest], Steps[T]],
        part: Part | None = None,
    ) -> Steps[T]:
        """Drive a request, and notify observers of its start, its pages and its end.

        Args:
            driver: The driver.
            request: The caller's request.
            steps: Returns the steps.
            part: The call that the request is part of, if it isn't ``execute``.
        """
        if not request_observers():
            return steps(UNOBSERVED)
        return self._observed(driver, request, steps, part)

    def _observed(
        self,
        driver: AbstractDriver,
        request: Request,
        steps: Callable[[ObservedRequest], Steps[T]],
        part: Part | None,
    ) -> Steps[T]:
        level = request.consistency or self._consistency or self._client.default_consistency()
        with observe(driver, request, level, part) as observed:
            return (yield from steps(observed))

    def check(self, need: Capability, name: str) -> None:
        """Raise if the driver lacks a capability.

        Args:
            need: The required capability.
            name: The feature as the caller spelled it: ``"fetch_size"``, ``"RequestOptions.trace"``…

        Raises:
            UnsupportedError: The driver lacks the capability.
        """
        require(self._options.capabilities, need, name, self._options.name)

    # --- pages --------------------------------------------------------------------------

    def _rows(
        self, driver: AbstractDriver, caller_request: Request, observed: ObservedRequest, first: First | None
    ) -> Steps[Rows[Any]]:
        with Ticket(self._running):
            caller_request = qualified_request(caller_request)
            request = with_shape(self._checked(caller_request, observed, first), driver)
            if request.prepared is None and request.is_prepared:
                request = yield from self._prepared(request)
            request, page = yield from self._page(request, first)
            state = page.paging_state
            if state is None or caller_request.fetch_size is not None:
                rows = completed(page, request)
                if state is not None:
                    from coodie.paging import seal_paging_state  # few requests are for one page

                    sealed = rows.paging_state = seal_paging_state(state, caller_request.stmt)
                    remember_paging_state(driver, sealed)
                return rows
            rows = new_rows() if request.rows is None else request.rows.new_rows()
            while True:
                add_details(rows, page)
                state = page.paging_state
                if state is None:
                    extend(rows, page, request)
                    return rows
                # The driver may have been closed between two pages.
                self._lifecycle.check()
                # Request the next page before this one is decoded.
                following = Started(self._page(request._replace(paging_state=state)))
                yield from following.begin()
                try:
                    extend(rows, page, request)
                except BaseException:
                    following.abandon()
                    raise
                request, page = yield from following.finish()

    def _first_value(
        self, caller_request: Request, observed: ObservedRequest, first: First | None
    ) -> Steps[Any]:
        with Ticket(self._running):
            caller_request = qualified_request(caller_request)
            request = self._checked(caller_request, observed, first)
            if request.prepared is None and request.is_prepared:
                request = yield from self._prepared(request)
            while True:
                request, page = yield from self._page(request, first)
                # An empty page isn't necessarily the last one.
                if len(page.rows) or page.paging_state is None:
                    return read_page(page.first_item, request)
                self._lifecycle.check()
                request, first = request._replace(paging_state=page.paging_state), None

    def _batch(
        self,
        driver: AbstractDriver,
        statements: Iterable[BatchItem],
        batch_type: BatchType | str,
        caller_request: Request,
        observed: ObservedRequest,
    ) -> Steps[Rows[Any]]:
        from coodie.batch import batch_text, check_batch  # few programs have batches

        with Ticket(self._running):
            items = qualified_items(check_batch(statements), caller_request.options)
            kind = parse_batch_type(batch_type)
            check_items(items, caller_request.options)
            if not self._client.has_batch_message:
                text, values = batch_text(items, kind)
                whole = without_keyspace(caller_request)._replace(stmt=text, params=values)
                return (yield from self._rows(driver, whole, observed, None))
            whole = without_keyspace(caller_request)._replace(stmt=f"BEGIN {kind.value} BATCH")
            request = with_shape(self._checked(whole, observed), driver)
            batch = _Batch(kind, items)
            request = yield from self._prepared(request, batch)
            request, page = yield from self._page(request, batch=batch)
            return completed(page, request)

    # --- before sending -----------------------------------------------------------------

    def _checked(
        self, request: Request, observed: ObservedRequest, first: First | None = None
    ) -> ClientRequest:
        """Check the capabilities, and apply the defaults; bind the values if the statement is prepared."""
        if first is None and self.gate is None:
            self._lifecycle.admit()
        else:  # it has been sent or admitted already
            self._lifecycle.check()
        stmt, params, consistency, timeout, fetch_size, paging_state, options, _ = request
        if not self._has_all_capabilities:
            check_capabilities(
                self._options.capabilities,
                self._options.name,
                consistency=consistency,
                fetch_size=fetch_size,
                paging_state=paging_state,
                options=options,
            )
        statement = self.statements.find(stmt)
        shape = inspect_statement(stmt) if statement is None else statement.shape
        kind = shape.kind
        if kind is Kind.USE:
            raise refuse_use(stmt)
        timeout, deadline = timeout or self._timeout or self._client.default_timeout(), None
        if options is not None:
            check_shape(options, shape, stmt)
            if options.total_timeout is not None:
                timeout = min(timeout, options.total_timeout)
                deadline = time.monotonic() + options.total_timeout
        prepared, values = None, ()
        if statement is not None:
            prepared, values = statement.prepared, self._bound(statement, request)
        elif kind is Kind.SCHEMA or kind is Kind.PLAIN:
            refuse_parameters(params, stmt)
        state = None
        if paging_state is not None:
            from coodie.paging import open_paging_state  # few requests continue another one

            state = open_paging_state(paging_state, stmt)
        return ClientRequest(
            stmt if statement is None else statement.cql,
            prepared,
            values,
            self._consistency if consistency is None else consistency.upper(),
            timeout,
            fetch_size or PAGE_SIZE,
            state,
            kind is Kind.READ or (options is not None and options.idempotent),
            client_options(options),
            request,
            shape,
            observed,
            deadline=deadline,
        )

    def plain_request(self, driver: AbstractDriver, stmt: str) -> ClientRequest:
        """Return a request for all rows of a prepared statement, without values or options."""
        return with_shape(self._checked(Request(stmt), UNOBSERVED), driver)

    def default_timeout(self) -> float:
        """Return the default timeout in seconds."""
        return self._timeout or self._client.default_timeout()

    def _prepared(self, request: ClientRequest, batch: _Batch | None = None) -> Steps[ClientRequest]:
        """Prepare the statement, and bind its values; or prepare the statements of a batch."""
        if batch is not None:
            parts = []
            for stmt, params in batch.items:
                statement = yield from self.prepared(stmt, request.timeout)
                self._check_counters(statement, request.options)
                parts.append((statement.prepared, stmt, params))
            return request._replace(prepared=parts)
        statement = yield from self.prepared(request.asked.stmt, request.timeout)
        values = self._bound(statement, request.asked)
        return request._replace(cql=statement.cql, prepared=statement.prepared, values=values)

    def prepared(self, stmt: str, timeout: float) -> Steps[CachedStatement]:
        """Return a prepared statement, from the cache or from the server."""

        def prepare(cql: str, timeout: float) -> Steps[Any]:
            try:
                return (yield from self._client.prepare(cql, timeout))
            except CoodieError:
                raise
            except Exception as exc:
                raise self._client.error(exc, stmt, timeout) from exc

        return self.statements.get(stmt, timeout, prepare)

    def _bound(self, statement: CachedStatement, request: Request) -> Any:
        """Bind the values."""
        # Invalid CQL, of a client that doesn't prepare on the server: execution reports the error.
        if not statement.is_recognised:
            return ()
        if request.options is not None:
            self._check_counters(statement, request.options)
        values = self._client.bind(statement.prepared, request.stmt, request.params)
        if not self._has_all_capabilities and any(value is UNSET for value in values):
            self.check(Capability.UNSET_VALUES, "coodie.UNSET")
        return values

    def _check_counters(self, statement: CachedStatement, options: RequestOptions) -> None:
        if options.timestamp is not None and self._client.writes_counters(statement.prepared):
            raise counter_error()

    # --- sending ------------------------------------------------------------------------

    def _page(
        self, request: ClientRequest, send: First | None = None, batch: _Batch | None = None
    ) -> Steps[tuple[ClientRequest, Page]]:
        """Send a request, and prepare its statement again if necessary; return the request sent last, too."""
        attempt, may_have_been_applied = 1, False
        stale: StaleStatementError | None = None
        page: Page | None = None
        while page is None:
            try:
                if request.deadline is not None:
                    request = request.in_time()
                if stale is not None:
                    self._lifecycle.check()
                    attempt = yield from self._prepare_again(request, stale, attempt)
                    request = yield from self._prepared(request, batch)
                if batch is not None:
                    page = yield from self._client.send_batch(request, batch.kind, request.prepared)
                else:
                    page = yield from (send or self._client.send)(request)
            except StaleStatementError as exc:
                stale, send = exc, None
                may_have_been_applied |= exc.may_have_been_applied
            except CoodieError as exc:
                request.complete_error(exc, may_have_been_applied=may_have_been_applied)
                raise
            except Exception as exc:
                error = self._client.error(exc, request.asked.stmt, request.timeout)
                error.may_have_been_applied &= request.shape.kind is not Kind.READ  # clients can't tell
                error.may_have_been_applied |= may_have_been_applied
                raise error from exc
        if request.shape.kind is Kind.SCHEMA:
            self.schema_changed()
        elif request.paging_state is not None and request.paging_state == page.paging_state:
            raise standing_still(request)
        request.observed.add_page(len(page.rows), page.host, page.warnings)
        return request, page

    def schema_changed(self) -> None:
        """Invalidate prepared statements after a schema change by this driver."""
        if not self._client.schema_changed():
            self.statements.clear()

    def _prepare_again(self, request: ClientRequest, stale: StaleStatementError, attempt: int) -> Steps[int]:
        """Prepare a statement again that the server has evicted; return the number of the next attempt."""
        if attempt == _MAX_ATTEMPTS:
            message = f"The server rejected the prepared statement {attempt} times."
            hint = "Its prepared statement cache may be too small, or the table's schema is changing."
            raise ServerError(
                message, hint=hint, statement=request.asked.stmt, may_have_been_applied=False
            ) from stale
        point("statement prepared again: the node doesn't have it")
        if request.paging_state is not None:
            point("statement prepared again between pages")
        if attempt > 1:
            yield Sleep(min(_PAUSE * 2 ** (attempt - 2), _MAX_PAUSE))
        if stale.prepared is None:
            stale.prepared = request.prepared
        yield from self.statements.renew(stale, request.timeout, self._client.prepare_again)
        request.observed.retried(RetryReason.UNPREPARED)
        return attempt + 1
