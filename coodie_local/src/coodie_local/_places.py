"""The directories that outlive a start: the nodes' own, and the cache that they share."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from coodie.exceptions import ConfigurationError
from coodie_local.errors import StorageError

__all__ = [
    "CACHE_VARIABLE",
    "HOME_VARIABLE",
    "LOCK_NAME",
    "LOG_NAME",
    "ROOM",
    "START_LOCK_NAME",
    "cache_directory",
    "check_name",
    "check_room",
    "home_directory",
    "make_private",
    "member_directory",
    "node_directory",
    "remove_tree",
    "write_private",
]

#: Moves the nodes' directories.
HOME_VARIABLE = "COODIE_LOCAL_HOME"
#: Moves the cache of jars and class archives.
CACHE_VARIABLE = "COODIE_LOCAL_CACHE"

#: The file in a node's directory whose lock the node holds while it lives.
LOCK_NAME = "node.lock"
#: The file in a cluster's directory whose lock is held by whoever starts or stops nodes of it.
START_LOCK_NAME = "start.lock"
#: The file in a node's directory to which Cassandra and its JVM write.
LOG_NAME = "cassandra.log"

#: Free bytes that a node must find: its commit log, first tables and log file.
ROOM = 128 * 1000 * 1000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_name(name: str) -> str:
    """Accept a node's name, or say what one looks like.

    Raises:
        ConfigurationError: The name isn't usable as a directory's.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} can't be the name of a local node."
        hint = "Use 1 to 64 letters, digits, '_', '-' and '.', beginning with a letter or digit."
        raise ConfigurationError(msg, hint=hint, option="node")
    return name


def home_directory() -> Path:
    """Find where the nodes' directories live: COODIE_LOCAL_HOME, or the user's data directory."""
    if override := os.environ.get(HOME_VARIABLE):
        return Path(override).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("coodie-local", appauthor=False)


def cache_directory() -> Path:
    """Find where jars and class archives live: COODIE_LOCAL_CACHE, or the user's cache directory."""
    if override := os.environ.get(CACHE_VARIABLE):
        return Path(override).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("coodie-local", appauthor=False)


def node_directory(name: str) -> Path:
    """Find the directory of the node of that name.

    Raises:
        ConfigurationError: The name isn't usable.
    """
    return home_directory() / "nodes" / check_name(name)


def member_directory(directory: Path, index: int, count: int) -> Path:
    """Name the own directory of one node: the cluster's where it is the only one, else one inside.

    Args:
        directory: The cluster's directory.
        index: Which node, from 0.
        count: How many nodes the cluster has.
    """
    return directory if count == 1 else directory / f"node{index + 1}"


def make_private(directory: Path) -> Path:
    """Create a directory that only this user can enter, with its parents.

    Returns:
        The directory.

    Raises:
        StorageError: It can't be created, belongs to another user, or isn't writable.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = directory.stat().st_uid
    except OSError as exc:
        msg = f"The directory {directory} can't be made: {exc.strerror or exc}."
        hint = f"Give another one with directory=, or set {HOME_VARIABLE} or {CACHE_VARIABLE}."
        raise StorageError(msg, hint=hint, path=directory) from exc
    if owner != os.getuid():
        msg = f"The directory {directory} belongs to another user (uid {owner}, this is uid {os.getuid()})."
        hint = f"Give another one with directory=, or set {HOME_VARIABLE} or {CACHE_VARIABLE}."
        raise StorageError(msg, hint=hint, path=directory)
    if not os.access(directory, os.W_OK | os.X_OK):
        msg = f"The directory {directory} isn't writable."
        raise StorageError(msg, hint=f"Run: chmod u+wx {directory}", path=directory)
    return directory


def check_room(directory: Path) -> None:
    """Make sure that a node can begin to write below a directory; a full disk would only show in its log.

    Raises:
        StorageError: Too little is free.
    """
    free = shutil.disk_usage(directory).free
    if free < ROOM:
        msg = f"Only {free / 1e6:.0f} MB are free in {directory}; a node needs {ROOM / 1e6:.0f} MB."
        hint = f"Make room, give another directory=, or set {HOME_VARIABLE}."
        raise StorageError(msg, hint=hint, path=directory)


def remove_tree(directory: Path) -> None:
    """Remove a directory and all in it; it is fine where there is none.

    Raises:
        StorageError: Something in it can't be removed.
    """
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except OSError as exc:
        msg = f"The directory {directory} can't be removed: {exc.strerror or exc}."
        raise StorageError(msg, hint="Remove it by hand.", path=directory) from exc


def write_private(file: Path, content: bytes) -> None:
    """Write a file in one step that only this user can read."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:  # noqa: PTH123 - a descriptor
        out.write(content)
    draft.replace(file)
