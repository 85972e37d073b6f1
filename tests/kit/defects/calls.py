"""Defects in parts of calls: later pages, limits of requests in flight, preparing, and their ends."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import OrderedDict, deque
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Request, caught_by

from coodie.drivers._last_page import last_page
from coodie.drivers.client.client import StaleStatementError
from coodie.exceptions import DriverClosedError, RequestTimeoutError, ServerError
from coodie.observers.instrumentation import observe
from coodie.observers.request import UNOBSERVED, ObservedRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping

    from tests.kit.defects.planting import Steps


class _Slow(Faulty):
    """A driver without the fast path, so that the pipeline has all requests."""

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"fast_path": False, **options}

    def begin(self, options: dict[str, Any]) -> None:
        self.spoil(self._pipeline)

    def spoil(self, pipeline: Any) -> None:
        """Go wrong."""


# --- later pages ------------------------------------------------------------------------


@caught_by("test_levels_of_later_pages")
class LaterPagesAtDefault(_Slow):
    """The later pages of all rows have the connection's level."""

    def spoil(self, pipeline: Any) -> None:
        right = self._client.send

        def send(request: Any) -> Any:
            if request.paging_state is not None and request.asked.paging_state is None:
                request = request._replace(consistency=self._client.default_consistency())
            return right(request)

        self._client.send = send  # type: ignore[method-assign]  # the defect


@caught_by("test_serial_levels_of_later_pages")
class StatesWithoutSerialLevel(Faulty):
    """A page from a state has no serial level."""

    def on_execute(self, request: Request) -> Steps:
        if request.paging_state is not None and request.options is not None:
            request = replace(request, options=replace(request.options, serial_consistency=None))
        return (yield self.send(request))


@caught_by("test_total_timeouts_of_all_pages")
class TotalTimeoutOfEachPage(_Slow):
    """The total timeout begins again with each page."""

    def spoil(self, pipeline: Any) -> None:
        right = pipeline._page

        def page(request: Any, *args: Any, **kwargs: Any) -> Any:
            if request.deadline is not None and request.paging_state is not None:
                request = request._replace(deadline=time.monotonic() + request.options.total_timeout)
            return right(request, *args, **kwargs)

        pipeline._page = page


