"""`LocalCluster`: several real nodes, which are started, killed and restarted."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from coodie.exceptions import ConfigurationError
from coodie.protocol.codec import Consistency
from coodie_local import LocalCluster, LocalNode, LocalNodeError, NodeInUseError, NodeStartError
from coodie_local._ephemeral_storage import memory_root
from coodie_local._native import RefusedError, rows_or_none, run_statement
from coodie_local._progress import SilentProgress
from coodie_local._settings import cassandra_yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from coodie_local._state import NodePlan

pytestmark = pytest.mark.extended

_T = TypeVar("_T")

QUIET = SilentProgress()
KEYSPACE = "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}"


@pytest.mark.reliability
@pytest.mark.server
def test_three_nodes_replicate_and_come_back(
    node_dir: Path, python: Callable[..., Any], jvms: Callable[[Path], list[int]]
) -> None:
    """With one of three nodes killed, QUORUM works; after its restart, ALL works, with all rows."""
    with LocalCluster("three", nodes=3, directory=node_dir) as cluster:
        assert sorted(jvms(node_dir)) == sorted(node.pid for node in cluster.nodes)
        assert len(set(cluster.hosts)) == 3
        first, second, third = cluster.nodes

        def ask(statement: str, level: int, host: str = first.host) -> int:
            return len(run_statement(host, cluster.port, statement, consistency=level))

        peers = "SELECT peer FROM system.peers"
        assert [ask(peers, Consistency.ONE, host) for host in cluster.hosts] == [2, 2, 2]
        ask(KEYSPACE, Consistency.ONE)
        ask("CREATE TABLE k.t (a int PRIMARY KEY)", Consistency.ONE)
        _until_answered(lambda: ask("INSERT INTO k.t (a) VALUES (1)", Consistency.ALL))

        other = python(
            "import sys; from coodie_local import LocalCluster\n"
            "with LocalCluster('three', directory=sys.argv[1]) as cluster:\n"
            "    print(cluster.port, len(cluster.nodes), cluster.started_here)",
            node_dir,
        )
        output, errors = other.communicate(timeout=60)
        assert output.split() == [str(cluster.port), "3", "False"], errors
        with pytest.raises(NodeInUseError, match=r"is already running with nodes=3, not 1"):
            LocalNode("three", directory=node_dir).start(progress=QUIET)

        killed = third.pid
        third.kill()
        assert (first.alive, second.alive, third.alive) == (True, True, False)
        assert cluster.running
        _until_answered(lambda: ask("INSERT INTO k.t (a) VALUES (2)", Consistency.QUORUM))
        third.restart()
        assert third.alive
        assert third.pid != killed
        assert _until_answered(lambda: ask("SELECT a FROM k.t", Consistency.ALL, third.host)) == 2

        second.kill()
        third.kill()
        assert len(jvms(node_dir)) == 1
        cluster.start(progress=QUIET)  # what is missing
        assert len(jvms(node_dir)) == 3
        assert _until_answered(lambda: ask("SELECT a FROM k.t", Consistency.ALL)) == 2
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    assert jvms(node_dir) == []
    root = memory_root()
    assert (
        root is None
        or [path for path in root.iterdir() if path.is_symlink() and path.readlink() == node_dir] == []
    )


def _until_answered(ask: Callable[[], _T]) -> _T:
    """Retry until all nodes know of a change of a table or node; return the response.

    On a busy machine, nodes may briefly consider each other dead.
    """
    deadline = time.monotonic() + 30
    while True:
        try:
            return ask()
        except (RefusedError, OSError):
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.server
@pytest.mark.reliability
def test_two_durable_nodes_keep_data_and_addresses(node_dir: Path) -> None:
    """After kill -9 of all nodes, the next start has the same nodes, addresses, port and rows."""
    cluster = LocalCluster("two", nodes=2, profile="durable", directory=node_dir).start(progress=QUIET)
    address = cluster.hosts[0], cluster.port
    for statement in (
        KEYSPACE.replace("3}", "2}"),
        "CREATE TABLE k.t (a int PRIMARY KEY)",
        *(f"INSERT INTO k.t (a) VALUES ({number})" for number in range(20)),
    ):
        _until_answered(functools.partial(run_statement, *address, statement, consistency=Consistency.ALL))
    for node in cluster.nodes:
        os.kill(node.pid, signal.SIGKILL)
    cluster.stop()
    with LocalCluster("two", profile="durable", directory=node_dir) as again:
        assert (again.hosts[0], again.port) == address
        rows = run_statement(again.hosts[1], again.port, "SELECT a FROM k.t", consistency=Consistency.ALL)
        assert len(rows) == 20
    with pytest.raises(ConfigurationError, match="durable data of 2 nodes, not 3") as caught:
        LocalCluster("two", nodes=3, profile="durable", directory=node_dir).start(progress=QUIET)
    assert caught.value.option == "nodes"


@pytest.mark.server
def test_one_node_that_dies_takes_the_start_along(
    node_dir: Path, monkeypatch: pytest.MonkeyPatch, jvms: Callable[[Path], list[int]]
) -> None:
    """The error has that node's log, and the other nodes are stopped."""

    def broken(plan: NodePlan) -> str:
        text = cassandra_yaml(plan)
        return text.replace("num_tokens", "no_such_setting") if plan.index == 1 else text

    monkeypatch.setattr("coodie_local._start.cassandra_yaml", broken)
    with pytest.raises(NodeStartError, match=r"(?s)no_such_setting.*node2/cassandra\.log"):
        LocalCluster("dies", nodes=3, directory=node_dir).start(progress=QUIET)
    assert jvms(node_dir) == []
    assert not (node_dir / "node1" / "tmp").exists()


