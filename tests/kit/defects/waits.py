"""Defects in what waits and how that ends: queues, timeouts, drains, forks; and in syncs, errors and events."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, Pause, Request, caught_by

from coodie.cql import Kind, inspect_statement
from coodie.drivers.client.keyspaces import without_keyspace
from coodie.exceptions import (
    ConfigurationError,
    CoodieError,
    ReadTimeoutError,
    RequestTimeoutError,
    SchemaError,
    WriteTimeoutError,
)
from coodie.observers import tell_closed
from coodie.rows import Rows
from coodie.waiting import wrap_future

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.kit.defects.planting import Steps


class _WithoutFastPath(Faulty):
    """A driver whose pipeline has all requests."""

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"fast_path": False, **options}


# --- the queue --------------------------------------------------------------------------


class _Stack(deque[Any]):
    """What came last comes out first."""

    popleft = deque.pop


@caught_by("test_queued_requests_are_sent_in_order")
class LastQueuedFirst(Faulty):
    """The request that was queued last is sent first."""

    def begin(self, options: dict[str, Any]) -> None:
        if self._pipeline.gate is not None:
            self._pipeline.gate._waiting = _Stack()


@caught_by("test_requests_over_the_queue_are_rejected")
class OneIsAlwaysQueued(Faulty):
    """The queue has room for a request, also if its length is 0."""

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**options, "max_queued": 1} if options.get("max_queued") == 0 else dict(options)


@caught_by("test_stats_of_limits")
class QueuedUncounted(Faulty):
    """The statistics don't have the requests in the queue."""

    def stats(self) -> Any:
        """As the contract."""
        found = super().stats()
        return found if found.limit is None else replace(found, limit=replace(found.limit, queued=0))


@caught_by("test_timeouts_in_the_queue")
class QueuedBatchesMayBeApplied(Faulty):
    """After any timeout, a batch may have been applied, also if it was never sent."""

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("execute_batch", *args, **kwargs))
        except RequestTimeoutError as error:
            error.may_have_been_applied = True
            raise


# --- timeouts ---------------------------------------------------------------------------


@caught_by("test_timeouts_of_the_server")
class SecondsOfTheServer(Faulty):
    """The server's timeouts have the seconds of the client's."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except (ReadTimeoutError, WriteTimeoutError) as error:
            error.timeout = request.timeout
            raise


@caught_by("test_total_timeouts")
class TotalLooksOrdinary(Faulty):
    """The error of an expired total timeout is that of an ordinary one, in execute_one."""

    def on_execute_one(self, *args: Any, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("execute_one", *args, **kwargs))
        except RequestTimeoutError as error:
            error.is_total = False
            raise


@caught_by("test_requests_that_time_out_are_sent_once")
class IdempotentSentTwice(Faulty):
    """An idempotent request without a response is sent again."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except RequestTimeoutError:
            if request.options is None or not request.options.idempotent:
                raise
        return (yield self.send(request))


@caught_by("test_a_shared_prepare_keeps_each_timeout")
class ShortestTimeoutOfPreparing(_WithoutFastPath):
    """Those who wait for a statement to be prepared have the timeout of the first of them."""

    def begin(self, options: dict[str, Any]) -> None:
        right, running = self._pipeline.prepared, dict[str, float]()

        def prepared(stmt: str, timeout: float) -> Any:
            try:
                return (yield from right(stmt, running.setdefault(stmt, timeout)))
            finally:
                running.pop(stmt, None)

        self._pipeline.prepared = prepared  # type: ignore[method-assign]  # the defect


# --- cancellation, forks, closing -------------------------------------------------------


@caught_by("test_nothing_is_logged_of_cancelled_requests")
class CancellationsLogged(Faulty):
    """A cancelled write is logged as a warning."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except (GeneratorExit, asyncio.CancelledError):
            logging.getLogger("planted").warning("nobody waits for the response")
            raise


@caught_by("test_a_fork_is_not_live")
class LiveInAFork(Faulty):
    """A driver of the parent is live."""

    def is_live(self) -> bool:
        """As the contract."""
        return not self._lifecycle.closed


@caught_by("test_drained_requests_finish", "test_drained_requests_of_all_methods_finish")
class DrainIgnored(Faulty):
    """Closing with a drain is closing."""

    def on_close(self, drain: float | None = None) -> Steps:
        yield self.right("close")


@caught_by("test_drained_requests_finish", "test_drained_requests_of_all_methods_finish")
class DrainInTheBackground(Faulty):
    """Closing with a drain returns at once, while requests are in flight."""

    def on_close(self, drain: float | None = None) -> Steps:
        self._start_closing(drain)
        yield Pause(0) if drain else self.right("close")


@caught_by("test_queued_requests_are_drained")
class QueueUndrained(Faulty):
    """Closing with a drain fails the requests in the queue."""

    def on_close(self, drain: float | None = None) -> Steps:
        if self._pipeline.gate is not None:
            self._pipeline.gate.close(self._lifecycle.error())
        yield self.right("close", drain=drain)


@caught_by("test_drained_requests_of_all_methods_finish")
class BatchesUndrained(Faulty):
    """A drain doesn't wait if a batch is in flight."""

    batches = 0

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        self.batches += 1
        try:
            return (yield self.right("execute_batch", *args, **kwargs))
        finally:
            self.batches -= 1

    def on_close(self, drain: float | None = None) -> Steps:
        yield self.right("close", drain=None if self.batches else drain)


