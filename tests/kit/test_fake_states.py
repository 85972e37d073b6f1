"""FakeCluster before it is started, while it runs and after it was closed; what it refuses."""

from __future__ import annotations

import gc
import socket
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import open_driver

from coodie.registry import DriverRegistry, using_registry
from coodie_testing import FakeCluster

if TYPE_CHECKING:
    from collections.abc import Callable

READ = "SELECT id FROM shop.orders"


@pytest.mark.parametrize(
    "use",
    [
        lambda cluster: cluster.port,
        lambda cluster: cluster.connection_options(),
        lambda cluster: cluster.disconnect(),
        lambda cluster: cluster.stop_node(0),
        lambda cluster: cluster.start_node(0),
    ],
    ids=["port", "connection_options", "disconnect", "stop_node", "start_node"],
)
def test_a_cluster_that_does_not_run_says_so(use: Callable[[FakeCluster], object]) -> None:
    """Nothing waits for a loop that doesn't run, neither before the start nor after the close."""
    cluster = FakeCluster()
    with pytest.raises(RuntimeError, match=r"isn't running\. Use it inside"):
        use(cluster)
    with cluster:
        pass
    with pytest.raises(RuntimeError, match="isn't running"):
        use(cluster)


def test_a_cluster_that_was_never_started_holds_nothing() -> None:
    """It has neither an event loop nor a thread, and can be closed."""
    threads = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cluster = FakeCluster()
        cluster.close()
        assert threading.active_count() == threads
        del cluster
        gc.collect()


def test_closing_twice() -> None:
    """The second close does nothing."""
    cluster = FakeCluster().start()
    port = cluster.port
    cluster.close()
    cluster.close()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def test_starting_twice() -> None:
    """A running cluster is refused, and goes on."""
    with FakeCluster() as cluster:
        with pytest.raises(RuntimeError, match="is running already"):
            cluster.start()
        socket.create_connection(("127.0.0.1", cluster.port), timeout=5).close()


def test_disconnecting_a_connection_that_begins() -> None:
    """A connection whose transport isn't there yet is closed, too."""
    with FakeCluster() as cluster:
        for _ in range(300):
            with socket.create_connection(("127.0.0.1", cluster.port), timeout=5):
                cluster.disconnect()


def test_a_closed_cluster_starts_again(backend: str) -> None:
    """Scripts and tables are kept, and a new driver gets the scripted rows."""
    cluster = FakeCluster()
    cluster.table("shop.orders", {"id": "int"})
    cluster.when(READ).rows([{"id": 7}])
    for _ in range(2):
        with (
            using_registry(DriverRegistry()),
            cluster,
            open_driver(backend, **cluster.connection_options()) as driver,
        ):
            assert driver.execute(READ, []) == [{"id": 7}]
            assert len(cluster.calls) >= 1


def test_nodes_that_there_are_not() -> None:
    """A number beyond the nodes is refused, and so is the start of a node that runs."""
    with FakeCluster(nodes=2) as cluster:
        for number in (2, -1):
            with pytest.raises(ValueError, match=rf"no node {number}: the nodes are 0 to 1"):
                cluster.stop_node(number)
            with pytest.raises(ValueError, match=f"no node {number}"):
                cluster.start_node(number)
        with pytest.raises(ValueError, match=r"Node 1 isn't stopped\. Call stop_node\(1\)"):
            cluster.start_node(1)
        cluster.stop_node(1)
        cluster.start_node(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nodes": 0}, "nodes: expected 1 or more, got 0"),
        ({"max_protocol": 3}, "max_protocol: expected 4 or 5, got 3"),
        ({"username": "me", "login": lambda _: None}, "username and login exclude each other"),
    ],
)
def test_arguments_that_are_refused(arguments: dict[str, Any], message: str) -> None:
    """What no cluster can have is refused where it is created."""
    with pytest.raises(ValueError, match=message):
        FakeCluster(**arguments)
