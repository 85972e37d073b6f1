"""Subclasses of the drivers' Cluster, without a server."""

from __future__ import annotations

import threading
from types import SimpleNamespace
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


def test_refreshes_of_the_schema_leave_threads_for_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tables somebody changes, a retry or a reconnection needn't wait for their refreshes."""
    subclass = cluster_class(negotiates=True)
    cluster = subclass(connection_class=attentive(subclass.connection_class), schema_event_refresh_window=0)
    control, started, may_end = cluster.control_connection, threading.Event(), threading.Event()
    refreshed: list[str] = []

    def refresh(_connection: Any, **event: Any) -> None:
        started.set()
        assert may_end.wait(PATIENCE)
        refreshed.append(event["table"])

    monkeypatch.setattr(control, "_connection", SimpleNamespace(close=lambda: None), raising=False)
    monkeypatch.setattr(control, "_refresh_schema", refresh, raising=False)
    tables = [f"t{number}" for number in range(100)]
    try:
        for table in tables:
            event = {"target_type": "TABLE", "change_type": "CREATED", "keyspace": "ks", "table": table}
            control._handle_schema_change(event)
        assert started.wait(PATIENCE)
        wait_until(cluster.scheduler._queue.empty)
        assert cluster.executor.submit(lambda: "retried").result(PATIENCE) == "retried"
        assert refreshed == []
        may_end.set()
        wait_until(lambda: len(refreshed) == len(tables))
        assert refreshed == tables
    finally:
        may_end.set()
        cluster.shutdown()
    assert not any(thread.name.startswith("coodie-schema-refresh") for thread in threading.enumerate())
