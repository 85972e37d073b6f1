"""The locks in a cluster's directory: which nodes are alive, and whether a process starts or stops nodes.

A node's lock file contains the process id of the JVM that holds the lock; _launcher.py writes it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from coodie_local._flock import is_locked, try_acquire
from coodie_local._jvm import is_process_of
from coodie_local._paths import LOCK_NAME, START_LOCK_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._flock import FileLock

__all__ = [
    "is_alive",
    "is_being_changed",
    "last_process_of",
    "living_in",
    "lock_all_nodes",
    "lock_start",
    "process_of",
]

_POLL_INTERVAL = 0.02
#: Seconds for the launcher to write its process id into the lock file.
_LAUNCH_TIMEOUT = 5.0


def _lock_files(directory: Path) -> list[Path]:
    """List the existing lock files, in the cluster's directory and in its nodes' directories."""
    return [*directory.glob(LOCK_NAME), *directory.glob(f"node*/{LOCK_NAME}")]


def is_alive(node_directory: Path) -> bool:
    """Return whether a node is alive: its JVM holds the lock of the node's directory."""
    return is_locked(node_directory / LOCK_NAME)


def last_process_of(node_directory: Path) -> int:
    """Return the process id of the current or last holder of a node's lock; 0 if there was none."""
    try:
        return int((node_directory / LOCK_NAME).read_bytes() or 0)
    except (FileNotFoundError, ValueError):
        return 0


def process_of(node_directory: Path) -> int:
    """Return the process id of a living node; 0 if the node is dead.

    Waits until the launcher of a starting JVM has written the id.
    """
    deadline = time.monotonic() + _LAUNCH_TIMEOUT
    while is_alive(node_directory):
        if is_process_of(pid := last_process_of(node_directory), node_directory):
            return pid
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_INTERVAL)
    return 0


def living_in(directory: Path) -> set[Path]:
    """Return the directories of a cluster's living nodes."""
    return {file.parent for file in _lock_files(directory) if is_locked(file)}


def lock_all_nodes(directory: Path) -> ExitStack | None:
    """Lock all nodes of the cluster in a directory, so that none can be started.

    Returns:
        A context manager that releases the locks, or None if a node is alive.
    """
    with ExitStack() as locks:
        for file in _lock_files(directory):
            lock = try_acquire(file)
            if lock is None:
                return None
            locks.enter_context(lock)
        return locks.pop_all()


def lock_start(directory: Path) -> FileLock | None:
    """Acquire the lock for starting and stopping nodes; None if another process holds it."""
    return try_acquire(directory / START_LOCK_NAME)


def is_being_changed(directory: Path) -> bool:
    """Return whether a process is starting or stopping nodes of a cluster."""
    return is_locked(directory / START_LOCK_NAME)
