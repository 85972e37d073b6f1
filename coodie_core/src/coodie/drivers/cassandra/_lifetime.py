"""A driver's life: whether it may still be used, and its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from coodie.exceptions import DriverClosedError
from coodie.waiting import start_thread

if TYPE_CHECKING:
    from cassandra.cluster import Cluster

__all__ = ["Lifetime", "shut_down"]


class Lifetime:
    """The state that all parts of one driver share."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self.closed = False

    def check(self) -> None:
        """Refuse the use of a driver that can't serve.

        Raises:
            DriverClosedError: It has been closed, or its threads stayed behind in the parent process.
        """
        if self.closed:
            raise self.error()
        if os.getpid() != self._process:
            message = (
                f"The driver was opened in process {self._process}; this is a fork of it, {os.getpid()}."
            )
            raise DriverClosedError(message, hint="Open a driver in each process, after the fork.")

    @staticmethod
    def error(message: str = "The driver has been closed.") -> DriverClosedError:
        """Return the error that a closed driver answers with."""
        return DriverClosedError(message, hint="Open a new one with init_coodie(…).")


def shut_down(cluster: Cluster, deadline: float) -> None:
    """Shut a cluster down, and give up waiting after the deadline (seconds): its threads end later."""
    from concurrent.futures import wait

    ending = start_thread(cluster.shutdown, "coodie-shutdown")
    wait([ending], deadline)
    if ending.done():
        ending.result()
