"""Leaked threads and files, and blocked event loops, observed from outside the driver."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coodie_testing.api import Api

__all__ = ["ResourceSnapshot", "assert_loop_not_blocked", "assert_released"]

#: Seconds between two ticks.
_TICK = 0.01

#: A driver that blocks the loop does so in each attempt; a busy machine doesn't.
_ATTEMPTS = 3

#: Seconds to wait for threads and sockets to end.
_RELEASE_TIMEOUT = 20.0

_FILES = Path("/proc/self/fd")


async def assert_loop_not_blocked(call: Callable[[], Awaitable[Any]], longest: float) -> None:
    """Await a call, and check that the event loop runs other callbacks meanwhile.

    Args:
        call: Called again for each attempt.
        longest: The maximum number of seconds for which the loop may be blocked.

    Raises:
        AssertionError: It was blocked for longer in each attempt.
    """
    gap = 0.0
    for _ in range(_ATTEMPTS):
        gap = await _longest_gap(call)
        if gap < longest:
            return
    raise AssertionError(f"The event loop was blocked for {gap:.2f} s while the call was awaited.")


async def _longest_gap(call: Callable[[], Awaitable[Any]]) -> float:
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        last = time.monotonic()
        while True:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            longest, last = max(longest, now - last), now

    ticker = asyncio.ensure_future(tick())
    await asyncio.sleep(2 * _TICK)
    try:
        await call()
        # A call that blocked to its end is seen by the tick after it.
        await asyncio.sleep(2 * _TICK)
    finally:
        ticker.cancel()
    return longest


class ResourceSnapshot:
    """The threads and open files of this process at one moment.

    An executor that has threads at this moment stays open, and may start more.
    """

    def __init__(self) -> None:
        gc.collect()
        self.threads = set(threading.enumerate())
        self._files = _open_files()
        #: The number of open files; None if the system doesn't provide it.
        self.files = None if self._files is None else len(self._files)

    def excess(self) -> str:
        """Return a description of what was created since; empty for nothing."""
        now = ResourceSnapshot()
        pools = {_pool(thread) for thread in self.threads} - {None}
        later = [thread for thread in now.threads - self.threads if thread.is_alive()]
        threads = [thread.name for thread in later if _pool(thread) not in pools]
        said = f"threads {threads}" if threads else ""
        if self.files is not None and now.files is not None and now.files > self.files:
            said += f" {now.files - self.files} open files{now._names_of_new(self)}"
        return said.strip()

    def _names_of_new(self, before: ResourceSnapshot) -> str:
        """Return the names of the files that weren't open before, with their numbers."""
        new = (self._files or {}).items() - (before._files or {}).items()
        names = Counter(_file_name(fd, link) for fd, link in sorted(new))
        listed = ", ".join(f"{number} x {name}" for name, number in names.items())
        return listed and f" (new: {listed})"


def _open_files() -> dict[int, str] | None:
    """Return the targets of the links in _FILES by file descriptor; None without that directory."""
    if not _FILES.is_dir():
        return None
    found: dict[int, str] = {}
    for entry in os.listdir(_FILES):  # noqa: PTH208 - names are all
        # The one of this listing has been closed.
        with suppress(FileNotFoundError):
            found[int(entry)] = os.readlink(_FILES / entry)  # noqa: PTH115 - not the path of a file
    return found


def _file_name(fd: int, link: str) -> str:
    """Return what a file is: a socket's peer, a path, or a kind."""
    if link.startswith("socket:"):
        with suppress(OSError), socket.socket(fileno=os.dup(fd)) as opened:
            return f"socket to {opened.getpeername()}"
    return link.partition(":[")[0]


def _pool(thread: threading.Thread) -> str | None:
    """Return the name of a thread's executor, from the thread's name."""
    pool, _, number = thread.name.rpartition("_")
    return pool if pool and number.isdigit() else None


async def assert_released(api: Api, before: ResourceSnapshot, seconds: float = _RELEASE_TIMEOUT) -> None:
    """Check that no threads and open files remain that were created after a snapshot.

    Args:
        api: For waiting, with or without an event loop.
        before: The snapshot.
        seconds: How long to wait.

    Raises:
        AssertionError: Some remain.
    """
    deadline = time.monotonic() + seconds
    while left := before.excess():
        if time.monotonic() > deadline:
            raise AssertionError(f"Not released: {left}")
        await api.pause(0.05)
