"""Open connections in the background; until one is available, the driver sends the requests."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from coodie._points import point
from coodie.drivers.cassandra.fastpath.driver_internals import UnsupportedServerError
from coodie.waiting import start_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from cassandra.pool import Host

    from coodie.drivers.cassandra.fastpath.driver_internals import EstablishedConnection
    from coodie.drivers.cassandra.fastpath.shards import Shards

__all__ = ["Connector"]

log = logging.getLogger("coodie.drivers.cassandra.fastpath")

#: Backoff after a failure, in seconds: the first, and the longest.
_FIRST_DELAY = 0.5
_MAX_DELAY = 60.0


class Connector:
    """Open connections to one node, one at a time, with backoff after failures.

    Args:
        shards: Opens the connections.
        host: The node.
        disable: Turns the fast path off; called with the reason.
    """

    def __init__(self, shards: Shards, host: Host, disable: Callable[[str], None]) -> None:
        self._shards = shards
        self._host = host
        self._disable = disable
        self._is_connecting = False
        self._is_off = False
        self._not_before = 0.0
        self._delay = _FIRST_DELAY
        # By shard that connections didn't reach: the time of the next attempt, and the delay after that.
        self._wrong_shard_backoff: dict[int | None, tuple[float, float]] = {}

    def turn_off(self, reason: str) -> None:
        """Turn the fast path off; requests that have already checked whether it is on open no connection."""
        self._is_off = True
        self._disable(reason)

    def reset(self) -> None:
        """Reset the backoff: the node is up."""
        self._not_before = 0.0
        self._delay = _FIRST_DELAY
        self._wrong_shard_backoff.clear()

    def open(self, on_connected: Callable[[EstablishedConnection], Any], shard: int | None = None) -> None:
        """Open a connection in a thread, unless one is being opened, or during the backoff.

        Args:
            on_connected: Called with each connection, in that thread; also with those to other shards.
            shard: The shard to connect to; None for any.
        """
        now = time.monotonic()
        if self._is_off or self._is_connecting or now < self._not_before:
            return
        backoff = self._wrong_shard_backoff.get(shard)
        if backoff is not None and now < backoff[0]:
            return
        self._is_connecting = True

        def connect() -> None:
            try:
                links = self._shards.open(self._host, shard)
            except UnsupportedServerError as exc:
                self.turn_off(str(exc))
            except Exception as exc:  # noqa: BLE001 - the driver sends the requests, and reports the error
                log.debug("The fast path could not connect to %s: %r", self._host, exc)
                self._not_before = time.monotonic() + self._delay
                self._delay = min(self._delay * 2, _MAX_DELAY)
            else:
                self._not_before, self._delay = 0.0, _FIRST_DELAY
                if shard is not None and links[-1].shard != shard:
                    point("connection reached another shard")
                    pause = _FIRST_DELAY if backoff is None else min(backoff[1], _MAX_DELAY)
                    self._wrong_shard_backoff[shard] = time.monotonic() + pause, pause * 2
                for link in links:
                    self._wrong_shard_backoff.pop(link.shard, None)
                    on_connected(link)
            finally:
                self._is_connecting = False

        try:
            start_thread(connect, "coodie-connect")
        except RuntimeError as exc:  # no thread can be started now
            log.debug("The fast path could not connect to %s: %r", self._host, exc)
            self._is_connecting = False
