"""Execute a statement many times, with bounded concurrency.

``ManyRun`` is the shared state: workers take the next parameters, execute, and record the outcome. The
functions below and CassandraDriver only differ in their workers: threads, tasks, or concurrent requests of
one thread.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from coodie._bulk import in_bulk
from coodie.cql import Kind, inspect_statement
from coodie.exceptions import ConfigurationError, ExecuteManyError
from coodie.many_result import ManyResult
from coodie.observers.instrumentation import ONE_OF_MANY, part_of
from coodie.requests import check_callback
from coodie.rows import has_details, new_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable
    from concurrent.futures import Future

    from coodie.requests import Params

__all__ = ["MAX_TASKS", "ManyResult", "ManyRun", "run_with_tasks", "run_with_threads", "work_with_tasks"]

#: The maximum number of threads: more only cost memory and context switches.
_MAX_THREADS = 32

#: The maximum number of tasks, which exist even if there are fewer executions.
MAX_TASKS = 10_000

_END = object()


class ManyRun:
    """The state of one ``execute_many``, shared by its workers.

    Args:
        stmt: The CQL text.
        rows_of_params: One set of parameters for each execution; consumed on demand.
        concurrency: The maximum number of executions in flight, 1 or more.
        raise_on_error: After the first failure, start no more executions, and raise at the end.
        on_result: Called with (index, rows or exception); the result then has no rows, only the exceptions.
        on_progress: Called with the number of completed executions.
        asynchronous: Whether the workers use ``take_async``.

    Raises:
        ConfigurationError: ``concurrency`` isn't a positive integer, or ``rows_of_params`` isn't iterable.
    """

    def __init__(
        self,
        stmt: str,
        rows_of_params: Iterable[Params] | AsyncIterable[Params],
        *,
        concurrency: int,
        raise_on_error: bool,
        on_result: Callable[[int, list[dict[str, Any]] | Exception], None] | None,
        on_progress: Callable[[int], None] | None,
        asynchronous: bool = False,
    ) -> None:
        if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1:
            message = f"concurrency={concurrency!r} isn't a positive integer."
            raise ConfigurationError(message, hint="Give 1 or more.", option="concurrency")
        check_callback(on_result, "on_result")
        check_callback(on_progress, "on_progress")
        self.stmt = stmt
        self.concurrency = concurrency
        self._source: Any = rows_of_params
        if isinstance(rows_of_params, Iterable):
            self._source = iter(rows_of_params)
        elif not (asynchronous and hasattr(rows_of_params, "__aiter__")):
            message = (
                f"rows_of_params: expected an iterable of parameters, got {type(rows_of_params).__name__}."
            )
            hint = "For an async iterable, use execute_many_async."
            raise ConfigurationError(message, hint=hint, option="rows_of_params")
        self._raise_on_error = raise_on_error
        self._on_result = on_result
        self._on_progress = on_progress
        # Two locks, since an iterator of parameters may wait for the recording of an outcome.
        self._taking = threading.Lock()
        self._recording = threading.Lock()
        #: The index of the next parameters.
        self.next_index = 0
        self._ended = 0
        self._stopped = False
        self._is_abandoned = False
        self._first_failure: tuple[int, Exception] | None = None
        self.result = ManyResult(new_rows)

    def take(self) -> tuple[int, Params] | None:
        """Return the next index and parameters; None if there are no more executions to start."""
        with self._taking:
            if self._stopped:
                return None
            try:
                params = next(self._source, _END)
            except BaseException:
                self._stopped = True
                raise
            return self._numbered(params)

    async def take_async(self, turn: Any) -> tuple[int, Params] | None:
        """Async version of ``take``, also for an async iterable; ``turn`` is the workers' shared lock."""
        if not hasattr(self._source, "__aiter__") and not isinstance(self._source, AsyncIterator):
            return self.take()
        async with turn:
            if self._stopped:
                return None
            if not isinstance(self._source, AsyncIterator):
                self._source = self._source.__aiter__()
            try:
                params = await self._source.__anext__()
            except StopAsyncIteration:
                params = _END
            except BaseException:
                self._stopped = True
                raise
            return self._numbered(params)

    def _numbered(self, params: Any) -> tuple[int, Params] | None:
        if params is _END:
            self._stopped = True
            return None
        index = self.next_index
        self.next_index += 1
        return index, params

    @property
    def iterator(self) -> Iterator[Params] | None:
        """The parameters, for one thread that numbers them itself; None for an async iterable."""
        return self._source if isinstance(self._source, Iterator) else None

    @property
    def has_callbacks(self) -> bool:
        """Whether each outcome has to be recorded separately."""
        return self._on_result is not None or self._on_progress is not None

    @property
    def is_stopped(self) -> bool:
        """Whether no more executions are started."""
        return self._stopped

    def stop(self) -> None:
        """Start no more executions."""
        self._stopped = True

    def abandon(self) -> None:
        """Start no more executions, and call no callback for those in flight, which nobody waits for."""
        self._stopped = self._is_abandoned = True

    def record(self, index: int, outcome: list[dict[str, Any]] | Exception) -> None:
        """Record the outcome of the execution at an index, and call the callbacks, one at a time.

        An exception of a callback ends the run.
        """
        with self._recording:
            if self._is_abandoned:
                return
            self._ended += 1
            if isinstance(outcome, Exception):
                self._first_failure = self._first_failure or (index, outcome)
                self._stopped = self._stopped or self._raise_on_error
                self.result.errors[index] = outcome
            else:
                self.result.succeeded += 1
                if self._on_result is None and (outcome or has_details(outcome)):
                    self.result._rows[index] = outcome  # noqa: SLF001 - its one writer
            try:
                if self._on_result is not None:
                    self._on_result(index, outcome)
                if self._on_progress is not None:
                    self._on_progress(self._ended)
            except BaseException:
                self._stopped = True
                raise

    def count(self, number: int) -> None:
        """Record successes without rows; there are no callbacks."""
        with self._recording:
            self._ended += number
            self.result.succeeded += number

    def finish(self) -> ManyResult:
        """Return the result, or raise the error.

        Raises:
            ExecuteManyError: An execution failed, and ``raise_on_error`` is true. ``result`` contains all
                outcomes; ``__cause__`` is the first failure.
        """
        if self._first_failure is not None and self._raise_on_error:
            index, error = self._first_failure
            result = self.result
            message = (
                f"{len(result.errors)} of {result.total} executions failed; the first, at index {index}: "
                f"{type(error).__name__}: {error}"
            )
            hint = "The error's result has each outcome by index; nothing was started after the failure."
            # In this order, since a rejected statement may be of any type.
            applied = (
                result.succeeded > 0
                or any(getattr(exc, "may_have_been_applied", True) for exc in result.errors.values())
            ) and inspect_statement(self.stmt).kind is not Kind.READ
            raise ExecuteManyError(
                message, hint=hint, statement=self.stmt, result=result, may_have_been_applied=applied
            ) from error
        return self.result


