"""The client's sessions: one per event loop, and one on a loop in a thread for sync callers.

A session of acsylla belongs to the event loop that connected it: on another one, its futures never complete.
So tasks use the session of their loop, without a thread, and threads share one session on a loop that this
module runs in a thread. A session is connected at the first use of its loop. Closing works from any thread,
also if a loop is blocked, paused or closed.

Two calls of the client must not be cancelled, because a session that is freed meanwhile blocks or aborts the
process: connecting and closing. They go on in tasks of their own. If their loop ends before they do, the
session is never freed.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import socket
import threading
import time
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

import acsylla
from acsylla._cython import cyacsylla

from coodie.exceptions import DriverClosedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
    from concurrent.futures import Future

__all__ = ["Held", "OnSession", "Sessions", "closed_error"]

T = TypeVar("T")

#: Seconds that closing waits for a loop, which may be blocked.
_CLOSE_TIMEOUT = 2.0

#: Seconds between checks whether a blocked loop has ended.
_POLL_INTERVAL = 0.05

#: The class of a cluster's logger, which isn't the one that ``acsylla.Logger`` documents.
_LOGGER = cyacsylla.Logger


def closed_error() -> DriverClosedError:
    """Return the error of a request that ended because the driver was closed."""
    message = "The driver was closed while the request was in flight; a write may have been applied."
    return DriverClosedError(message, hint="Open a new one with init_coodie(…).")


class _Uncancelled:
    """Awaits a coroutine of the client that a cancellation must not reach.

    Args:
        coroutine: The coroutine; after a cancellation, it is kept until the process ends.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine
        try:
            waiting = steps.send(None)
            while True:
                try:
                    answer = yield waiting
                except (asyncio.CancelledError, GeneratorExit):
                    # One reference more than there are: also at exit, it isn't freed.
                    ctypes.pythonapi.Py_IncRef(ctypes.py_object(steps))
                    raise
                except BaseException as exc:  # noqa: BLE001 - of the future that it waits for
                    waiting = steps.throw(exc)
                else:
                    waiting = steps.send(answer)
        except StopIteration as stop:
            return stop.value


class Held:
    """A prepared statement of the client, until its session is dropped.

    A statement keeps its session connected, so the sessions of loops that ended take theirs back.

    Args:
        statement: The statement.
    """

    __slots__ = ("__weakref__", "statement")

    def __init__(self, statement: Any) -> None:
        self.statement: Any = statement


