"""Stopping a node, of this process or of another, and removing what it leaves."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from coodie_local._flock import try_acquire
from coodie_local._places import LOCK_NAME, remove_tree
from coodie_local._scratch import clear_scratch
from coodie_local._state import is_process_of

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._start import RunningNode

__all__ = ["is_running", "stop_node"]

#: Seconds between SIGTERM and SIGKILL; a durable node loses no acknowledged write by the latter.
_GRACE = 2.0
_POLL = 0.02


def is_running(directory: Path) -> bool:
    """Say whether a node holds its directory.

    Args:
        directory: The node's own directory.
    """
    if not directory.is_dir():
        return False
    lock = try_acquire(directory / LOCK_NAME)
    if lock is None:
        return True
    lock.close()
    return False


def stop_node(directory: Path, running: RunningNode) -> None:
    """End a node and remove its throw-away data; one that has ended already is fine.

    Args:
        directory: The node's own directory.
        running: The node.
    """
    # what an ephemeral node still holds in memory is thrown away anyway
    grace = 0.0 if running.state.profile == "ephemeral" else _GRACE
    if running.jvm is not None:
        running.jvm.terminate(grace)
    else:
        _end_process(directory, running.state.pid, grace)
    lock = try_acquire(directory / LOCK_NAME)
    if lock is None:
        # started anew by somebody else: what is there now is theirs
        return
    with lock:
        clear_scratch(directory)
        remove_tree(directory / "tmp")


def _end_process(directory: Path, pid: int, grace: float) -> None:
    """End a process that isn't our child: its lock tells when it has ended."""
    deadline = time.monotonic() + grace
    signalled: signal.Signals | None = None
    while is_running(directory) and is_process_of(pid, directory):
        wanted = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
        if wanted is not signalled:
            with suppress(ProcessLookupError):
                os.kill(pid, wanted)
            signalled = wanted
        time.sleep(_POLL)
