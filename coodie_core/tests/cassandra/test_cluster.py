"""Subclasses of the drivers' Cluster, without a server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from coodie_core.tests.fakes import PATIENCE, wait_until

from coodie.drivers.cassandra._cluster import cluster_class
from coodie.drivers.cassandra._connection import attentive

if TYPE_CHECKING:
    import pytest


def test_a_task_due_at_exit_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter ends the executor before the scheduler, whose thread then writes no traceback."""
    failures: list[Any] = []
    ran = threading.Event()
    monkeypatch.setattr(threading, "excepthook", failures.append)
    subclass = cluster_class(negotiates=True)
    cluster = subclass(connection_class=attentive(subclass.connection_class))
    try:
        cluster.scheduler.schedule(0, lambda function: function(), function=ran.set)
        assert ran.wait(PATIENCE)
        cluster.executor.shutdown()
        cluster.scheduler.schedule(0, failures.append, "the task ran")
        wait_until(cluster.scheduler._queue.empty)
        cluster.scheduler.schedule(0, failures.append, "the task ran")
        wait_until(cluster.scheduler._queue.empty)
        assert cluster.scheduler.is_alive()
    finally:
        cluster.shutdown()
    assert failures == []
