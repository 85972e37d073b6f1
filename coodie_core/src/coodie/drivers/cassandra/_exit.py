"""The end of the process: the drivers' libev event loop ends at once, instead of after five seconds.

The driver's own exit handler stops the watcher that would turn the loop's timer off, and then waits up to
five seconds for the loop's thread, which waits for that timer. The handler here is registered later, and so
runs before it: it marks the loop as shut down while that watcher still runs, closes the connections and waits
for the thread, after which the driver's handler finds nothing left to do.
"""

from __future__ import annotations

import atexit
import os
import sys
from functools import cache
from typing import Any

__all__ = ["end_event_loop_at_exit"]

_REACTOR = "cassandra.io.libevreactor"

#: Private attributes of the driver's event loop that the handler uses.
_NAMES = ("_live_conns", "_shutdown", "_thread", "notify")

#: Seconds to wait for the loop's thread, which has nothing left to wait for.
_JOIN_TIMEOUT = 2.0


@cache
def end_event_loop_at_exit() -> None:
    """Register the handler, once in a process that has imported the driver's libev reactor."""
    if _REACTOR in sys.modules:
        atexit.register(_end_event_loop, os.getpid())


def _end_event_loop(process: int) -> None:
    """End the event loop of all Clusters of this process."""
    loop: Any = getattr(sys.modules[_REACTOR], "_global_loop", None)
    # A fork has no such thread, and the sockets are its parent's.
    if os.getpid() != process or not all(hasattr(loop, name) for name in _NAMES) or loop._thread is None:  # noqa: SLF001 - see _NAMES
        return
    loop._shutdown = True  # noqa: SLF001 - see _NAMES
    for connection in loop._live_conns:  # noqa: SLF001 - see _NAMES
        connection.close()
    loop.notify()
    loop._thread.join(_JOIN_TIMEOUT)  # noqa: SLF001 - see _NAMES
