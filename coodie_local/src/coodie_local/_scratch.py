"""Where the data of an ephemeral node lives: in memory where there is room, and gone afterwards."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
from pathlib import Path

from coodie_local._members import hold_all
from coodie_local._places import make_private, remove_tree
from coodie_local.errors import StorageError

__all__ = ["NEEDED", "clear_scratch", "make_scratch", "memory_root", "sweep"]

#: Free bytes that memory-backed storage must have before data goes there.
NEEDED = 512 * 1024 * 1024

_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of this user's own is made in it, see memory_root
_LINK = ".node"

_log = logging.getLogger("coodie_local")


def memory_root() -> Path | None:
    """Find this user's own directory in memory-backed storage, and make it where it is missing.

    Returns:
        A directory that only this user can enter, or None where there is no such storage.
    """
    if not sys.platform.startswith("linux") or not _MEMORY.is_dir():
        return None
    root = _MEMORY / f"coodie-local-{os.getuid()}"
    # everybody may write in the parent, so a link or a stranger's directory could be waiting
    if root.is_symlink():
        return None
    try:
        return make_private(root)
    except StorageError:
        return None


def _in_memory(directory: Path) -> Path | None:
    """Name the place in memory for a cluster's throw-away data; it isn't created."""
    root = memory_root()
    if root is None:
        return None
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return root / f"{directory.name[:32]}-{digest}"


def _beside(directory: Path) -> Path:
    """Name the place on disk for a cluster's throw-away data; it isn't created."""
    return directory / "scratch"


def make_scratch(directory: Path) -> Path:
    """Make an empty place for the throw-away data of a cluster that is about to be started.

    Args:
        directory: The cluster's directory.

    Raises:
        StorageError: It can't be made.
    """
    clear_scratch(directory)
    in_memory = _in_memory(directory)
    # containers often have 64 MB there
    if in_memory is None or shutil.disk_usage(_MEMORY).free < NEEDED:
        return make_private(_beside(directory))
    # before the data: a sweep in another process takes data by these links
    _link(in_memory).symlink_to(directory)
    return make_private(in_memory)


def clear_scratch(directory: Path) -> None:
    """Remove the throw-away data of a cluster that doesn't run.

    Args:
        directory: The cluster's directory.

    Raises:
        StorageError: It can't be removed.
    """
    remove_tree(_beside(directory))
    in_memory = _in_memory(directory)
    if in_memory is not None:
        remove_tree(in_memory)
        _link(in_memory).unlink(missing_ok=True)


def sweep() -> None:
    """Remove what killed processes left in memory: data whose nodes' locks nobody holds."""
    root = memory_root()
    if root is None:
        return
    for link in root.glob(f"*{_LINK}"):
        # of a directory that was removed nobody holds anything, and nobody can start a node in it now
        locks = hold_all(link)
        if locks is None:
            continue
        with locks:
            try:
                remove_tree(link.with_name(link.name.removesuffix(_LINK)))
                link.unlink(missing_ok=True)
            except StorageError as error:
                _log.warning("What a killed node left in memory can't be removed: %s", error)


def _link(scratch: Path) -> Path:
    """Name the link from a cluster's throw-away data to its directory."""
    return scratch.with_name(scratch.name + _LINK)