@caught_by("test_closing_ends_streams")
class StreamEndsWhenClosed(Faulty):
    """If the driver is closed, a stream ends as if there were no more rows."""

    def stream(self, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        """As the contract."""
        return self._until_closed(super().stream(*args, **kwargs))

    @staticmethod
    def _until_closed(rows: Iterator[Any]) -> Generator[Any, None, None]:
        try:
            yield from rows
        except DriverClosedError:
            return

    def stream_async(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """As the contract."""
        return self._until_closed_async(super().stream_async(*args, **kwargs))

    @staticmethod
    async def _until_closed_async(rows: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        try:
            async for row in rows:
                yield row
        except DriverClosedError:
            return


@caught_by("test_streams_request_pages_as_needed")
class StreamsAhead(Faulty):
    """A stream holds two more pages of rows than were consumed."""

    def stream(self, *args: Any, fetch_size: int = 1000, **kwargs: Any) -> Generator[Any, None, None]:
        """As the contract."""
        return self._ahead(super().stream(*args, fetch_size=fetch_size, **kwargs), 2 * fetch_size)

    @staticmethod
    def _ahead(rows: Iterator[Any], size: int) -> Generator[Any, None, None]:
        held = deque(islice(rows, size))
        while held:
            held.extend(islice(rows, 1))
            yield held.popleft()

    def stream_async(self, *args: Any, fetch_size: int = 1000, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """As the contract."""
        rows = super().stream_async(*args, fetch_size=fetch_size, **kwargs)
        return self._ahead_async(rows, 2 * fetch_size)

    @staticmethod
    async def _ahead_async(rows: AsyncIterator[Any], size: int) -> AsyncGenerator[Any, None]:
        held: deque[Any] = deque()
        async for row in rows:
            held.append(row)
            if len(held) > size:
                yield held.popleft()
        for row in held:
            yield row


@caught_by("test_closing_a_stream_cancels_its_page")
class ClosedStreamLeavesPage(Faulty):
    """Closing a stream leaves the request for the next page in flight."""

    async def stream_async(
        self, stmt: Any, params: Any = (), *, fetch_size: Any = 1000, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        """As the contract."""
        page = await self.execute_async(stmt, params, fetch_size=fetch_size, **kwargs)
        while page.paging_state is not None:
            state = page.paging_state
            ahead = asyncio.ensure_future(
                self.execute_async(stmt, params, fetch_size=fetch_size, paging_state=state, **kwargs)
            )
            ahead.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            for row in page:
                yield row
            page = await ahead
        for row in page:
            yield row


@caught_by("test_short_pages_of_one_value")
class OneOfTheFirstPage(Faulty):
    """The value of execute_one is None if the first page is empty."""

    def on_execute_one(
        self,
        stmt: Any,
        params: Any = (),
        consistency: Any = None,
        timeout: Any = None,
        *,
        options: Any = None,
    ) -> Steps:
        rows = yield self.right(
            "execute", stmt, params, consistency, timeout, 100, options=options, rows=tuple
        )
        return rows[0][0] if rows else None


@caught_by("test_the_last_state_after_other_requests")
class LastStateSurvives(Faulty):
    """After a batch, the last paging state is that of the request before."""

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        kept = last_page.get()
        rows = yield self.right("execute_batch", *args, **kwargs)
        last_page.set(kept)
        return rows


# --- limits -----------------------------------------------------------------------------


@caught_by("test_many_keep_their_concurrency")
class OneMoreOfMany(Faulty):
    """One more execution is in flight than was given."""

    def on_many(self, *args: Any, concurrency: Any = 64, **kwargs: Any) -> Steps:
        limit = concurrency + 1 if type(concurrency) is int and concurrency > 0 else concurrency
        return (yield self.right("execute_many", *args, concurrency=limit, **kwargs))


@caught_by("test_requests_keep_their_limit")
class OneMoreInFlight(Faulty):
    """One more request is in flight than max_in_flight."""

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        limit = options.get("max_in_flight")
        return {**options, "max_in_flight": limit + 1} if limit else dict(options)


@caught_by("test_cancelled_requests_free_their_places")
class CancelledPlaceStays(_Slow):
    """A cancelled request keeps its place for ever."""

    #: What a request ends with that keeps its place.
    kept: tuple[type[BaseException], ...] = (asyncio.CancelledError, GeneratorExit)

    def spoil(self, pipeline: Any) -> None:
        if pipeline.gate is None:
            return
        right = pipeline.gate._leave

        def leave(ticket: Any) -> None:
            if not isinstance(sys.exc_info()[1], self.kept):
                right(ticket)

        pipeline.gate._leave = leave


@caught_by("test_failed_requests_free_their_places")
class LatePlaceStays(CancelledPlaceStays):
    """A request that timed out keeps its place for ever."""

    kept = (RequestTimeoutError,)


@caught_by("test_interrupted_requests_free_their_places")
class InterruptedPlaceStays(CancelledPlaceStays):
    """A request that Ctrl-C ended keeps its place for ever."""

    kept = (KeyboardInterrupt,)


@caught_by("test_levels_of_concurrent_requests")
class LevelsShared(_Slow):
    """While a request with a level is in flight, others without one have it, too."""

    def spoil(self, pipeline: Any) -> None:
        right, default = pipeline._rows, pipeline._consistency
        levels: list[str] = []

        def rows(owner: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            if request.consistency is None:
                return (yield from right(owner, request, *args, **kwargs))
            levels.append(request.consistency)
            pipeline._consistency = request.consistency
            try:
                return (yield from right(owner, request, *args, **kwargs))
            finally:
                levels.remove(request.consistency)
                pipeline._consistency = levels[-1] if levels else default

        pipeline._rows = rows


# --- timeouts and preparing -------------------------------------------------------------


@caught_by("test_the_connections_timeout_of_all")
class BatchesInTenSeconds(Faulty):
    """A batch without a timeout has ten seconds, whatever the connection has."""

    def on_batch(self, *args: Any, timeout: Any = None, **kwargs: Any) -> Steps:
        return (yield self.right("execute_batch", *args, timeout=timeout or 10.0, **kwargs))


@caught_by("test_timeouts_of_writes")
class IdempotentNotApplied(Faulty):
    """After a timeout, an idempotent write is said not to have been applied."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except RequestTimeoutError as error:
            if request.options is not None and request.options.idempotent:
                error.may_have_been_applied = False
            raise


@caught_by("test_timeouts_of_preparing")
class PreparedInDefaultTime(_Slow):
    """Preparing has the connection's timeout, not the request's."""

    def spoil(self, pipeline: Any) -> None:
        right = pipeline.prepared
        pipeline.prepared = lambda stmt, _: right(stmt, pipeline.default_timeout())


@caught_by("test_the_server_may_forget_in_all_methods")
class EvictedBatchesFail(_Slow):
    """If the node doesn't have a statement of a batch any more, the batch fails."""

    def spoil(self, pipeline: Any) -> None:
        right = self._client.send_batch

        def send_batch(request: Any, *args: Any) -> Any:
            try:
                return (yield from right(request, *args))
            except StaleStatementError as stale:
                raise ServerError("The server doesn't have it.", statement=request.asked.stmt) from stale

        self._client.send_batch = send_batch  # type: ignore[assignment]  # the defect


@caught_by("test_preparing_leaves_the_loop_alone")
class BlockingPrepareOfBatches(Faulty):
    """The statements of a batch are prepared on the event loop."""

    def on_batch(self, statements: Any, *args: Any, **kwargs: Any) -> Steps:
        for item in statements:
            if not isinstance(item, str) and self._pipeline.statements.find(item[0]) is None:
                self.right("execute", *item).run()
        return (yield self.right("execute_batch", statements, *args, **kwargs))


class _Queue(OrderedDict[Any, Any]):
    """A cache's entries in the order in which they came."""

    def move_to_end(self, key: Any, last: bool = True) -> None:
        if not last:
            super().move_to_end(key, last=False)


@caught_by("test_the_cache_keeps_what_is_used")
class EvictsTheFirst(_Slow):
    """A full cache evicts the statement that was prepared first."""

    def spoil(self, pipeline: Any) -> None:
        cache = pipeline.statements
        cache._entries = _Queue()

        def make_room(*_: Any) -> None:
            while len(cache._entries) > cache._size:
                cache._entries.popitem(last=False)
                cache._evictions += 1

        cache._make_room = make_room  # the defect


@caught_by("test_one_text_for_several_keyspaces")
class KeyspaceOfTheFirst(Faulty):
    """A text is executed in the keyspace that it was first executed in."""

    def begin(self, options: dict[str, Any]) -> None:
        self.known: dict[str, str] = {}

    def on_execute(self, request: Request) -> Steps:
        given = request.options
        if given is not None and given.keyspace is not None:
            keyspace = self.known.setdefault(request.stmt, given.keyspace)
            request = replace(request, options=replace(given, keyspace=keyspace))
        return (yield self.send(request))


@caught_by("test_dry_runs_send_no_change")
class DryRunMakesKeyspaces(Faulty):
    """A dry run creates a missing keyspace."""

    def on_sync_table(self, *args: Any, dry_run: Any = False, **kwargs: Any) -> Steps:
        plan = yield self.right("sync_table", *args, dry_run=dry_run, **kwargs)
        for statement in plan if dry_run else ():
            if statement.startswith("CREATE KEYSPACE"):
                yield self.right("execute", statement, [])
        return plan


# --- events -----------------------------------------------------------------------------


@caught_by(
    "test_cancellations_of_all_methods_are_told", "test_cancellations_are_told", "test_interrupts_are_told"
)
class InterruptedUntold(_Slow):
    """A request that was cancelled or interrupted has no end."""

    def spoil(self, pipeline: Any) -> None:
        def observed(owner: Any, request: Any, steps: Any, part: Any) -> Any:
            level = request.consistency or pipeline._consistency or self._client.default_consistency()
            watched = observe(owner, request, level, part)
            watched.__enter__()
            try:
                value = yield from steps(watched)
            except Exception as error:
                watched.__exit__(type(error), error, error.__traceback__)
                raise
            watched.__exit__(None, None, None)
            return value

        pipeline._observed = observed


@caught_by("test_timeouts_are_told")
class TimeoutsUntold(InterruptedUntold):
    """A request that timed out has no end."""

    def spoil(self, pipeline: Any) -> None:
        def observed(owner: Any, request: Any, steps: Any, part: Any) -> Any:
            level = request.consistency or pipeline._consistency or self._client.default_consistency()
            watched = observe(owner, request, level, part)
            watched.__enter__()
            value = yield from steps(watched)
            watched.__exit__(None, None, None)
            return value

        pipeline._observed = observed


class _WithoutWarnings(ObservedRequest):
    """A request whose pages have no warnings."""

    def __init__(self, observed: Any) -> None:
        self.tried, self.retried = observed.tried, observed.retried  # type: ignore[method-assign]  # the defect
        self._add_page = observed.add_page

    def add_page(self, rows: Any, host: Any = None, warnings: Any = ()) -> None:
        self._add_page(rows, host)


@caught_by("test_warnings_are_told")
class WarningsOfOneUntold(_Slow):
    """The end of an execute_one has no warnings."""

    def spoil(self, pipeline: Any) -> None:
        right = pipeline._first_value

        def first_value(request: Any, observed: Any, first: Any) -> Any:
            return right(request, observed if observed is UNOBSERVED else _WithoutWarnings(observed), first)

        pipeline._first_value = first_value
