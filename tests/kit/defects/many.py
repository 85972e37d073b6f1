"""Defects in many executions, batches and streams."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.kit.defects.planting import Faulty, caught_by

from coodie.exceptions import CoodieError, ExecuteManyError, InvalidQueryError, ServerError
from coodie.observers.hub import request_observers
from coodie.requests import BatchType
from coodie.rows import ManyResult, Rows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.kit.defects.planting import Steps


# --- many, batches, streams ---------------------------------------------------------------


@caught_by("test_many_failures_are_kept", "test_many_stop_at_a_failure")
class ManySwallow(Faulty):
    """Failures of many executions are counted as successes."""

    def on_many(self, *args: Any, **kwargs: Any) -> Steps:
        result: ManyResult = yield self.right("execute_many", *args, **kwargs | {"raise_on_error": False})
        result.succeeded += len(result.errors)
        result.errors.clear()
        return result


@caught_by("test_many_draw_as_they_go", "test_many_from_a_broken_source")
class ManyEager(Faulty):
    """All parameters are drawn before the first execution."""

    def on_many(self, stmt: str, rows_of_params: Any, **kwargs: Any) -> Steps:
        try:
            drawn = list(rows_of_params)
        except TypeError:
            drawn = rows_of_params
        except LookupError:
            return ManyResult()
        return (yield self.right("execute_many", stmt, drawn, **kwargs))


@caught_by("test_many_keep_no_told_rows")
class ManyKeepToldRows(Faulty):
    """The rows that on_result gets are kept in the result, too."""

    def on_many(self, *args: Any, on_result: Any = None, **kwargs: Any) -> Steps:
        told: dict[int, Any] = {}

        def keep(index: int, outcome: Any) -> None:
            if not isinstance(outcome, Exception):
                told[index] = outcome
            on_result(index, outcome)

        result: ManyResult = yield self.right(
            "execute_many", *args, on_result=None if on_result is None else keep, **kwargs
        )
        result._rows.update(told)
        return result


@caught_by("test_many_may_have_been_applied")
class AppliedByFailures(Faulty):
    """The error of many executions looks at those that failed alone."""

    def on_many(self, *args: Any, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("execute_many", *args, **kwargs))
        except ExecuteManyError as error:
            failures = error.result.errors.values() if error.result else ()
            error.may_have_been_applied &= any(
                getattr(one, "may_have_been_applied", True) for one in failures
            )
            raise


@caught_by("test_values_of_batches_are_complete")
class SpareNamesOfBatchesIgnored(Faulty):
    """Names that a batch's statement lacks are ignored."""

    def on_batch(self, statements: Any, *args: Any, **kwargs: Any) -> Steps:
        items: list[Any] = list(statements)
        for n, item in enumerate(items):
            if isinstance(item, tuple) and isinstance(item[1], dict):
                items[n] = item[0], {name: item[1][name] for name in item[1] if f":{name}" in item[0]}
        return (yield self.right("execute_batch", items, *args, **kwargs))


@caught_by("test_spellings_of_batch_types")
class UnloggedMemberAsLogged(Faulty):
    """BatchType.UNLOGGED is sent as LOGGED; its name isn't."""

    def on_batch(self, statements: Any, batch_type: Any = "LOGGED", **kwargs: Any) -> Steps:
        if batch_type is BatchType.UNLOGGED:
            batch_type = "LOGGED"
        return (yield self.right("execute_batch", statements, batch_type, **kwargs))


@caught_by("test_empty_results_are_the_callers_own")
class BatchesShareNothing(Faulty):
    """All batches without rows return the same list."""

    nothing: Rows[Any] = Rows()

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        rows = yield self.right("execute_batch", *args, **kwargs)
        return rows or self.nothing


@caught_by("test_rejected_requests_of_all_methods")
class RejectedBatchesAsServerErrors(Faulty):
    """A batch that the server rejects is an error of the server."""

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("execute_batch", *args, **kwargs))
        except InvalidQueryError as exc:
            raise ServerError(str(exc), statement=exc.statement) from exc.__cause__


@caught_by("test_timeouts_of_each_execution")
class TotalTimeoutOfAll(Faulty):
    """The total timeout of execute_many is that of all executions together."""

    def on_many(self, stmt: str, rows_of_params: Any, *, options: Any = None, **kwargs: Any) -> Steps:
        if options is None or options.total_timeout is None:
            return (yield self.right("execute_many", stmt, rows_of_params, options=options, **kwargs))
        result, until = ManyResult[Any](), time.monotonic() + options.total_timeout
        for n, params in enumerate(rows_of_params):
            rest = replace(options, total_timeout=max(0.001, until - time.monotonic()))
            one = yield self.right("execute_many", stmt, [params], options=rest, **kwargs)
            result.succeeded += one.succeeded
            result._rows[n] = one._rows.get(0, [])
            if one.errors:
                result.errors[n] = one.errors[0]
        return result


@caught_by("test_warnings_of_all_methods", "test_trace_ids_of_all_methods")
class DetailsOfNoRowsLost(Faulty):
    """Results of execute_many without rows have neither warnings nor trace ids."""

    def on_many(self, *args: Any, **kwargs: Any) -> Steps:
        result: ManyResult = yield self.right("execute_many", *args, **kwargs)
        result._rows = {n: rows for n, rows in result._rows.items() if rows}
        return result


