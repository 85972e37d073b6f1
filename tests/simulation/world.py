"""Virtual time, and threads that run one at a time: one seed determines the order of all events.

Threads are greenlets, and switch only where they block here: on a lock, an event, a queue, a socket, a clock.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import sys
import traceback
from asyncio import _get_running_loop, _set_running_loop
from collections import deque
from concurrent.futures import Future
from random import Random
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Condition",
    "Deadlock",
    "Event",
    "Executor",
    "Handle",
    "Local",
    "Lock",
    "SimpleQueue",
    "World",
    "enter",
    "world",
]

#: Steps after which a run has no end.
_MOST_STEPS = 1_000_000


#: Seconds that anything takes at least.
_TICK = 1e-9


class Deadlock(BaseException):
    """No event is left, and a thread is blocked."""


class Handle:
    """A scheduled event."""

    __slots__ = ("work",)

    def __init__(self, work: Callable[[], object] | None) -> None:
        self.work = work

    def cancel(self) -> None:
        """Cancel it."""
        self.work = None


class _Thread:
    """A thread of the world: a greenlet, which has to itself what else a thread has.

    Args:
        name: Its name.
        number: What ``get_ident`` is there.
        work: What it does.
    """

    def __init__(self, name: str, number: int, work: Callable[[], object], hub: greenlet) -> None:
        self.name = name
        self.number = number
        self.greenlet = greenlet(work, hub)
        self._loop: Any = None
        self._hooks = sys.get_asyncgen_hooks()

    def go_on(self) -> None:
        """Run until it blocks, or ends; called by the world."""
        outside = sys.get_asyncgen_hooks()
        _set_running_loop(self._loop)
        sys.set_asyncgen_hooks(*self._hooks)
        try:
            self.greenlet.switch()
        finally:
            self._loop, self._hooks = _get_running_loop(), sys.get_asyncgen_hooks()
            _set_running_loop(None)
            sys.set_asyncgen_hooks(*outside)


class World:
    """One run.

    Args:
        seed: What decides.
    """

    def __init__(self, seed: int | str) -> None:
        self.random = Random(seed)
        self.now = 1000.0
        self.steps = 0
        self._events: list[tuple[float, float, int, Handle]] = []
        self._count = itertools.count()
        self._threads: dict[int, _Thread] = {}
        self._hub = getcurrent()
        self._here: _Thread | None = None
        self._failed: BaseException | None = None
        #: Where the thread of a running event loop was blocked, as tracebacks.
        self.blocked_loops: list[str] = []

    # --- events -------------------------------------------------------------------------

    def at(self, delay: float, work: Callable[[], object]) -> Handle:
        """Schedule an event; the seed orders events of the same time."""
        handle = Handle(work)
        # Time never goes back: with a rounding error, an event could stay due for ever.
        when = self.now + max(delay, _TICK)
        heapq.heappush(self._events, (when, self.random.random(), next(self._count), handle))
        return handle

    def soon(self, work: Callable[[], object], longest: float = 0.0005) -> Handle:
        """Schedule an event for the near future."""
        return self.at(self.random.random() * longest, work)

    # --- threads ------------------------------------------------------------------------

    def start(self, work: Callable[[], object], name: str) -> None:
        """Start a thread."""
        number = next(self._count)

        def run() -> None:
            try:
                if self._failed is None:
                    work()
            except BaseException as exc:  # noqa: BLE001 - the run fails
                self._failed = self._failed or exc
            finally:
                del self._threads[number]

        thread = self._threads[number] = _Thread(name, number, run, self._hub)
        self.soon(lambda: self._go_on(thread))

    def _go_on(self, thread: _Thread) -> None:
        before, self._here = self._here, thread
        try:
            thread.go_on()
        finally:
            self._here = before

    def run(self, work: Callable[[], object]) -> None:
        """Run a thread, and with it all that happens until its end.

        Raises:
            Deadlock: Nothing can happen any more, and it waits; or something failed.
        """
        ended: list[bool] = []

        def first() -> None:
            work()
            ended.append(True)

        self.start(first, "main")
        while not ended and self._failed is None:
            if not self._events or self.steps > _MOST_STEPS:
                self._failed = Deadlock(
                    "Nothing is left that could happen." if not self._events else "No end."
                )
                break
            when, _, _, handle = heapq.heappop(self._events)
            if handle.work is None:
                continue
            self.now = max(self.now, when)
            self.steps += 1
            handle.work()
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """End all threads."""
        self._failed = self._failed or Deadlock("The run is over.")
        while self._threads:
            self._go_on(next(reversed(self._threads.values())))

    @property
    def is_failed(self) -> bool:
        """Whether the run has failed, and all threads end."""
        return self._failed is not None

    def names(self) -> list[str]:
        """Return the names of the threads that haven't ended."""
        return sorted(thread.name for thread in self._threads.values())

    def get_ident(self) -> int:
        """Return the calling thread's number."""
        return 0 if self._here is None else self._here.number

    def block(
        self,
        subscribe: Callable[[Callable[[], None]], None],
        timeout: float | None,
        *,
        is_selector: bool = False,
    ) -> bool:
        """Block the calling thread until it is woken; return whether it was, before the time was over.

        Args:
            subscribe: Gets what wakes the thread.
            timeout: Seconds; None for ever.
            is_selector: It is the event loop that waits; what else blocks the thread of one is noted.
        """
        me = self._here
        if me is None:
            raise Deadlock("What happens outside of all threads can't wait.")
        if self._failed is not None:
            raise self._failed
        if not is_selector and _get_running_loop() is not None:
            self.blocked_loops.append("".join(traceback.format_stack(limit=12)))
        outcome: list[bool] = []

        def end(woken: bool) -> None:
            if not outcome:
                outcome.append(woken)
                self._go_on(me)

        timer = None if timeout is None else self.at(timeout, lambda: end(False))
        is_waking: list[Handle] = []

        def wake() -> None:
            if not outcome and not is_waking:
                is_waking.append(self.soon(lambda: end(True), 0.0001))

        subscribe(wake)
        self._hub.switch()
        if timer is not None:
            timer.cancel()
        if self._failed is not None:
            raise self._failed
        return outcome[0]

    def sleep(self, seconds: float, *, is_selector: bool = False) -> None:
        """Block the calling thread for a time."""
        self.block(lambda _: None, seconds, is_selector=is_selector)


