"""Kill a start at each of its steps, and check the remaining files and processes; for test_killed_starts.

A step is an audit event: an operation of the interpreter on a file, a lock or a process. The JVM is replaced
by a program that does nothing. Each start is a fork of this process, so that hundreds of them take seconds.

Usage: python killed_starts.py HOME {up | launcher} {new | crashed} NODES
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from coodie_local import LocalCluster, _jvm, _start
from coodie_local._ephemeral_storage import memory_root, sweep
from coodie_local._installation import ClassArchive, Installation
from coodie_local._inventory import entry_of
from coodie_local._progress import SilentProgress
from coodie_local._releases import JavaRuntime, Manifest

HOME, WHO, BEFORE, NODES = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
DIRECTORY = HOME / "nodes" / "n"
#: Ignored events of the interpreter.
DULL = (
    "import",
    "compile",
    "exec",
    "marshal.",
    "object.",
    "sys.",
    "code.",
    "socket.",
    "os.listdir",
    "os.scandir",
    "time.sleep",
)

JAVA = f"""#!{sys.executable} -IS
import time
while True:
    time.sleep(1)
"""

LAUNCHER = f"""
import contextlib, os, signal, sys, time
up, seen = int(os.environ["UP"]), 0
def hook(event, args):
    global seen
    seen += 1
    if seen == int(os.environ["STEP"]):
        with contextlib.suppress(ProcessLookupError):  # the launcher of another node was quicker
            os.kill(up, signal.SIGKILL)
        while os.getppid() == up:
            time.sleep(0.001)
sys.addaudithook(hook)
exec(compile(open({str(_jvm._LAUNCHER)!r}).read(), "launcher", "exec"))
"""


def processes() -> dict[int, bytes]:
    """Return the nodes' processes and command lines, without coodie_local's code."""
    found = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
            if b"-Dcoodie.directory=" + os.fsencode(DIRECTORY) in command:
                found[int(entry.name)] = command
    return found


def await_jvms(*_: object) -> None:
    """Wait until each node's process has become its JVM, like a start waits until each node responds."""
    deadline = time.monotonic() + 60
    while [b"\0-IS\0" in command for command in processes().values()] != [True] * NODES:
        assert time.monotonic() < deadline, processes()
        time.sleep(0.001)


def begin(step: int) -> int:
    """Start a cluster in a fork, which is killed before the given step; return the fork's process id."""
    if child := os.fork():
        return child
    os.environ |= {"STEP": str(step), "UP": str(os.getpid())}
    seen = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if not (event.startswith(DULL) or (event == "open" and str(args[0]).startswith("/proc"))):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    if WHO == "up":
        sys.addaudithook(hook)
    LocalCluster("n", nodes=NODES, stop_with_process=False).start(progress=SilentProgress())
    os._exit(0)


def check(step: int) -> bool:
    """Check the state after a killed start; return whether a process is left, which `down` can stop."""
    # A process that exits between the two calls is only in one result.
    deadline = time.monotonic() + 10
    entry, found = entry_of("n"), processes()
    while {node.pid for node in entry.nodes} - {None} != found.keys():
        assert time.monotonic() < deadline, (step, entry, found)
        time.sleep(0.01)
        entry, found = entry_of("n"), processes()
    assert entry.condition in (
        ("starting", "silent", "partly running") if found else ("stopped", "crashed")
    ), (step, entry)
    # told as crashed only while the last start is the one that was
    assert BEFORE == "crashed" or entry.condition != "crashed", (step, entry)
    if entry.running is not None and entry.condition != "stopped":
        entry.running.stop()
    assert not processes(), step
    assert entry_of("n").condition == "stopped", (step, entry_of("n"))
    sweep()
    root = memory_root()
    left = (
        []
        if root is None
        else [path for path in root.iterdir() if path.name.startswith("n-") and path.is_symlink()]
    )
    assert not [path for path in left if path.readlink() == DIRECTORY], step
    return bool(found)


def prepare() -> None:
    """Create the state of the previous start."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    crashed = HOME / "crashed"
    if BEFORE == "crashed" and not crashed.exists():
        _, status = os.waitpid(begin(0), 0)
        assert status == 0
        for pid in processes():
            os.kill(pid, signal.SIGKILL)
        while processes():
            time.sleep(0.001)
        DIRECTORY.rename(crashed)
    if BEFORE == "crashed":
        shutil.copytree(crashed, DIRECTORY)
        assert entry_of("n").condition == "crashed"


def main() -> None:
    """Kill a start at all steps; print how many left nothing, and how many left a process."""
    java, launcher = HOME / "java", HOME / "launcher.py"
    java.write_text(JAVA, encoding="utf-8")
    java.chmod(0o700)
    installation = Installation(
        JavaRuntime(java, (17, 0, 9)), Manifest("5.0.9", "test", ()), (), ClassArchive(HOME / "no")
    )
    recipe = SimpleNamespace(install=lambda *_: installation)
    for name, stand_in in {"find_recipe": lambda _version: recipe, "await_ready": await_jvms}.items():
        setattr(_start, name, stand_in)
    if WHO == "launcher":
        launcher.write_text(LAUNCHER, encoding="utf-8")
        _jvm._LAUNCHER = launcher
    left: list[bool] = []
    status = int(signal.SIGKILL)
    while status == signal.SIGKILL:
        prepare()
        _, status = os.waitpid(begin(len(left) + 1), 0)
        left.append(check(len(left) + 1))
    assert status == 0
    sys.stdout.write(f"{left.count(False)} {left.count(True)}\n")


if __name__ == "__main__":
    main()
