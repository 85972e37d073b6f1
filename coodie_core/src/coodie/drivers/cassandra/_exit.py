"""Exit handler: end the drivers' libev event loop at once, instead of after five seconds.

The driver's exit handler stops the watcher that disables the loop's timer, and then waits up to five seconds
for the loop's thread, which waits for that timer. This handler is registered later, and so runs first: it
marks the loop as shut down while the watcher is running, closes the connections and joins the thread.
Nothing is left for the driver's handler.
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

#: Seconds to wait for the loop's thread.
_JOIN_TIMEOUT = 2.0


@cache
def end_event_loop_at_exit() -> None:
    """Register the handler once, if the driver's libev reactor has been imported."""
    if _REACTOR in sys.modules:
        atexit.register(_end_event_loop, os.getpid())


def _end_event_loop(process: int) -> None:
    """End the event loop, which all Clusters of the process share."""
    loop: Any = getattr(sys.modules[_REACTOR], "_global_loop", None)
    # A fork has no such thread, and the sockets are its parent's.
    if os.getpid() != process or not all(hasattr(loop, name) for name in _NAMES) or loop._thread is None:  # noqa: SLF001 - see _NAMES
        return
    loop._shutdown = True  # noqa: SLF001 - see _NAMES
    for connection in loop._live_conns:  # noqa: SLF001 - see _NAMES
        connection.close()
    loop.notify()
    loop._thread.join(_JOIN_TIMEOUT)  # noqa: SLF001 - see _NAMES
