"""The directories of clusters and nodes, and the shared cache."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie_local.errors import StorageError

if TYPE_CHECKING:
    from platformdirs.api import PlatformDirsABC

__all__ = [
    "CACHE_VARIABLE",
    "HOME_VARIABLE",
    "LOCK_NAME",
    "LOG_NAME",
    "MIN_FREE_SPACE",
    "START_LOCK_NAME",
    "cache_directory",
    "check_free_space",
    "check_name",
    "cluster_directory",
    "home_directory",
    "make_private",
    "remove_tree",
    "write_private",
]

#: The environment variable for the parent of the nodes' directories.
HOME_VARIABLE = "COODIE_LOCAL_HOME"
#: The environment variable for the cache of jars and class archives.
CACHE_VARIABLE = "COODIE_LOCAL_CACHE"

#: The file in a node's directory that the node locks while it is alive.
LOCK_NAME = "node.lock"
#: The file in a cluster's directory that a process locks while it starts or stops nodes.
START_LOCK_NAME = "start.lock"
#: The file in a node's directory to which Cassandra and its JVM write.
LOG_NAME = "cassandra.log"

#: Free bytes that a node requires: for its commit log, first tables and log file.
MIN_FREE_SPACE = 128 * 1000 * 1000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_name(name: str) -> str:
    """Return the name of a node if it is valid.

    Raises:
        ConfigurationError: The name is invalid.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} isn't a valid name of a local node."
        hint = "Use 1 to 64 letters, digits, '_', '-' and '.', beginning with a letter or digit."
        raise ConfigurationError(msg, hint=hint, option="node")
    return name


def home_directory() -> Path:
    """Return the parent of the clusters' directories: COODIE_LOCAL_HOME, or the user's data directory."""
    return _from_environment(HOME_VARIABLE) or _platform_directories().user_data_path


def cache_directory() -> Path:
    """Return the cache of jars and class archives: COODIE_LOCAL_CACHE, or the user's cache directory."""
    return _from_environment(CACHE_VARIABLE) or _platform_directories().user_cache_path


def _from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser().absolute() if value else None


def _platform_directories() -> PlatformDirsABC:
    from platformdirs import PlatformDirs

    return PlatformDirs("coodie-local", appauthor=False)


def cluster_directory(name: str) -> Path:
    """Return the directory of a node or cluster.

    Raises:
        ConfigurationError: The name is invalid.
    """
    return home_directory() / "nodes" / check_name(name)


def make_private(directory: Path) -> Path:
    """Create a directory that only this user can enter, and its parents.

    Returns:
        The directory.

    Raises:
        StorageError: It can't be created, belongs to another user, or isn't writable.
    """
    hint = f"Use another directory=, or set {HOME_VARIABLE} or {CACHE_VARIABLE}."
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = directory.stat().st_uid
    except OSError as exc:
        msg = f"Could not create the directory {directory}: {exc.strerror or exc}."
        raise StorageError(msg, hint=hint, path=directory) from exc
    if owner != os.getuid():
        msg = f"The directory {directory} belongs to another user (uid {owner}, this is uid {os.getuid()})."
        raise StorageError(msg, hint=hint, path=directory)
    if not os.access(directory, os.W_OK | os.X_OK):
        msg = f"The directory {directory} isn't writable."
        raise StorageError(msg, hint=f"Run: chmod u+wx {directory}", path=directory)
    return directory


def check_free_space(directory: Path) -> None:
    """Check the free space for a node's first files; a full disk would only be visible in its log.

    Raises:
        StorageError: There is too little.
    """
    free = shutil.disk_usage(directory).free
    if free < MIN_FREE_SPACE:
        msg = f"Only {free / 1e6:.0f} MB are free in {directory}; a node needs {MIN_FREE_SPACE / 1e6:.0f} MB."
        hint = f"Free disk space, use another directory=, or set {HOME_VARIABLE}."
        raise StorageError(msg, hint=hint, path=directory)


def remove_tree(directory: Path) -> None:
    """Remove a directory and its contents, if it exists.

    Raises:
        StorageError: A file in it can't be removed.
    """
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except OSError as exc:
        msg = f"Could not remove the directory {directory}: {exc.strerror or exc}."
        raise StorageError(msg, hint="Remove it manually.", path=directory) from exc


def write_private(file: Path, content: bytes) -> None:
    """Write a file atomically; only this user can read it."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:  # noqa: PTH123 - a descriptor
        out.write(content)
    draft.replace(file)