@caught_by("test_batches_of_any_iterable")
class GeneratorsReadForEvents(Faulty):
    """With an observer, the statements of a batch are counted first, which uses up a generator."""

    def on_batch(self, statements: Any, *args: Any, **kwargs: Any) -> Steps:
        if request_observers() and not isinstance(statements, (str, list)):
            sum(1 for _ in statements)
        return (yield self.right("execute_batch", statements, *args, **kwargs))


@caught_by("test_large_batches_are_one_request")
class LargeBatchesSplit(Faulty):
    """A batch that isn't logged is sent in parts of 100 statements."""

    def on_batch(self, statements: Any, batch_type: Any = "LOGGED", **kwargs: Any) -> Steps:
        items: list[Any] = list(statements)
        if batch_type != "UNLOGGED":
            return (yield self.right("execute_batch", items, batch_type, **kwargs))
        rows: Any = Rows()
        for start in range(0, len(items), 100):
            rows = yield self.right("execute_batch", items[start : start + 100], batch_type, **kwargs)
        return rows


@caught_by("test_batches_are_one_write", "test_batches_are_all_or_nothing", "test_batches_check_all_first")
class BatchInParts(Faulty):
    """The statements of a batch are sent one by one."""

    def on_batch(self, statements: Any, batch_type: Any = "LOGGED", **kwargs: Any) -> Steps:
        for each in statements:
            stmt, params = (each, []) if isinstance(each, str) else each
            yield self.right("execute", stmt, params, **kwargs)
        return Rows()


@caught_by("test_counter_batches", "test_batches_that_make_no_sense")
class BatchTypeIgnored(Faulty):
    """Every batch is a logged one."""

    def on_batch(self, statements: Any, batch_type: Any = "LOGGED", **kwargs: Any) -> Steps:
        return (yield self.right("execute_batch", statements, BatchType.LOGGED, **kwargs))


@caught_by("test_conditional_batches")
class BatchSaysNothing(Faulty):
    """What a batch returns is dropped."""

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        yield self.right("execute_batch", *args, **kwargs)
        return Rows()


@caught_by(
    "test_streams_give_every_row", "test_streams_of_everything", "test_streams_refuse_bad_sizes_at_once"
)
class StreamOfOnePage(Faulty):
    """A stream ends with its first page, and checks nothing before it."""

    def stream(self, stmt: str, params: Any = (), *, fetch_size: Any = 1000, **kwargs: Any) -> Any:
        yield from self.execute(stmt, params, fetch_size=fetch_size, **kwargs)

    async def stream_async(
        self, stmt: str, params: Any = (), *, fetch_size: Any = 1000, **kwargs: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        for row in await self.execute_async(stmt, params, fetch_size=fetch_size, **kwargs):
            yield row


@caught_by("test_a_streams_error_is_raised", "test_use_after_close")
class StreamEndsQuietly(Faulty):
    """A stream that fails ends."""

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        try:
            yield from super().stream(*args, **kwargs)
        except CoodieError:
            return

    async def stream_async(self, *args: Any, **kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
        try:
            async for row in super().stream_async(*args, **kwargs):
                yield row
        except CoodieError:
            return


@caught_by("test_many_count_as_they_end")
class ProgressIsAnIndex(Faulty):
    """on_progress gets the position of the last outcome."""

    def on_many(self, *args: Any, **kwargs: Any) -> Steps:
        told, progress = kwargs.get("on_result"), kwargs.get("on_progress")
        if told is not None and progress is not None:
            last = 0

            def note(index: int, outcome: Any) -> None:
                nonlocal last
                last = index + 1
                told(index, outcome)

            kwargs |= {"on_result": note, "on_progress": lambda _: progress(last)}
        return (yield self.right("execute_many", *args, **kwargs))


@caught_by("test_errors_of_every_method")
class CauseLostInBatches(Faulty):
    """The errors of batches have no cause."""

    def on_batch(self, *args: Any, **kwargs: Any) -> Steps:
        try:
            return (yield self.right("execute_batch", *args, **kwargs))
        except CoodieError as exc:
            exc.__cause__ = None
            raise


@caught_by("test_paging_leaves_the_loop_alone")
class BlockingStream(Faulty):
    """A stream on an event loop requests the pages after the first one in a blocking call."""

    async def stream_async(
        self, stmt: str, params: Any = (), *, fetch_size: Any = 1000, **kwargs: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        page = await self.execute_async(stmt, params, fetch_size=fetch_size, **kwargs)
        while True:
            for row in page:
                yield row
            if page.paging_state is None:
                return
            with ThreadPoolExecutor(1) as pool:
                page = pool.submit(
                    self.execute, stmt, params, None, None, fetch_size, page.paging_state, **kwargs
                ).result()


class _Elsewhere:
    """The effect of a call in a context of its own, without the caller's variables."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def run(self) -> Any:
        """Call the sync method."""
        return Context().run(self._call.run)

    async def run_async(self) -> Any:
        """Call the async method, in a task."""
        return await Context().run(asyncio.ensure_future, self._call.run_async())


@caught_by("test_the_callers_context_is_seen")
class ContextLostInMany(Faulty):
    """Many executions don't have the caller's context variables."""

    def on_many(self, *args: Any, **kwargs: Any) -> Steps:
        return (yield _Elsewhere(self.right("execute_many", *args, **kwargs)))
