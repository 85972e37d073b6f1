"""The clients of a run: requests on event loops and in threads, and the checks of their results."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import Loop
from tests.simulation.store import ADD, CONDITIONAL, COUNT, INSERT, READ, WIDE, rows_of
from tests.simulation.world import Deadlock, world

from coodie import RequestOptions, Rows
from coodie.exceptions import CoodieError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.run import Run

__all__ = ["LoopClient", "ThreadClient"]

_IDEMPOTENT = RequestOptions(idempotent=True)
_KINDS = (
    *("read",) * 8,
    *("one",) * 2,
    *("limited",) * 2,
    *("wide",) * 3,
    *("stream",) * 2,
    "page",
    *("insert",) * 6,
    *("repeatable",) * 2,
    *("count",) * 3,
    *("batch",) * 2,
    "conditional",
    "many",
    "bad",
    "text",
)


_TIMEOUTS = (0.05, 0.3, 1.0, 2.0)


@dataclass
class Request:
    """One request.

    Attributes:
        kind: What kind it is.
        ids: What it reads or writes, each its own.
        timeout: Seconds.
        started: When.
        ended: When; None while it lasts.
        error: What was raised.
        failed: Of many: the ids of those that failed, with their errors.
    """

    kind: str
    ids: list[int]
    timeout: float
    started: float
    ended: float | None = None
    error: BaseException | None = None
    failed: dict[int, BaseException] = field(default_factory=dict)
    #: Seconds for which its event loop was kept busy by others.
    stalled: float = 0.0


class Client:
    """The common part of both kinds of client.

    Args:
        run: The run.
        number: Its number.
        count: How many requests it makes.
        calm: They are reads alone, with much time.
    """

    def __init__(self, run: Run, number: int, count: int, *, calm: bool = False) -> None:
        self.run = run
        self._calm = calm
        self.number = number
        self.left = count
        self.is_over = False
        self.stalled = 0.0

    def work(self) -> None:
        """Make all requests."""
        raise NotImplementedError

    def next(self) -> Request:
        """Draw a random request."""
        random = world().random
        kind = "read" if self._calm else random.choice(_KINDS)
        size = {"batch": 3, "many": random.randint(2, 30)}.get(kind, 1)
        ids = [self.run.next_id() for _ in range(size)]
        request = Request(kind, ids, 5.0 if self._calm else random.choice(_TIMEOUTS), world().now)
        if kind == "repeatable":
            self.run.store.idempotent.update(ids)
        self.run.history.append(request)
        self.left -= size
        return request

    def call(self, request: Request) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the method that makes a request, and its arguments."""
        (first, *_), limit = request.ids, {"timeout": request.timeout}
        values = [[one, 1] for one in request.ids]
        calls: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
            "read": ("execute", (READ, [first]), limit),
            # Many statements, to fill the statement cache.
            "limited": ("execute", (f"{READ} LIMIT {1 + first % 40}", [first]), limit),
            "one": ("execute_one", (READ, [first]), limit),
            "wide": ("execute", (WIDE, [first]), limit),
            "page": ("execute", (WIDE, [first]), {**limit, "fetch_size": 25}),
            "insert": ("execute", (INSERT, [first, 1]), limit),
            "repeatable": ("execute", (INSERT, [first, 1]), {**limit, "options": _IDEMPOTENT}),
            "count": ("execute", (COUNT, [first]), limit),
            "batch": ("execute_batch", ([(INSERT, one) for one in values],), limit),
            "conditional": ("execute", (CONDITIONAL, [first, 1]), limit),
            "many": ("execute_many", (INSERT, values), {**limit, "raise_on_error": False}),
            "bad": ("execute", (ADD, ["x", first]), limit),
            "text": ("execute", ("TRUNCATE nothing", []), limit),
        }
        return calls[request.kind]

    def check(self, request: Request, result: Any) -> None:
        """Check that a result belongs to the request."""
        (first, *_) = request.ids
        own = [{"id": first, "n": n} for n in range(rows_of(first))]
        if request.kind in {"read", "limited"}:
            self._same(request, result, [{"id": first, "tag": f"tag-{first}"}])
        elif request.kind == "one":
            self._same(request, result, first)
        elif request.kind in {"wide", "stream"}:
            self._same(request, list(result), own)
        elif request.kind == "page":
            self._same(request, list(result), own[:25])
        elif request.kind == "many":
            request.failed = {request.ids[index]: error for index, error in result.errors.items()}
            self._same(request, result.total, len(request.ids))
        elif request.kind in {"insert", "repeatable", "count", "batch"}:
            self._same(request, list(result), [])
        elif request.kind == "conditional":
            self._same(request, isinstance(result, Rows) and result.applied, True)
        else:
            self.run.violated(f"{request.kind} succeeded: {result!r}")

    def _same(self, request: Request, result: Any, expected: Any) -> None:
        if result != expected:
            self.run.violated(f"{request}: the answer is {str(result)[:300]}, not {str(expected)[:300]}")

    def end(self, request: Request, error: BaseException | None) -> None:
        """Record the end of a request."""
        if request.ended is not None:
            self.run.violated(f"{request} ended twice")
        request.ended, request.error, request.stalled = world().now, error, self.stalled
        if isinstance(error, Deadlock):
            raise error
        self.run.check_caches()
        known = (CoodieError, asyncio.CancelledError)
        if error is not None and not isinstance(error, known):
            self.run.violated(f"{request} raised {type(error).__name__}: {error}")


