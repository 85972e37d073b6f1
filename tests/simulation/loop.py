"""An asyncio event loop with the clock and the sockets of a world."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.simulation.world import world

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.network import Socket

__all__ = ["Loop"]

#: What it has beside its public methods is in no stub.
_Base: Any = asyncio.BaseEventLoop


class _Selector:
    """The selector of the loop.

    Args:
        loop: The loop.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Callable[[], None]]:
        """Return the callbacks of sockets that are ready; block until there is one, or the loop is woken."""
        here = world()
        # Each turn takes some time, so that other threads run although the loop is busy.
        here.sleep(here.random.random() * 0.00002, is_selector=True)
        end = None if timeout is None else here.now + timeout
        while not (found := self._loop.ready_callbacks()) and not self._loop.was_woken:
            if end is not None and here.now >= end:
                break
            here.block(self._loop.watch, None if end is None else end - here.now, is_selector=True)
        self._loop.was_woken = False
        here.random.shuffle(found)
        return found

    def close(self) -> None:
        """Do nothing."""


class Loop(_Base):  # type: ignore[misc]
    """An event loop; it runs in a thread of the world."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Selector(self)
        self._readers: dict[Socket, asyncio.Handle] = {}
        self._writers: dict[Socket, asyncio.Handle] = {}
        self._wake: Callable[[], None] | None = None
        self.was_woken = False
        self._clock_resolution = 1e-9
        #: What its handler of exceptions was told.
        self.complaints: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def time(self) -> float:
        """Return the world's time."""
        return world().now

    # --- sockets ------------------------------------------------------------------------

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        """Call a callback while a socket is readable."""
        self._check_closed()
        self.remove_reader(fd)
        self._readers[fd] = asyncio.Handle(callback, args, self, None)

    def remove_reader(self, fd: Any) -> bool:
        """Remove the callback."""
        handle = self._readers.pop(fd, None)
        if handle is not None:
            handle.cancel()
        return handle is not None

    def add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        """Call a callback while a socket is writable."""
        self._check_closed()
        self.remove_writer(fd)
        self._writers[fd] = asyncio.Handle(callback, args, self, None)

    def remove_writer(self, fd: Any) -> bool:
        """Remove the callback."""
        handle = self._writers.pop(fd, None)
        if handle is not None:
            handle.cancel()
        return handle is not None

    def ready_callbacks(self) -> list[Any]:
        """Return the callbacks of ready sockets."""
        found = [handle for sock, handle in self._readers.items() if sock.is_readable]
        return found + [handle for sock, handle in self._writers.items() if sock.is_writable]

    @property
    def watched(self) -> int:
        """The number of watched sockets."""
        return len(self._readers) + len(self._writers)

    def watch(self, wake: Callable[[], None]) -> None:
        """Call a function at the next change of readiness."""
        self._wake = wake
        for sock in {**self._readers, **self._writers}:
            sock.watch(wake)

    # --- hooks of BaseEventLoop --------------------------------------------------------

    def _process_events(self, event_list: list[asyncio.Handle]) -> None:
        for handle in event_list:
            if not handle.cancelled():
                self._add_callback(handle)

    def _add_callback(self, handle: asyncio.Handle) -> None:
        self._ready.append(handle)

    def _write_to_self(self) -> None:
        self.was_woken = True
        if self._wake is not None:
            self._wake()
