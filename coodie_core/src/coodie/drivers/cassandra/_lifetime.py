"""The end of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.waiting import start_thread

if TYPE_CHECKING:
    from cassandra.cluster import Cluster

__all__ = ["shut_down"]


def shut_down(cluster: Cluster, deadline: float) -> None:
    """Shut a cluster down, and give up waiting after the deadline (seconds): its threads end later."""
    from concurrent.futures import wait

    ending = start_thread(cluster.shutdown, "coodie-shutdown")
    wait([ending], deadline)
    if ending.done():
        ending.result()