class ThreadClient(Client):
    """A thread with one request after the other."""

    def work(self) -> None:
        """Make all requests."""
        while self.left > 0 and not self.run.is_closing:
            request = self.next()
            try:
                self.check(request, self._ask(request))
            except BaseException as exc:  # noqa: BLE001 - it is recorded
                self.end(request, exc)
            else:
                self.end(request, None)
            world().sleep(world().random.choice((0.0, 0.001, 0.02)))
        self.is_over = True

    def _ask(self, request: Request) -> Any:
        driver = self.run.driver
        if request.kind == "stream":
            return list(driver.stream(WIDE, request.ids, fetch_size=20, timeout=request.timeout))
        name, args, kwargs = self.call(request)
        return getattr(driver, name)(*args, **kwargs)


class LoopClient(Client):
    """A thread with an event loop, and then another, on which requests are made in tasks."""

    def __init__(self, run: Run, number: int, count: int, *, calm: bool = False) -> None:
        super().__init__(run, number, count, calm=calm)
        self.loop: Loop | None = None
        self.tasks: list[asyncio.Task[None]] = []
        self._stopping: asyncio.Event | None = None

    def work(self) -> None:
        """Run loops until all requests are made."""
        while self.left > 0 and not self.run.is_closing:
            self.loop = loop = Loop()
            try:
                loop.run_until_complete(self._main())
            finally:
                self._end_loop(loop)
        self.is_over = True

    def _end_loop(self, loop: Loop) -> None:
        pending = asyncio.all_tasks(loop)
        if pending and not world().is_failed:
            self.run.violated(f"tasks are left on a loop: {pending}")
        loop.run_until_complete(loop.shutdown_asyncgens())
        self.run.complaints += loop.complaints
        self.loop = None
        loop.close()

    async def _main(self) -> None:
        self._stopping = asyncio.Event()
        width = world().random.choice((1, 4, 16))
        while self.left > 0 and not self.run.is_closing and not self._stopping.is_set():
            self.tasks = [task for task in self.tasks if not task.done()]
            if len(self.tasks) < width:
                self.tasks.append(self._start(self.next()))
            if len(self.tasks) >= width or world().random.random() < 0.3:
                await asyncio.sleep(world().random.choice((0.0, 0.001, 0.02)))
        if self._stopping.is_set():
            for task in self.tasks:
                task.cancel()
        await asyncio.gather(*self.tasks)
        self.tasks = []

    def _start(self, request: Request) -> asyncio.Task[None]:
        def ended(_: asyncio.Task[None]) -> None:
            if request.ended is None:  # cancelled before its first step
                self.end(request, asyncio.CancelledError())

        task = asyncio.create_task(self._one(request))
        task.add_done_callback(ended)
        return task

    async def _one(self, request: Request) -> None:
        try:
            self.check(request, await self._ask(request))
        except BaseException as exc:  # noqa: BLE001 - it is recorded
            self.end(request, exc)
        else:
            self.end(request, None)

    async def _ask(self, request: Request) -> Any:
        driver = self.run.driver
        if request.kind == "stream":
            rows = driver.stream_async(WIDE, request.ids, fetch_size=20, timeout=request.timeout)
            return [row async for row in rows]
        name, args, kwargs = self.call(request)
        return await getattr(driver, f"{name}_async")(*args, **kwargs)

    # --- faults, from other threads ---------------------------------------------

    def on_loop(self, work: Callable[[], object]) -> None:
        """Call a function in the loop's thread, if there is a loop."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(work)

    def cancel(self, place: int, count: int) -> None:
        """Cancel some tasks."""

        def cancel() -> None:
            running = [task for task in self.tasks if not task.done()]
            for task in running[place % max(1, len(running)) :][:count]:
                task.cancel()

        self.on_loop(cancel)

    def stop_loop(self) -> None:
        """End the loop, and cancel its tasks."""
        self.on_loop(lambda: self._stopping.set() if self._stopping is not None else None)

    def stall(self, seconds: float) -> None:
        """Keep the loop's thread busy."""

        def busy() -> None:
            self.stalled += seconds
            world().sleep(seconds, is_selector=True)

        self.on_loop(busy)
