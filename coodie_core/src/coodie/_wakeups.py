"""Wake event loops from other threads: once for all outcomes that a thread has at a time.

Waking a loop takes a system call, in which CPython releases the lock of its interpreter. So a thread that
wakes a loop for each of 64 responses switches to the loop's thread and back 64 times, which takes longer than
everything else about them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["Calls", "calls_of", "waking_once"]

#: Seconds after which the first outcome of several is delivered, although the thread has more.
_MAX_DELAY = 0.005


class Calls:
    """The calls that other threads have left for an event loop, in order."""

    def __init__(self) -> None:
        self._calls: deque[tuple[Callable[[Any], object], Any]] = deque()
        #: Whether the loop will make the calls that are left before this is False again.
        self._is_woken = False

    def leave(self, loop: asyncio.AbstractEventLoop, call: Callable[[Any], object], argument: Any) -> None:
        """Have a loop call a function; from any thread.

        Args:
            loop: The loop; if it has been closed, the function isn't called.
            call: The function.
            argument: Its argument.
        """
        self._calls.append((call, argument))
        if not self._is_woken and not _blocks.takes(self, loop):
            self.wake(loop)

    def wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake a loop for the calls that have been left."""
        if self._is_woken or not self._calls:
            return
        self._is_woken = True
        try:
            loop.call_soon_threadsafe(self._make, loop)
        except RuntimeError:
            self._is_woken = False
            if not loop.is_closed():
                raise
            self._calls.clear()  # nobody is waiting

    def _make(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_woken = False
        try:
            for _ in range(len(self._calls)):
                call, argument = self._calls.popleft()
                call(argument)
        except BaseException:  # a signal's handler has raised
            self.wake(loop)
            raise


class _Blocks(threading.local):
    """The blocks of ``waking_once`` that a thread is in, and the loops that it will wake at their end."""

    depth = 0
    deadline = 0.0
    loops: dict[asyncio.AbstractEventLoop, Calls] | None = None

    def takes(self, calls: Calls, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether this thread will wake the loop later."""
        if not self.depth:
            return False
        now = time.monotonic()
        if self.loops and now > self.deadline:
            self.wake()
        if not self.loops:
            self.loops, self.deadline = {}, now + _MAX_DELAY
        self.loops[loop] = calls
        return True

    def wake(self) -> None:
        """Wake the loops."""
        loops, self.loops = self.loops, None
        for loop, calls in (loops or {}).items():
            calls.wake(loop)


class _WakingOnce:
    """See ``waking_once``."""

    def __enter__(self) -> None:
        _blocks.depth += 1

    def __exit__(self, *_: object) -> None:
        _blocks.depth -= 1
        if not _blocks.depth:
            _blocks.wake()


_blocks = _Blocks()

#: A context manager: wake each loop once for all that the block leaves for it, or after some milliseconds.
waking_once = _WakingOnce()

#: Weak, also in the calls, which refer to their loop: a loop that is dropped can be garbage-collected.
_calls: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[Calls]] = WeakKeyDictionary()


def calls_of(loop: asyncio.AbstractEventLoop) -> Calls:
    """Return the calls of an event loop, to be kept until the last one is left; in the loop's thread."""
    known = _calls.get(loop)
    found = None if known is None else known()
    if found is None:
        found = Calls()
        _calls[loop] = ref(found)
    return found
