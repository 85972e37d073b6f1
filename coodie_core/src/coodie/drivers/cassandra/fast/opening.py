"""Open connections in the background: requests take the driver's way until one of ours is there."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.fast.internals import RefusedError, open_link
from coodie.waiting import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from cassandra.cluster import Cluster
    from cassandra.pool import Host

    from coodie.drivers.cassandra.fast.internals import Link

__all__ = ["Opener"]

log = logging.getLogger("coodie.drivers.cassandra.fast")

#: Seconds to wait after a failure, and at most after many.
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 60.0


class Opener:
    """Open connections to one node, one after another, with pauses after failures.

    Args:
        cluster: The driver's cluster.
        host: The node.
        refuse: Called with the reason where the fast path can't serve this server.
    """

    def __init__(self, cluster: Cluster, host: Host, refuse: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._host = host
        self._refuse = refuse
        self._opening = False
        self._not_before = 0.0
        self._delay = _FIRST_DELAY

    def reset(self) -> None:
        """Forget the failures so far: the node has come up."""
        self._not_before = 0.0
        self._delay = _FIRST_DELAY

    def open(self, deliver: Callable[[Link], Any]) -> None:
        """Have a connection opened, unless one is being opened, or it is too early after a failure.

        Args:
            deliver: Called with it, in another thread.
        """
        if self._opening or time.monotonic() < self._not_before:
            return
        self._opening = True

        def work() -> None:
            try:
                link = open_link(self._cluster, self._host.endpoint)
            except RefusedError as exc:
                self._refuse(str(exc))
            except Exception as exc:  # noqa: BLE001 - requests go the driver's way, and tell what is wrong
                log.debug("No connection of the fast path to %s: %r", self._host, exc)
                self._not_before = time.monotonic() + self._delay
                self._delay = min(self._delay * 2, _LONGEST_DELAY)
            else:
                self.reset()
                deliver(link)
            finally:
                self._opening = False

        try:
            start_thread(work, "coodie-connect")
        except RuntimeError as exc:  # no thread can be started now
            log.debug("No connection of the fast path to %s: %r", self._host, exc)
            self._opening = False
