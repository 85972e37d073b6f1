"""The exceptions of local nodes.

``errors.md`` in this directory has a section for each class::

    CoodieError
    └── LocalNodeError
        ├── UnsupportedPlatformError (UnsupportedError)   no Java runtime or jars for this machine
        ├── DownloadError (ConnectionFailedError)         a jar could not be downloaded
        │   └── ChecksumError                             a jar differs from the lock file
        ├── StorageError (OSError)                        a full disk, or a directory that isn't usable
        ├── NodeInUseError (ConfigurationError)           it runs with other options
        ├── NodeStartError (ConnectionFailedError)        the JVM died, or wasn't ready in time
        │   └── PortInUseError                            another process listens on the port
        └── StartCancelledError                           stop() or a cancelled task
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError, ConnectionFailedError, CoodieError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "ChecksumError",
    "DownloadError",
    "LocalNodeError",
    "NodeInUseError",
    "NodeStartError",
    "PortInUseError",
    "StartCancelledError",
    "StorageError",
    "UnsupportedPlatformError",
]


class LocalNodeError(CoodieError):
    """The base class of the errors of local nodes."""

    explained_in = __name__


class UnsupportedPlatformError(LocalNodeError, UnsupportedError):
    """There is no Java runtime or no list of jars for this machine.

    Args:
        message: The description.
        hint: An alternative.
        platform: The machine's tag, such as ``linux-aarch64``.
    """

    def __init__(self, message: str, *, hint: str | None = None, platform: str | None = None) -> None:
        super().__init__(message, hint=hint, feature="platform")
        #: The machine's tag, such as ``linux-aarch64``.
        self.platform = platform


class DownloadError(LocalNodeError, ConnectionFailedError):
    """A jar could not be downloaded; complete jars are kept for the next start."""


class ChecksumError(DownloadError):
    """The size or SHA-256 of a downloaded jar was wrong twice."""


class StorageError(LocalNodeError, OSError):
    """A directory isn't writable, belongs to another user, or its disk is full.

    Args:
        message: The description.
        hint: The fix.
        path: The directory or file.
    """

    def __init__(self, message: str, *, hint: str | None = None, path: Path | None = None) -> None:
        super().__init__(message, hint=hint)
        #: The directory or file.
        self.path = path


class NodeInUseError(LocalNodeError, ConfigurationError):
    """A node of that name is already running with other options."""


class NodeStartError(LocalNodeError, ConnectionFailedError):
    """The node's JVM died, or didn't accept CQL requests in time.

    Args:
        message: The description.
        hint: The fix.
        log_lines: The last lines of the node's log.
        exit_code: The JVM's exit code, negative for a signal; None if it was running.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        log_lines: tuple[str, ...] = (),
        exit_code: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        #: The last lines of the node's log, oldest first.
        self.log_lines = log_lines
        #: The JVM's exit code, or None.
        self.exit_code = exit_code


class PortInUseError(NodeStartError):
    """Another process listens on the node's port."""


class StartCancelledError(LocalNodeError):
    """The start was cancelled before the node was ready; its processes were stopped."""