@caught_by("test_a_second_close_ends_a_drain")
class DrainIsFinal(Faulty):
    """A second close waits for the drain of the first one."""

    drained: float | None = None

    def on_close(self, drain: float | None = None) -> Steps:
        self.drained = drain or self.drained
        yield self.right("close", drain=self.drained)


@caught_by("test_cancelling_a_drain", "test_an_interrupt_ends_a_drain")
class DrainGoesOn(Faulty):
    """Cancelling or interrupting close(drain=…) ends the wait, but not the drain."""

    def close(self, *, drain=None) -> None:
        """As the contract."""
        self._start_closing(drain).result()

    async def close_async(self, *, drain=None) -> None:
        """As the contract."""
        await wrap_future(self._start_closing(drain))


# --- tables -----------------------------------------------------------------------------


@caught_by("test_names_are_quoted")
class DescribedInLowerCase(Faulty):
    """A description is that of the table with the name in lower case."""

    def _description(self, table: str, timeout: float | None) -> Steps:
        return (yield from super()._description(table.lower(), timeout))


@caught_by("test_timeouts_of_syncs")
class SyncTimeoutIgnored(Faulty):
    """The requests of a sync have the connection's timeout."""

    def on_sync_table(self, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        untimed = None if options is None else replace(options, timeout=None)
        return (yield self.right("sync_table", *args, options=untimed, **kwargs))


@caught_by("test_failed_syncs_say_what_remains")
class RemainingUntold(Faulty):
    """The error of a sync doesn't say what remains."""

    def on_sync_table(self, *args: Any, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("sync_table", *args, **kwargs))
        except SchemaError as error:
            error.remaining = ()
            raise


# --- errors, options, events ------------------------------------------------------------


@caught_by("test_errors_can_be_pickled")
class ErrorsHoldTheDriver(Faulty):
    """An error refers to the driver, so that it can't be pickled."""

    def on_execute(self, request: Request) -> Steps:
        try:
            return (yield self.send(request))
        except CoodieError as error:
            error.driver = self  # type: ignore[attr-defined]  # the defect
            raise


@caught_by("test_timestamps_of_the_server_are_refused")
class TimestampsOfConditionsDropped(Faulty):
    """The timestamp of a conditional batch is dropped."""

    def on_batch(self, statements: Any, *args: Any, options: Any = None, **kwargs: Any) -> Steps:
        items = list(statements)
        texts = [item if isinstance(item, str) else item[0] for item in items]
        if options is not None and any("IF NOT EXISTS" in text for text in texts):
            options = replace(options, timestamp=None)
        return (yield self.right("execute_batch", items, *args, options=options, **kwargs))


@caught_by("test_use_changes_nothing_for_others")
class UseAfterComments(_WithoutFastPath):
    """USE after a comment is executed."""

    def on_execute(self, request: Request) -> Steps:
        stmt = request.stmt
        if isinstance(stmt, str) and stmt.startswith("--") and inspect_statement(stmt).kind is Kind.USE:
            self._session.execute(stmt)
            return Rows([])
        return (yield self.send(request))


@caught_by("test_lazy_drivers_refuse_the_same")
class RefusedOnOpening(Faulty):
    """Opening rejects a configuration that the plug-in accepted."""

    @classmethod
    def opening(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        if options.get("local_rack"):
            raise ConfigurationError("racks aren't supported", option="local_rack")
        return dict(options)


@caught_by("test_events_have_the_arguments")
class EventsOfTheDefaultKeyspace(_WithoutFastPath):
    """The events of a request have the connection's keyspace."""

    def begin(self, options: dict[str, Any]) -> None:
        right = self._pipeline._observed

        def observed(owner: Any, request: Any, *args: Any) -> Any:
            return right(owner, without_keyspace(request), *args)

        self._pipeline._observed = observed  # type: ignore[method-assign, assignment]  # the defect


@caught_by("test_a_close_is_told_once")
class ClosedToldAgain(Faulty):
    """Each further close has an event of its own."""

    def on_close(self, drain: float | None = None) -> Steps:
        again = self._lifecycle.closed
        yield self.right("close", drain=drain)
        if again:
            tell_closed(self)