@pytest.mark.server
def test_ctrl_c_in_the_midst_of_a_start_leaves_no_process(
    node_dir: Path,
    python: Callable[..., Any],
    jvms: Callable[[Path], list[int]],
    eventually: Callable[..., bool],
) -> None:
    """All three JVMs have exited when the process exits."""
    process = python(
        "import sys; from coodie_local import LocalCluster\n"
        "LocalCluster('n', nodes=3, directory=sys.argv[1]).start()",
        node_dir,
    )
    assert eventually(lambda: len(jvms(node_dir)) == 3, 30)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert jvms(node_dir) == []


@pytest.mark.server
async def test_a_cancelled_start_leaves_nothing(node_dir: Path, jvms: Callable[[Path], list[int]]) -> None:
    """The task ends after the JVMs have exited."""
    cluster = LocalCluster("cancelled", nodes=3, directory=node_dir)
    task = asyncio.create_task(cluster.start_async(progress=QUIET))
    while not jvms(node_dir):
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert jvms(node_dir) == []
    assert not cluster.running


@pytest.mark.server
async def test_a_single_node_is_a_cluster_too(node_dir: Path, jvms: Callable[[Path], list[int]]) -> None:
    """A single node is paused, resumed, killed, restarted, and found without being started."""
    node = LocalNode("one", directory=node_dir)
    assert not node.find()
    with pytest.raises(LocalNodeError, match="isn't started"):
        _ = node.nodes
    async with node:
        (member,) = node.nodes
        assert (member.host, member.port, member.pid, member.log) == (
            node.host,
            node.port,
            node.pid,
            node.log,
        )
        member.pause()
        assert member.alive
        assert rows_or_none(node.host, node.port, "SELECT key FROM system.local", timeout=0.3) is None
        member.resume()
        assert rows_or_none(node.host, node.port, "SELECT key FROM system.local") == [(b"local",)]
        member.pause()
        member.kill()
        assert not node.running
        await member.restart_async()
        assert jvms(node_dir) == [member.pid]
        other = LocalNode("one", directory=node_dir)
        assert other.find()
        assert other.pid == member.pid
        other.stop()
        assert node.running
        assert repr(member) == f"<ClusterNode 127.0.0.1:{node.port} alive>"
    assert not node.find()