def run_with_threads(run: ManyRun, execute: Callable[[Params], list[dict[str, Any]]]) -> ManyResult:
    """Run with threads, for a backend with only a blocking ``execute``."""
    from concurrent.futures import ThreadPoolExecutor  # needed by this form alone

    def work() -> None:
        in_bulk.set(True)  # in a separate context
        while (item := run.take()) is not None:
            index, params = item
            try:
                with part_of(ONE_OF_MANY):
                    outcome: list[dict[str, Any]] | Exception = execute(params)
            except Exception as exc:  # noqa: BLE001 - each failure is recorded by its index
                outcome = exc
            except BaseException:
                run.stop()
                raise
            run.record(index, outcome)

    count = min(run.concurrency, _MAX_THREADS)
    pool = ThreadPoolExecutor(count, thread_name_prefix="coodie-many")
    workers: list[Future[None]] = []
    try:
        # Each in a copy of the caller's context, for observers of the requests.
        workers.extend(pool.submit(copy_context().run, work) for _ in range(count))
        for worker in workers:
            worker.result()
    except BaseException as exc:
        # Ctrl-C of the caller ends the call at once, although the threads wait for their responses.
        is_a_workers = any(worker.done() and worker.exception() is exc for worker in workers)
        if is_a_workers:
            run.stop()
        else:
            run.abandon()
        pool.shutdown(wait=is_a_workers, cancel_futures=True)
        raise
    pool.shutdown()
    return run.finish()


async def run_with_tasks(
    run: ManyRun, execute: Callable[[Params], Awaitable[list[dict[str, Any]]]]
) -> ManyResult:
    """Run with tasks on the running event loop; a cancellation cancels the tasks."""
    await work_with_tasks(run, execute)
    return run.finish()


async def work_with_tasks(
    run: ManyRun,
    execute: Callable[[Params], Awaitable[list[dict[str, Any]]]],
    has_better_way: Callable[[], bool] | None = None,
) -> None:
    """Run with tasks until there are no more executions to start, or there is a better way.

    Args:
        run: The state of the run; not stopped if there is a better way for its rest.
        execute: Executes the statement.
        has_better_way: Called after each task's executions 1, 2, 4, 8 and so on.
    """
    import asyncio  # needed by this form alone

    turn = asyncio.Lock()
    is_left = False

    async def work() -> None:
        nonlocal is_left
        in_bulk.set(True)  # in a separate context
        executed = 0
        while (item := await run.take_async(turn)) is not None:
            index, params = item
            try:
                with part_of(ONE_OF_MANY):
                    outcome: list[dict[str, Any]] | Exception = await execute(params)
            except Exception as exc:  # noqa: BLE001 - each failure is recorded by its index
                outcome = exc
                await asyncio.sleep(0)  # let other tasks run, even if executions fail without waiting
            run.record(index, outcome)
            executed += 1
            if has_better_way is not None and executed & (executed - 1) == 0:
                is_left = is_left or has_better_way()
            if is_left:
                return

    workers = [asyncio.ensure_future(work()) for _ in range(min(run.concurrency, MAX_TASKS))]
    try:
        await asyncio.gather(*workers)
    except BaseException:
        run.stop()
        raise
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
