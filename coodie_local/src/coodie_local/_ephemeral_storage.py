"""The storage of ephemeral clusters: in memory if there is space, else on disk."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
from pathlib import Path

from coodie_local._node_locks import lock_all_nodes
from coodie_local._paths import make_private, remove_tree
from coodie_local.errors import StorageError

__all__ = ["NEEDED", "create_storage", "memory_root", "remove_storage", "sweep"]

#: Free bytes that memory-backed storage requires.
NEEDED = 512 * 1024 * 1024

_MEMORY = Path("/dev/shm")  # noqa: S108 - memory_root() creates a private directory in it
_LINK = ".node"

_log = logging.getLogger("coodie_local")


def memory_root() -> Path | None:
    """Return this user's private directory in memory-backed storage, created if missing.

    Returns:
        The directory; None if the system has no such storage.
    """
    if not sys.platform.startswith("linux") or not _MEMORY.is_dir():
        return None
    root = _MEMORY / f"coodie-local-{os.getuid()}"
    # any user may write to the parent directory, so the path may be a link or another user's directory
    if root.is_symlink():
        return None
    try:
        return make_private(root)
    except StorageError:
        return None


def _in_memory(directory: Path) -> Path | None:
    """Return the directory in memory for a cluster's data, without creating it."""
    root = memory_root()
    if root is None:
        return None
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return root / f"{directory.name[:32]}-{digest}"


def _on_disk(directory: Path) -> Path:
    """Return the directory on disk for a cluster's data, without creating it."""
    return directory / "scratch"


def create_storage(directory: Path) -> Path:
    """Create an empty directory for the data of the cluster in a directory, before its start.

    Raises:
        StorageError: The directory can't be created.
    """
    remove_storage(directory)
    in_memory = _in_memory(directory)
    # containers often have only 64 MB
    if in_memory is None or shutil.disk_usage(_MEMORY).free < NEEDED:
        return make_private(_on_disk(directory))
    # before the data, because sweep() in another process finds data by these links
    _link(in_memory).symlink_to(directory)
    return make_private(in_memory)


def remove_storage(directory: Path) -> None:
    """Remove the data of the stopped ephemeral cluster in a directory.

    Raises:
        StorageError: A file can't be removed.
    """
    remove_tree(_on_disk(directory))
    in_memory = _in_memory(directory)
    if in_memory is not None:
        remove_tree(in_memory)
        _link(in_memory).unlink(missing_ok=True)


def sweep() -> None:
    """Remove data of killed clusters from memory: those without a locked node."""
    root = memory_root()
    if root is None:
        return
    for link in root.glob(f"*{_LINK}"):
        # a removed directory has no locks, and no node can be started in it
        locks = lock_all_nodes(link)
        if locks is None:
            continue
        with locks:
            try:
                remove_tree(link.with_name(link.name.removesuffix(_LINK)))
                link.unlink(missing_ok=True)
            except StorageError as error:
                _log.warning("Could not remove the data of a killed node from memory: %s", error)


def _link(in_memory: Path) -> Path:
    """Return the link from a cluster's data in memory to its directory."""
    return in_memory.with_name(in_memory.name + _LINK)
