"""The locks in a cluster's directory: which of its nodes live, and whether somebody starts or stops them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from coodie_local._flock import is_locked, try_acquire
from coodie_local._paths import LOCK_NAME, START_LOCK_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from coodie_local._flock import FileLock

__all__ = ["is_alive", "is_being_changed", "living_in", "lock_all_nodes", "lock_start"]


def _lock_files(directory: Path) -> list[Path]:
    """List the lock files that exist: the directory's own, and those of the nodes' directories inside it."""
    return [*directory.glob(LOCK_NAME), *directory.glob(f"node*/{LOCK_NAME}")]


def is_alive(node_directory: Path) -> bool:
    """Return whether a node lives: its JVM holds the lock of the node's directory."""
    return is_locked(node_directory / LOCK_NAME)


def living_in(directory: Path) -> set[Path]:
    """Return the directories of the nodes that live, of the cluster in a directory."""
    return {file.parent for file in _lock_files(directory) if is_locked(file)}


def lock_all_nodes(directory: Path) -> ExitStack | None:
    """Lock all nodes of the cluster in a directory, so that none can be started meanwhile.

    Returns:
        A context manager that releases the locks, or None if a node lives.
    """
    with ExitStack() as locks:
        for file in _lock_files(directory):
            lock = try_acquire(file)
            if lock is None:
                return None
            locks.enter_context(lock)
        return locks.pop_all()


def lock_start(directory: Path) -> FileLock | None:
    """Take the lock that a process holds while it starts or stops nodes; None if another one holds it."""
    return try_acquire(directory / START_LOCK_NAME)


def is_being_changed(directory: Path) -> bool:
    """Return whether a process is starting or stopping nodes of the cluster in a directory."""
    return is_locked(directory / START_LOCK_NAME)
