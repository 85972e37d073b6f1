"""Which nodes of a cluster's directory live: the locks of their own directories tell."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from coodie_local._flock import try_acquire
from coodie_local._places import LOCK_NAME

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["hold_all", "is_held", "living_in"]


def _lock_files(directory: Path) -> list[Path]:
    """List the lock of the directory itself and those of the nodes inside of it, where they exist."""
    return [*directory.glob(LOCK_NAME), *directory.glob(f"node*/{LOCK_NAME}")]


def is_held(member: Path) -> bool:
    """Say whether a node holds its own directory.

    Args:
        member: The node's own directory.
    """
    lock_file = member / LOCK_NAME
    if not lock_file.exists():
        return False
    lock = try_acquire(lock_file)
    if lock is None:
        return True
    lock.close()
    return False


def living_in(directory: Path) -> set[Path]:
    """Find the nodes of a cluster that live.

    Args:
        directory: The cluster's directory.

    Returns:
        Their own directories.
    """
    return {file.parent for file in _lock_files(directory) if is_held(file.parent)}


def hold_all(directory: Path) -> ExitStack | None:
    """Take the locks of all nodes of a cluster, so that none can be started meanwhile.

    Args:
        directory: The cluster's directory; one that isn't there has no nodes.

    Returns:
        What gives the locks back, or None where a node lives.
    """
    with ExitStack() as held:
        for file in _lock_files(directory):
            lock = try_acquire(file)
            if lock is None:
                return None
            held.enter_context(lock)
        return held.pop_all()
