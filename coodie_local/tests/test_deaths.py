"""The reason why a node died, in errors, logs and attributes."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import ConnectionFailedError
from coodie_local import LocalNode, NodeStartError
from coodie_local._flock import try_acquire
from coodie_local._node_log import cause_of_death
from coodie_local._paths import LOCK_NAME
from coodie_local._progress import SilentProgress
from coodie_local._running import RunningCluster
from coodie_local.plugin import _translate_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OUT_OF_MEMORY = "INFO  [main] …\nTerminating due to java.lang.OutOfMemoryError: Java heap space\n"
HEAP = "OutOfMemoryError: Java heap space"
CRASH = """#
# A fatal error has been detected by the Java Runtime Environment:
#
#  SIGSEGV (0xb) at pc=0x00007f, pid=1, tid=2
#
# An error report file with more information is saved as:
# /nodes/n/hs_err_pid1.log
"""


@pytest.mark.parametrize(
    ("log", "exit_code", "cause"),
    [
        (
            OUT_OF_MEMORY,
            3,
            f"It ran out of memory ({HEAP}): give it a larger heap, with heap= or --heap.",
        ),
        (CRASH, -6, "The Java runtime crashed: /nodes/n/hs_err_pid1.log."),
        ("INFO  [main] …\n", -9, "It was killed by SIGKILL."),
        ("INFO  [main] …\n", 1, "It exited with status 1."),
        ("ERROR OutOfMemoryError was mentioned\n", None, None),
        (None, None, None),
    ],
)
def test_the_log_and_the_exit_status_tell(
    tmp_path: Path, log: str | None, exit_code: int | None, cause: str | None
) -> None:
    """The log takes precedence: another process doesn't know the exit code."""
    if log is not None:
        (tmp_path / "log").write_text(log, encoding="utf-8")
    assert cause_of_death(tmp_path / "log", exit_code) == cause


def test_a_node_lives_as_long_as_its_lock_is_held(tmp_path: Path) -> None:
    """Even for a child whose exit code isn't known yet: other processes only see the lock."""
    state: Any = SimpleNamespace(hosts=("127.0.0.1",), directory_of=lambda directory, _: directory)
    running = RunningCluster(tmp_path, state, started_here=True)
    child: Any = SimpleNamespace(exit_code=None, pid=1)
    running.jvms[0] = child
    assert not running.alive(0)
    lock = try_acquire(tmp_path / LOCK_NAME)
    assert lock is not None
    with lock:
        assert running.alive(0)


@pytest.mark.server
def test_who_asks_next_is_told(
    node_dir: Path, eventually: Callable[..., bool], caplog: pytest.LogCaptureFixture
) -> None:
    """The node's attribute, a failed connection attempt, and the log before a restart have the reason."""
    with LocalNode("n", directory=node_dir).start(progress=SilentProgress()) as node:
        (only,) = node.nodes
        address = (only.host, only.port)
        assert only.cause_of_death is None
        os.kill(only.pid, signal.SIGKILL)
        assert eventually(lambda: not only.alive)
        assert only.cause_of_death == "It was killed by SIGKILL."
        with node.log.open("a", encoding="utf-8") as log:
            log.write(OUT_OF_MEMORY)
        with (
            pytest.raises(NodeStartError, match=r"The node at 127\.0\.0\.1 died\. It ran out of memory"),
            _translate_errors(node),
        ):
            raise ConnectionFailedError("Connection refused")
        assert [again.host for again in node.restart_dead()] == [only.host]
        assert node.restart_dead() == ()
        assert (only.host, only.port) == address
        with pytest.raises(ConnectionFailedError, match="refused"), _translate_errors(node):
            raise ConnectionFailedError("Connection refused")
    told = [record.getMessage() for record in caplog.records if "died" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("The local node 'n' at 127.0.0.1 died. It ran out of memory (OutOfMemoryError")