_current: list[World] = []


def world() -> World:
    """Return the world of this run."""
    return _current[-1]


def enter(one: World | None) -> None:
    """Set the world of this run; None for none."""
    _current.clear()
    if one is not None:
        _current.append(one)


# --- replacements of the standard library -----------------------------------------------


class Condition:
    """As ``threading.Condition``; it needs no lock, since one thread runs at a time."""

    def __init__(self, lock: Any = None) -> None:
        self._waiting: list[Callable[[], None]] = []

    def acquire(self, *_: Any) -> bool:
        """Do nothing."""
        return True

    def release(self) -> None:
        """Do nothing."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is notified."""
        return world().block(self._waiting.append, timeout)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Block until a condition holds."""
        end = None if timeout is None else world().now + timeout
        while not (result := predicate()):
            left = None if end is None else end - world().now
            if left is not None and left <= 0:
                return predicate()
            self.wait(left)
        return result

    @property
    def has_waiters(self) -> bool:
        """Whether a thread waits."""
        return bool(self._waiting)

    def notify(self, n: int = 1) -> None:
        """Wake some of the waiting threads."""
        woken, self._waiting = self._waiting[:n], self._waiting[n:]
        for wake in woken:
            wake()

    def notify_all(self) -> None:
        """Wake all waiting threads."""
        self.notify(len(self._waiting))


class Lock:
    """As ``threading.RLock``; also replaces ``Lock``."""

    def __init__(self) -> None:
        self._owner: int | None = None
        self._depth = 0
        self._free = Condition()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire the lock."""
        me = world().get_ident()
        if self._owner is not None and self._owner != me:
            if not blocking:
                return False
            if not self._free.wait_for(lambda: self._owner is None, None if timeout < 0 else timeout):
                return False
        self._owner = me
        self._depth += 1
        return True

    def release(self) -> None:
        """Release the lock."""
        self._depth -= 1
        if not self._depth:
            self._owner = None
            if self._free.has_waiters:
                self._free.notify()

    def locked(self) -> bool:
        """Return whether the lock is held."""
        return self._owner is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Event:
    """As ``threading.Event``."""

    def __init__(self) -> None:
        self._is_set = False
        self._condition = Condition()

    def is_set(self) -> bool:
        """Return whether the event is set."""
        return self._is_set

    def set(self) -> None:
        """Set it."""
        self._is_set = True
        self._condition.notify_all()

    def clear(self) -> None:
        """Unset it."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it is set."""
        if not self._is_set:
            self._condition.wait_for(lambda: self._is_set, timeout)
        return self._is_set


class Local:
    """As ``threading.local``."""

    def __init__(self) -> None:
        object.__setattr__(self, "_values", {})

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[world().get_ident(), name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._values[world().get_ident(), name] = value

    def __delattr__(self, name: str) -> None:
        del self._values[world().get_ident(), name]


class SimpleQueue:
    """As ``queue.SimpleQueue``."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._condition = Condition()

    def put(self, item: Any) -> None:
        """Add an item."""
        self._items.append(item)
        self._condition.notify()

    def get(self, timeout: float | None = None) -> Any:
        """Remove and return an item; block until there is one.

        Raises:
            Empty: There is nothing in time.
        """
        if not self._items and timeout != 0:
            self._condition.wait_for(lambda: self._items, timeout)
        if not self._items:
            raise queue.Empty
        return self._items.popleft()


class Executor:
    """As ``ThreadPoolExecutor``, with a thread for each call."""

    def __init__(self, max_workers: int | None = None, thread_name_prefix: str = "") -> None:
        self._name = thread_name_prefix
        self._is_shut_down = False
        self._running = 0
        self._ended = Condition()

    def submit(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        """Run in a thread."""
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[Any] = Future()
        self._running += 1

        def run() -> None:
            try:
                run_work()
            finally:
                self._running -= 1
                self._ended.notify_all()

        def run_work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = work(*args, **kwargs)
            except Deadlock:
                raise
            except BaseException as exc:  # noqa: BLE001 - as an executor does
                future.set_exception(exc)
            else:
                future.set_result(result)

        world().start(run, self._name)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls."""
        self._is_shut_down = True
        if wait:
            self._ended.wait_for(lambda: not self._running)
