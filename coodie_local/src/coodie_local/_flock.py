"""Advisory locks on files, which the kernel drops when the last process that has them ends."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

    from coodie_local._cancellation import Cancellation

__all__ = ["FileLock", "acquire", "try_acquire"]

_POLL = 0.05


#: What this process holds: a fork would keep it held without knowing of it.
_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _let_go() -> None:
    for lock in tuple(_held):
        lock.close()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_let_go)


class FileLock:
    """An exclusive flock(2) that was taken; it lasts until every copy of its descriptor is closed.

    A child that inherits the descriptor holds the lock too, so the lock of a node's
    directory, handed to its JVM, says whether that JVM lives, without any process id.
    """

    __slots__ = ("__weakref__", "fd")

    def __init__(self, fd: int) -> None:
        #: The descriptor, for ``pass_fds``.
        self.fd = fd
        _held.add(self)

    def close(self) -> None:
        """Close this process's descriptor; twice is fine."""
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
    """Take the lock of a file, which is created where it is missing and never removed.

    Args:
        path: The file; its directory must exist.

    Returns:
        The lock, or None where another descriptor, of this process or another, has it.
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


def acquire(path: Path, cancellation: Cancellation) -> FileLock:
    """Take the lock of a file as soon as nobody else has it.

    Args:
        path: The file; its directory must exist.
        cancellation: Ends the wait.

    Raises:
        StartCancelledError: The wait was ended.
    """
    while (lock := try_acquire(path)) is None:
        cancellation.sleep(_POLL)
    return lock
