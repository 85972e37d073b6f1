"""Advisory file locks, which the kernel releases when the last process that holds them exits."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from coodie_local._cancellation import Cancellation

__all__ = ["FileLock", "acquire", "is_locked", "try_acquire"]

_POLL_INTERVAL = 0.05

#: The locks of this process: a forked child inherits their descriptors, and closes them.
_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _close_all() -> None:
    for lock in tuple(_held):
        lock.close()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_close_all)


class FileLock:
    """An exclusive flock(2); it is held until all copies of its descriptor are closed.

    A child process that inherits the descriptor also holds the lock: a JVM inherits the lock of its node's
    directory, so the node is alive while the lock is held.
    """

    __slots__ = ("__weakref__", "fd")

    def __init__(self, fd: int) -> None:
        #: The descriptor, for ``pass_fds``.
        self.fd = fd
        _held.add(self)

    def close(self) -> None:
        """Close this process's descriptor; idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        """Return the lock itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close this process's descriptor."""
        self.close()


def try_acquire(path: Path) -> FileLock | None:
    """Lock a file, which is created if missing, and never removed.

    Args:
        path: The file; its directory must exist.

    Returns:
        The lock; None if another descriptor holds it, in this process or another.
    """
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return FileLock(fd)


def is_locked(path: Path) -> bool:
    """Return whether a file is locked; a file that doesn't exist isn't."""
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # a shared lock: two concurrent calls don't mistake each other for the holder
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def acquire(path: Path, cancellation: Cancellation) -> FileLock:
    """Lock a file, after waiting for its holder.

    Raises:
        StartCancelledError: The wait was cancelled.
    """
    while (lock := try_acquire(path)) is None:
        cancellation.sleep(_POLL_INTERVAL)
    return lock
