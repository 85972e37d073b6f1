"""A node after its starter has exited or was killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from coodie_local import LocalNode, NodeInUseError
from coodie_local._progress import SilentProgress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.extended, pytest.mark.server]

START = """
import sys, time
from coodie_local import LocalNode
node = LocalNode("n", directory=sys.argv[1], **eval(sys.argv[2])).start()
print(node.pid, node.port, node.started_here, flush=True)
"""
# in small steps: a signal just before a long sleep doesn't interrupt it
WAIT = "while True: time.sleep(0.05)\n"


def test_kill_9_of_the_starter_takes_the_jvm_along(
    node_dir: Path,
    python: Callable[..., Any],
    jvms: Callable[[Path], list[int]],
    eventually: Callable[..., bool],
) -> None:
    """A killed process leaves no JVM, even if a thread started it; the next start removes its data."""
    threaded = (
        "import sys, threading, time\n"
        "from coodie_local import LocalNode\n"
        "node = LocalNode('n', directory=sys.argv[1])\n"
        "thread = threading.Thread(target=node.start); thread.start(); thread.join()\n"
        "time.sleep(0.3); print(node.running, flush=True)\n"
    )
    process = python(threaded + WAIT, node_dir)
    assert process.stdout.readline() == "True\n"
    assert len(jvms(node_dir)) == 1
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert eventually(lambda: jvms(node_dir) == [], 3)
    with LocalNode("n", directory=node_dir) as node:
        assert node.started_here


@pytest.mark.parametrize("when", ["while it starts", "when it runs"])
def test_ctrl_c_leaves_no_process(
    node_dir: Path,
    python: Callable[..., Any],
    jvms: Callable[[Path], list[int]],
    eventually: Callable[..., bool],
    when: str,
) -> None:
    """The process exits immediately with KeyboardInterrupt, and neither a JVM nor data is left."""
    process = python(START + WAIT, node_dir, {})
    assert eventually(lambda: jvms(node_dir), 30)
    if when == "when it runs":
        process.stdout.readline()
    else:
        time.sleep(0.3)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert time.monotonic() - begun < 3
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert jvms(node_dir) == []
    assert not (node_dir / "tmp").exists()


def test_the_interpreters_exit_stops_the_node(
    node_dir: Path, python: Callable[..., Any], jvms: Callable[[Path], list[int]]
) -> None:
    """A script that never calls stop() stops the node at exit, without output; a fork of it doesn't."""
    forks = (
        "import os, warnings\n"
        "warnings.simplefilter('ignore')\n"  # Python 3.12 warns about forks with threads
        "if os.fork() == 0:\n"
        "    node.stop(); sys.exit()\n"
        "os.wait(); print(node.running, flush=True)\n"
    )
    process = python(START + forks, node_dir, {})
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert output.splitlines()[-1] == "True"
    assert jvms(node_dir) == []
    assert not (node_dir / "tmp").exists()


def test_a_node_may_outlive_its_starter(
    node_dir: Path, python: Callable[..., Any], jvms: Callable[[Path], list[int]]
) -> None:
    """With stop_with_process=False, the node survives Ctrl-C; other processes find it and can stop it."""
    process = python(START + WAIT, node_dir, {"stop_with_process": False})
    output = process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=10)
    time.sleep(0.5)
    assert jvms(node_dir) == [int(output.split()[0])]
    with pytest.raises(NodeInUseError, match="profile="):
        LocalNode("n", directory=node_dir, profile="durable").start()
    with LocalNode("n", directory=node_dir) as node:
        assert not node.started_here
        assert node.port == int(output.split()[1])
    assert len(jvms(node_dir)) == 1
    node.start()
    begun = time.monotonic()
    node.stop(found=True)
    assert time.monotonic() - begun < 2
    assert jvms(node_dir) == []


def test_many_starters_of_one_directory_get_one_node(
    node_dir: Path, python: Callable[..., Any], jvms: Callable[[Path], list[int]]
) -> None:
    """With two processes and two threads, there is one JVM, one port, and exactly one starter."""
    processes = [python(START + "sys.stdin.read()", node_dir, {}) for _ in range(2)]
    nodes = [LocalNode("n", directory=node_dir) for _ in range(2)]
    threads = [threading.Thread(target=node.start, kwargs={"progress": SilentProgress()}) for node in nodes]
    for thread in threads:
        thread.start()
    lines = [process.stdout.readline().split() for process in processes]
    for thread in threads:
        thread.join()
    found = {(int(pid), int(port)) for pid, port, _ in lines} | {(node.pid, node.port) for node in nodes}
    assert len(found) == 1
    assert len(jvms(node_dir)) == 1
    ours = nodes[0].started_here
    assert nodes[1].started_here == ours
    assert [started for _, _, started in lines].count("True") + ours == 1
    for process in processes:
        process.send_signal(signal.SIGINT)
        process.wait()
    for node in nodes:
        node.stop()
    assert jvms(node_dir) == []