class _LoopSession:
    """A session, and the tasks that use it.

    Args:
        cluster: The client's cluster, which has to outlive the session.
        session: The connected session.
    """

    def __init__(self, cluster: Any, session: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._cluster = cluster
        self._session: Any = session
        self._tasks: set[asyncio.Task[Any]] = set()
        #: Its prepared statements.
        self.held: WeakSet[Held] = WeakSet()

    async def use(self, call: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Return the result of a call with the session; ends if the session is closed meanwhile."""
        if self._session is None:
            raise closed_error()
        task = asyncio.get_running_loop().create_task(call(self._session))
        self._tasks.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            # Cancelled by ``close`` and not by the caller: its own task isn't.
            if self._session is None and task.cancelled():
                raise closed_error() from None
            raise
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        """Cancel the requests in flight, and close the session, on its loop."""
        session, self._session = self._session, None
        for task in tuple(self._tasks):
            task.cancel()
        if session is not None:
            try:
                with suppress(Exception):  # its connections may be broken
                    await _Uncancelled(session.close())
            finally:
                _release(self._cluster, self._loop)
        self._cluster = None

    def abandon(self) -> None:
        """Drop the session without its loop, which doesn't run; the client disconnects when it frees it.

        The client's close() isn't begun: a session that is freed while it closes aborts the process.
        """
        session, self._session = self._session, None
        for held in tuple(self.held):
            held.statement = None
        if session is not None:
            _release(self._cluster, self._loop)
        self._cluster = None


class Sessions:
    """The sessions of a driver.

    Args:
        settings: The arguments of ``acsylla.create_cluster``.
        keyspace: The keyspace of the sessions, or None.
        timeout: The timeout of connecting in seconds.
    """

    def __init__(self, settings: Mapping[str, Any], keyspace: str | None, timeout: float) -> None:
        self._settings = settings
        self._keyspace = keyspace
        self._timeout = timeout
        self._lock = threading.Lock()
        self._is_closed = False
        self._by_loop: dict[asyncio.AbstractEventLoop, asyncio.Task[_LoopSession]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        #: The schema version of the last session that was used.
        self._current: Any = None

    @property
    def schema_version(self) -> int:
        """The number of schema changes that the client has noticed."""
        session = self._current
        return 0 if session is None else int(session.get_metadata().get_snapshot_version())

    async def use(self, call: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Return the result of a call with the session of the running loop.

        Args:
            call: A coroutine function that gets the session.

        Raises:
            TimeoutError: Connecting took too long.
        """
        loop = asyncio.get_running_loop()
        opening = self._by_loop.get(loop)
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
            if self._is_closed:
                raise closed_error()
            self._drop_closed_loops()
            opening = self._by_loop[loop] = loop.create_task(self._connect())
        opened = opening.result() if opening.done() else await self._opened(opening)
        return await opened.use(call)

    def use_in_thread(self, call: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Return the result of a call with the session for sync callers; blocks the calling thread."""
        with self._lock:
            if self._is_closed:
                raise closed_error()
            if self._loop is None:
                self._start_loop()
            loop = self._loop
        assert loop is not None  # noqa: S101 - for type checkers
        future = asyncio.run_coroutine_threadsafe(self.use(call), loop)
        try:
            return future.result()
        except FutureCancelledError:
            raise closed_error() from None
        except BaseException:
            future.cancel()
            raise

    def hold(self, statement: Any) -> Held:
        """Return a statement that was prepared with the running loop's session."""
        held = Held(statement)
        self._by_loop[asyncio.get_running_loop()].result().held.add(held)
        return held

    def close(self) -> None:
        """Close all sessions, and end the thread."""
        with self._lock:
            self._is_closed = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        self._current = None
        for other, opening in list(self._by_loop.items()):
            _close(other, opening)
        self._by_loop.clear()
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_CLOSE_TIMEOUT)

    def _drop_closed_loops(self) -> None:
        """Close the sessions of loops that ended since, such as those of ``asyncio.run``."""
        for loop in [loop for loop in list(self._by_loop) if loop.is_closed()]:
            opening = self._by_loop.pop(loop, None)
            if opening is not None:
                _close(loop, opening)

    async def _opened(self, opening: asyncio.Task[_LoopSession]) -> _LoopSession:
        """Wait until a session is connected; a caller that stops waiting doesn't end connecting."""
        try:
            return await asyncio.wait_for(asyncio.shield(opening), self._timeout)
        except asyncio.TimeoutError as exc:  # the builtin only since Python 3.11
            raise TimeoutError from exc

    async def _connect(self) -> _LoopSession:
        cluster = acsylla.create_cluster(**self._settings)
        try:
            session = await _Uncancelled(cluster.create_session(self._keyspace))
        except BaseException:
            _release(cluster, asyncio.get_running_loop())
            raise
        opened = _LoopSession(cluster, session)
        if self._is_closed:
            await opened.close()
            raise closed_error()
        self._current = session
        return opened

    def _start_loop(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        ready = threading.Event()

        def run() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(ready.set)
            try:
                loop.run_forever()
            finally:
                _finish(loop)

        self._thread = threading.Thread(target=run, name="coodie-acsylla", daemon=True)
        self._thread.start()
        ready.wait()


class OnSession:
    """An effect: the result of a call with a session.

    Args:
        sessions: The sessions.
        call: A coroutine function that gets the session.
        timeout: The timeout in seconds; None if the client enforces it.

    Raises:
        TimeoutError: The timeout expired.
    """

    __slots__ = ("call", "sessions", "timeout")

    def __init__(
        self,
        sessions: Sessions,
        call: Callable[[Any], Coroutine[Any, Any, Any]],
        timeout: float | None = None,
    ) -> None:
        self.sessions = sessions
        self.call = call
        self.timeout = timeout

    def run(self) -> Any:
        """Block the calling thread."""
        return self.sessions.use_in_thread(self.call if self.timeout is None else self._in_time)

    def run_async(self) -> Awaitable[Any]:
        """Await on the running loop."""
        return self.sessions.use(self.call if self.timeout is None else self._in_time)

    async def _in_time(self, session: Any) -> Any:
        try:
            return await asyncio.wait_for(self.call(session), self.timeout)
        except asyncio.TimeoutError as exc:  # the builtin only since Python 3.11
            raise TimeoutError from exc


def _release(cluster: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Close the sockets by which a cluster and its logger wake up their loop.

    The client's ``destroy`` leaves some of them open and registered: a new socket with the same number would
    then be one that the loop never looks at.
    """
    owners = [cluster, *[part for part in gc.get_referents(cluster) if isinstance(part, _LOGGER)]]
    parts = [part for owner in owners for part in gc.get_referents(owner)]
    sockets = [part for part in parts if isinstance(part, socket.socket) and part.fileno() >= 0]
    if not loop.is_closed():
        for one in sockets:
            loop.remove_reader(one)
    with suppress(Exception):  # its loop may be closed
        cluster.destroy()
    for one in sockets:
        one.close()


def _close(loop: asyncio.AbstractEventLoop, opening: asyncio.Task[_LoopSession]) -> None:
    """Close the session of a loop, from any thread; on the loop's own, don't wait."""
    if _running_loop() is loop:
        closing_task = loop.create_task(_close_on_loop(opening))
        _closing.add(closing_task)
        closing_task.add_done_callback(_closing.discard)
        return
    if loop.is_closed() or not loop.is_running():
        if opening.done() and not opening.cancelled() and opening.exception() is None:
            opening.result().abandon()
        return
    closing = asyncio.run_coroutine_threadsafe(_close_on_loop(opening), loop)
    try:
        closing.result(_CLOSE_TIMEOUT)
    except (FutureTimeoutError, TimeoutError, FutureCancelledError):
        arguments = (loop, opening, closing)
        threading.Thread(
            target=_close_later, args=arguments, name="coodie-acsylla-close", daemon=True
        ).start()


def _close_later(
    loop: asyncio.AbstractEventLoop, opening: asyncio.Task[_LoopSession], closing: Future[None]
) -> None:
    """Wait for a loop that is blocked: it closes the session, or ends without having done so."""
    while not closing.done() and not loop.is_closed():
        time.sleep(_POLL_INTERVAL)
    if opening.done() and not opening.cancelled() and opening.exception() is None:
        opening.result().abandon()  # unless it is closed


async def _close_on_loop(opening: asyncio.Task[_LoopSession]) -> None:
    with suppress(asyncio.CancelledError, Exception):
        opened = await opening  # until it is connected, or the client's timeout
        await opened.close()


#: Tasks that close a session; a loop only has weak references to its tasks.
_closing: set[asyncio.Task[None]] = set()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is left on the loop of the thread, and close it."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    asyncio.set_event_loop(None)
    loop.close()
