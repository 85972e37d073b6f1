"""Open connections in the background: requests take the driver's way until one of ours is there."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.fastpath.driver_internals import UnsupportedServerError
from coodie.waiting import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection
    from coodie.drivers.cassandra.fastpath.shards import Shards

__all__ = ["Connector"]

log = logging.getLogger("coodie.drivers.cassandra.fastpath")

#: Seconds to wait after a failure, and at most after many.
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 60.0


class Connector:
    """Open connections to one node, one after another, with pauses after failures.

    Args:
        shards: Opens them.
        host: The node.
        refuse: Called with the reason where the fast path can't serve this server.
    """

    def __init__(self, shards: Shards, host: Host, refuse: Callable[[str], None]) -> None:
        self._shards = shards
        self._host = host
        self._refuse = refuse
        self._opening = False
        self._not_before = 0.0
        self._delay = _FIRST_DELAY
        # Shards that connections didn't end at: when each may be tried again, and the pause after that.
        self._missed: dict[int | None, tuple[float, float]] = {}

    def reset(self) -> None:
        """Forget the failures so far: the node has come up."""
        self._not_before = 0.0
        self._delay = _FIRST_DELAY
        self._missed.clear()

    def open(self, deliver: Callable[[EstablishedConnection], Any], shard: int | None = None) -> None:
        """Have a connection opened, unless one is being opened, or it is too early after a failure.

        Args:
            deliver: Called with it, in another thread; also with those that end at other shards.
            shard: The shard that is wanted; None for any.
        """
        now = time.monotonic()
        if self._opening or now < self._not_before:
            return
        missed = self._missed.get(shard)
        if missed is not None and now < missed[0]:
            return
        self._opening = True

        def work() -> None:
            try:
                links = self._shards.open(self._host, shard)
            except UnsupportedServerError as exc:
                self._refuse(str(exc))
            except Exception as exc:  # noqa: BLE001 - requests go the driver's way, and tell what is wrong
                log.debug("No connection of the fast path to %s: %r", self._host, exc)
                self._not_before = time.monotonic() + self._delay
                self._delay = min(self._delay * 2, _LONGEST_DELAY)
            else:
                self._not_before, self._delay = 0.0, _FIRST_DELAY
                if shard is not None and links[-1].shard != shard:
                    pause = _FIRST_DELAY if missed is None else min(missed[1], _LONGEST_DELAY)
                    self._missed[shard] = time.monotonic() + pause, pause * 2
                for link in links:
                    self._missed.pop(link.shard, None)
                    deliver(link)
            finally:
                self._opening = False

        try:
            start_thread(work, "coodie-connect")
        except RuntimeError as exc:  # no thread can be started now
            log.debug("No connection of the fast path to %s: %r", self._host, exc)
            self._opening = False
